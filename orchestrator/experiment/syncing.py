"""A sync: MLflow is sent what the ledger has and it lacks, without a flow run.

Touches no library itself; takes an `Experiment`; gives how much was sent; runs on the driver, in
whose process models are fitted that an earlier flow run left unwritten.
"""

from orchestrator.errors import MachineryError
from orchestrator.experiment.desk import Desk
from orchestrator.experiment.flow import refitting_flow
from orchestrator.experiment.opening import at_work
from orchestrator.experiment.settings import Experiment


def sync(experiment: Experiment) -> tuple[int, int]:
    """Send MLflow what the ledger has and it lacks: how many trials, how many promotions.

    Models that could not be written are fitted and written in this process.

    Raises:
        HeldError: A driver is at work on the experiment; it sends them itself.
        MachineryError: MLflow refused, or a model could not be written.
    """
    with at_work(experiment) as (opened, ledger, _):
        desk = Desk(ledger, opened, allow_pickle=experiment.allow_pickle)
        trials = desk.send_trials()
        unwritten = [promotion for promotion in ledger.promotions.pending() if not promotion.source]
        refitted = refitting_flow(desk.orders(unwritten)).run()["refit"]
        promotions = len(desk.deploy(list(refitted)))
        desk.mark_listed()
        if refitted.failed:
            first = refitted.failed[0]
            raise MachineryError(
                f"sent {trials} trials and {promotions} promotions, but the models of "
                f"{len(refitted.failed)} customers could not be written, such as {first.key}: "
                f"{first.error}"
            )
        return trials, promotions
