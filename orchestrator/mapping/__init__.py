"""Dynamic task mapping: tasks, flows, expansion, a pure engine, executors. Knows nothing of models.

tasks, nodes, sequences, product, options, flows    writing a flow down
engine, expansion, judging, ends, attempts, rules   what may start, what an end means; pure
admission, limits, groups, pacing                   how many may run and start at once
key_registry, key_templates                         the keys of instances
node_state, ready, events                           what these remember and say
run, coordinators, journal, again, fingerprints     the driver loop
inline, dask, deferred                              executors, behind the seam of `executing`
context, capture, voice, said                       a running task's names, and what it says
runs, outcomes                                      what a person gets back
"""

from orchestrator.mapping.context import context
from orchestrator.mapping.coordinators import TaskFailedError
from orchestrator.mapping.flows import Flow, Run, flow
from orchestrator.mapping.limits import Pool
from orchestrator.mapping.nodes import FirstEnded
from orchestrator.mapping.outcomes import Outcome, Outcomes
from orchestrator.mapping.progress import NodeProgress
from orchestrator.mapping.recording import MemoryRecorder, Recorder
from orchestrator.mapping.signals import Fail, Skip
from orchestrator.mapping.tasks import Task, task

__all__ = [
    "Fail",
    "FirstEnded",
    "Flow",
    "MemoryRecorder",
    "NodeProgress",
    "Outcome",
    "Outcomes",
    "Pool",
    "Recorder",
    "Run",
    "Skip",
    "Task",
    "TaskFailedError",
    "context",
    "flow",
    "task",
]
