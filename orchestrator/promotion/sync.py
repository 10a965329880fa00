"""The sync, which sends everything that the ledger has and MLflow lacks, without a flow run.

Touches no library itself; takes an `ExperimentSettings`; gives the numbers of what was sent; runs
on the driver, whose process fits the models that an earlier flow run left unwritten.
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
    """The numbers of trials and promotions that were sent to MLflow."""

    trials: int
    promotions: int

    def tables(self) -> tuple[TableView, ...]:
        """Return the numbers in one row."""
        return (TableView(rows=[asdict(self)]),)


def sync(experiment: ExperimentSettings) -> Sent:
    """Send MLflow everything that the ledger has and MLflow lacks.

    Models that could not be written before are fitted and written in this process.

    Raises:
        HeldError: A driver is at work on the experiment; that driver sends everything itself.
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
    """Fit, write and deploy models in this process.

    Args:
        experiment: The settings of the models' experiment.
        ledger: The experiment's ledger.
        outbox: The outbox that sends them to MLflow.
        promotions: Pending promotions, which are deployed, and confirmed ones, whose models are
            written again.

    Returns:
        The outcomes of the models that could not be delivered.

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
