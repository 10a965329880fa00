"""The transfer of everything that the ledger has to a new MLflow, or to a new artifact root.

Trials are sent again as runs. The model of each champion is fitted again, written to the configured
folder and registered. The old MLflow and its files are left unchanged.

Touches no library itself; takes an `ExperimentSettings`; gives the numbers of what was sent; runs
on the driver.
"""

from collections.abc import Callable
from dataclasses import replace

from orchestrator.errors import MachineryError, UsageError
from orchestrator.ledger import Ledger
from orchestrator.ledger.store_identity import Identity
from orchestrator.mlflow.ownership import PLACE, RECEIVING, TAG, look_up
from orchestrator.promotion.mlflow_session import MlflowSession
from orchestrator.promotion.outbox import Outbox
from orchestrator.promotion.store_ownership import Trouble, artifacts_of, identity_of, trouble
from orchestrator.promotion.sync import Sent, deliver_here
from orchestrator.settings import ExperimentSettings


def to_new_mlflow(
    experiment: ExperimentSettings, say: Callable[[str], None] = lambda _: None
) -> Sent:
    """Send everything to the configured MLflow; safe to repeat after a failure.

    Raises:
        UsageError: The configured stores have not changed, or the new MLflow has an experiment that
            belongs to another ledger.
        HeldError: A driver is at work on the experiment.
        MachineryError: MLflow refused, or the models of some champions could not be written.
    """
    with Ledger.open(experiment.ledger) as ledger, ledger.holding(experiment.name):
        ledger.require_owner(experiment.name)
        known = ledger.identity.known()
        found = trouble(experiment, ledger)
        if known is None or found is None:
            raise UsageError(
                "MLflow and the artifact root are those that this ledger has worked with: "
                "`orchestrator sync` sends what they lack"
            )
        if found.kind != "changed":
            raise found.error()
        _require_free(experiment, known, found)
        return _transfer(experiment, ledger, known, say)


def _require_free(experiment: ExperimentSettings, known: Identity, found: Trouble) -> None:
    """Refuse an experiment of the same name that holds data of another ledger."""
    there = look_up(experiment.tracking, experiment.name)
    if there is None or there.receiving == known.token:
        return
    if there.token == known.token:
        raise UsageError(
            f"{found.problem}. MLflow keeps the folder of an experiment for good: name a new "
            "database or server by `tracking.uri` as well, or change it back"
        )
    if there.token or not there.is_empty:
        raise UsageError(
            f"the experiment {experiment.name!r} of the new MLflow holds runs of another ledger: "
            "name an MLflow without it"
        )


def _transfer(
    experiment: ExperimentSettings, ledger: Ledger, known: Identity, say: Callable[[str], None]
) -> Sent:
    mlflow = MlflowSession.of(experiment)
    mlflow.tracker.tag_experiment({RECEIVING: known.token})
    outbox = Outbox(ledger, mlflow)
    ledger.trials.mark_unsent(ledger.trials.sent())
    trials = outbox.send_trials()
    serving = [chain[-1] for chain in ledger.promotions.confirmed().values()]
    say(f"sent {trials} trials; now the models of {len(serving)} champions are fitted again")
    failed = {each.key: each for each in deliver_here(experiment, ledger, outbox, serving)}
    chains = ledger.promotions.confirmed()
    outbox.redeploy([chain[-1] for customer, chain in chains.items() if customer not in failed])
    own = identity_of(experiment, ledger, known)
    mlflow.tracker.tag_experiment({TAG: own.token, PLACE: own.place, RECEIVING: ""})
    ledger.identity.write(replace(own, artifacts=artifacts_of(experiment), bound=True))
    if failed:
        first = next(iter(failed.values()))
        raise MachineryError(
            f"sent {trials} trials and {len(serving) - len(failed)} champions, but the models of "
            f"{len(failed)} customers could not be fitted again, such as {first.key}: {first.error}"
        )
    return Sent(trials=trials, promotions=len(serving))
