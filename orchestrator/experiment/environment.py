"""Recorded results of other package versions: worth a sentence, not the training of all.

Touches no library; takes a ledger and what is about to run; gives notes for people; driver.
"""

from collections import Counter

from orchestrator.experiment.preparing import Prepared
from orchestrator.ledger import Ledger
from orchestrator.training.fingerprint import environment


def scored_elsewhere(ledger: Ledger, prepared: Prepared) -> tuple[str, ...]:
    """A note for each other library version that results in use were scored with."""
    if prepared.studies == len(prepared.new):
        return ()
    now = {model.id: environment(model) for model in prepared.snapshot.models}
    elsewhere: Counter[tuple[str, str]] = Counter()
    for (model, then), number in ledger.studies.environments().items():
        if then and model in now and then != now[model]:
            elsewhere[then, now[model]] += number
    return tuple(
        f"the last results of {number} studies were scored with {then}, this is {here}; they are "
        "used again (`retrain_on: environment` in the configuration trains them again)"
        for (then, here), number in sorted(elsewhere.items())
    )
