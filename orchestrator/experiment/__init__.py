"""An experiment: the settings of one project, and the line that runs it.

settings    what an experiment is
line        THE LINE: with `execution`, what knows the order of the stages
execution   what is done once it is known what is to be done
syncing     sending MLflow what it lacks, without a flow run
work        snapshot -> what is to be done for each customer
warm_starts champions -> what studies try first
flow        the training flow: what runs where
desk        what the driver writes: ledger first, then MLflow
dispatch    orders for champions, and what is written down of each
delivery    champions fitted, written and read back, or the next best in turn
refitting   what a worker does for a winner
storability whether models can be stored, found out when planning
report      what it came to
"""

from orchestrator.experiment.settings import Experiment

__all__ = ["Experiment"]
