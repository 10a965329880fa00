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
from orchestrator.experiment.opening import at_work
from orchestrator.experiment.settings import Experiment
from orchestrator.experiment.storability import rules_of
from orchestrator.ledger import Ledger
from orchestrator.mapping import Outcome
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
        failed = deliver_here(experiment, ledger, desk, ledger.promotions.pending())
        desk.mark_listed()
        if failed:
            raise MachineryError(
                f"sent {trials} trials and {len(desk.deployed)} promotions, but the models of "
                f"{len(failed)} customers could not be delivered, such as {failed[0].key}: "
                f"{failed[0].error}"
            )
        return trials, len(desk.deployed)


def deliver_here(
    experiment: Experiment, ledger: Ledger, desk: Desk, promotions: Sequence[Promotion]
) -> tuple[Outcome, ...]:
    """Fit, write and deploy models in this process; what could not be delivered.

    Args:
        experiment: Whose models.
        ledger: What is known.
        desk: Where the driver writes.
        promotions: Those under way are deployed; of confirmed ones the models are written again.

    Raises:
        MachineryError: MLflow refused.
    """
    dispatch = Dispatch(
        ledger, desk, allow_pickle=experiment.allow_pickle, rules=rules_of(experiment)
    )
    delivery = Delivery(dispatch, reader(wrote_itself=True))
    ended = delivering_flow(dispatch.orders(promotions), desk, dispatch, delivery).run()
    failed = ended["deliver"].failed
    if ended["deploy"].failed and not failed:
        raise MachineryError(ended["deploy"].failed[0].error or "the models were not deployed")
    return failed
