"""Whether MLflow and the artifact root are the ledger's own: the doctor's words for it.

Touches no library itself; takes an `Experiment` and its ledger; gives `Finding`; driver.
"""

from collections.abc import Iterator

from orchestrator.errors import MachineryError
from orchestrator.experiment.findings import Finding
from orchestrator.experiment.ownership import trouble
from orchestrator.experiment.settings import Experiment
from orchestrator.ledger import Ledger


def check_stores(experiment: Experiment, ledger: Ledger) -> Iterator[Finding]:
    """What keeps the ledger from using the configured stores."""
    try:
        found = trouble(experiment, ledger)
    except MachineryError:
        return  # MLflow's own check tells that it does not answer
    if found is not None:
        yield Finding(check="stores", problem=found.problem, cure=found.cure)
