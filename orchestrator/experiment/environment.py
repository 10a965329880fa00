"""Recorded results of another version of scikit-learn: worth a sentence, not the training of all.

Touches no library; takes a ledger and what is about to run; gives notes for people; driver.
"""

from orchestrator.experiment.preparing import Prepared
from orchestrator.ledger import Ledger
from orchestrator.training.fingerprint import environment


def scored_elsewhere(ledger: Ledger, prepared: Prepared) -> tuple[str, ...]:
    """A note for each other library version that results in use were scored with."""
    if prepared.studies == len(prepared.new):
        return ()
    now = environment()
    return tuple(
        f"the last results of {number} studies were scored with {then}, this is {now}; they are "
        "used again (`retrain_on: environment` in the configuration trains them again)"
        for then, number in sorted(ledger.studies.environments().items())
        if then and then != now
    )
