"""A sync: MLflow is sent what the ledger has and it lacks, without a flow run.

Touches no library itself; takes an `ExperimentSettings`; gives how much was sent; runs on the
driver, in whose process models are fitted that an earlier flow run left unwritten.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from orchestrator.errors import MachineryError
from orchestrator.ledger import Ledger
from orchestrator.mapping import Outcome
from orchestrator.mlflow.model_files.readers import reader
from orchestrator.promotion.delivery import Delivery
from orchestrator.promotion.delivery_flow import delivering_flow
from orchestrator.promotion.dispatch import Dispatch
from orchestrator.promotion.outbox import Outbox
from orchestrator.promotion.session import at_work
from orchestrator.promotion.storability import rules_of
from orchestrator.records import Promotion
from orchestrator.settings import ExperimentSettings
from orchestrator.tabular import TableView, Tabular


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent(Tabular):
    """The trials and the promotions that MLflow was sent, in numbers."""

    trials: int
    promotions: int

    def tables(self) -> tuple[TableView, ...]:
        """Return the numbers in one row."""
        return (TableView(rows=[asdict(self)]),)


def sync(experiment: ExperimentSettings) -> Sent:
    """Send MLflow what the ledger has and MLflow lacks.

    Models that could not be written are fitted and written in this process.

    Raises:
        HeldError: A driver is at work on the experiment; it sends them itself.
        MachineryError: MLflow refused, or a model could not be written.
    """
    with at_work(experiment) as driver:
        ledger = driver.ledger
        outbox = Outbox(ledger, driver.mlflow)
        trials = outbox.send_trials()
        failed = deliver_here(experiment, ledger, outbox, ledger.promotions.pending())
        outbox.mark_listed()
        if failed:
            raise MachineryError(
                f"sent {trials} trials and {len(outbox.deployed)} promotions, but the models of "
                f"{len(failed)} customers could not be delivered, such as {failed[0].key}: "
                f"{failed[0].error}"
            )
        return Sent(trials=trials, promotions=len(outbox.deployed))


def deliver_here(
    experiment: ExperimentSettings, ledger: Ledger, outbox: Outbox, promotions: Sequence[Promotion]
) -> tuple[Outcome, ...]:
    """Fit, write and deploy models in this process; what could not be delivered.

    Args:
        experiment: Whose models.
        ledger: What is known.
        outbox: Where the driver writes.
        promotions: Those under way are deployed; of confirmed ones the models are written again.

    Raises:
        MachineryError: MLflow refused.
    """
    dispatch = Dispatch(
        ledger, outbox, allow_pickle=experiment.allow_pickle, rules=rules_of(experiment)
    )
    delivery = Delivery(dispatch, reader(wrote_itself=True))
    ended = delivering_flow(dispatch.orders(promotions), outbox, dispatch, delivery).run()
    failed = ended["deliver"].failed
    if ended["deploy"].failed and not failed:
        raise MachineryError(ended["deploy"].failed[0].error or "the models were not deployed")
    return failed
