"""A sync: MLflow is sent what the ledger has and it lacks, without a flow run.

Touches no library itself; takes an `Experiment`; gives how much was sent; runs on the driver, in
whose process models are fitted that an earlier flow run left unwritten.
"""

from collections.abc import Sequence

from orchestrator.deployment.readers import reader
from orchestrator.errors import MachineryError
from orchestrator.experiment.delivery import Delivery
from orchestrator.experiment.desk import Desk
from orchestrator.experiment.dispatch import Dispatch
from orchestrator.experiment.flow import delivering_flow
from orchestrator.experiment.opening import Opening, at_work
from orchestrator.experiment.settings import Experiment
from orchestrator.experiment.storability import rules_of
from orchestrator.ledger import Ledger
from orchestrator.records import Promotion


def sync(experiment: Experiment) -> tuple[int, int]:
    """Send MLflow what the ledger has and it lacks: how many trials, how many promotions.

    Models that could not be written are fitted and written in this process.

    Raises:
        HeldError: A driver is at work on the experiment; it sends them itself.
        MachineryError: MLflow refused, or a model could not be written.
    """
    with at_work(experiment) as (opened, ledger, _):
        desk = Desk(ledger, opened)
        trials = desk.send_trials()
        trouble = deliver_here(experiment, ledger, desk, ledger.promotions.pending())
        desk.mark_listed()
        if trouble:
            sent = f"sent {trials} trials and {len(desk.deployed)} promotions"
            raise MachineryError(f"{sent}, but {trouble}")
        return trials, len(desk.deployed)


def write_again(
    experiment: Experiment, opened: Opening, ledger: Ledger, damaged: Sequence[Promotion]
) -> str:
    """Fit champions again whose files are damaged or lost; why that failed, "" if it did not."""
    return deliver_here(experiment, ledger, Desk(ledger, opened), damaged)


def deliver_here(
    experiment: Experiment, ledger: Ledger, desk: Desk, promotions: Sequence[Promotion]
) -> str:
    """Fit, write and deploy models in this process; what could not be delivered, in a sentence."""
    dispatch = Dispatch(
        ledger, desk, allow_pickle=experiment.allow_pickle, rules=rules_of(experiment)
    )
    delivery = Delivery(dispatch, reader(wrote_itself=True))
    orders = dispatch.orders(promotions)
    ended = delivering_flow(orders, desk, dispatch, delivery).run()
    failed = ended["deliver"].failed
    if failed:
        return (
            f"the models of {len(failed)} customers could not be delivered, such as "
            f"{failed[0].key}: {failed[0].error}"
        )
    others = ended["deploy"].failed
    return others[0].error or "" if others else ""
