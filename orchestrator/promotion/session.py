"""The resources of an experiment's one driver: the ledger, MLflow, and the lease.

Touches no library itself; takes an `ExperimentSettings`; gives a `DriverSession`; driver.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from orchestrator.errors import MachineryError
from orchestrator.ledger import Hold, Ledger
from orchestrator.mlflow.databases import require_usable
from orchestrator.promotion.mlflow_session import MlflowSession
from orchestrator.promotion.outbox import Outbox
from orchestrator.promotion.store_ownership import bind, is_lost, require_own
from orchestrator.settings import ExperimentSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverSession:
    """The resources that an experiment's one driver works with.

    Attributes:
        mlflow: The experiment's MLflow, opened at its first use.
        ledger: The experiment's ledger.
        hold: The driver's lease on the experiment.
    """

    mlflow: MlflowSession
    ledger: Ledger
    hold: Hold


@contextmanager
def at_work(
    experiment: ExperimentSettings,
    flow_run: str = "",
    *,
    force: bool = False,
    say: Callable[[str], None] = lambda _: None,
    to_repair: bool = False,
) -> Iterator[DriverSession]:
    """Make this process the experiment's one driver, with its MLflow and its ledger.

    Raises:
        UsageError: MLflow's address is not valid, its experiment was deleted there, or the stores
            are not those that the ledger has worked with.
        HeldError: Another driver is at work on the experiment.
        MachineryError: The ledger cannot be opened.
    """
    require_usable(experiment.tracking, experiment.name)
    with Ledger.open(experiment.ledger) as ledger:
        ledger.require_owner(experiment.name)
        with ledger.holding(experiment.name, flow_run, force=force, say=say) as hold:
            require_own(experiment, ledger, say, to_repair=to_repair)
            mlflow = MlflowSession.of(experiment, lambda tracker: bind(experiment, ledger, tracker))
            if is_lost(experiment, ledger):
                send_again(experiment, mlflow, ledger, say)
            elif ledger.identity.known() is None and ledger.trials.sent():
                with suppress(MachineryError):  # if it does not answer, it is bound later
                    mlflow.open()
            yield DriverSession(mlflow=mlflow, ledger=ledger, hold=hold)


def send_again(
    experiment: ExperimentSettings,
    mlflow: MlflowSession,
    ledger: Ledger,
    say: Callable[[str], None],
) -> None:
    """Send every trial and champion to MLflow again, because MLflow has lost them all.

    Raises:
        MachineryError: MLflow refused.
    """
    outbox = Outbox(ledger, mlflow)
    serving = [chain[-1] for chain in ledger.promotions.confirmed().values()]
    sent = ledger.trials.sent()
    say(
        f"MLflow at {experiment.tracking} has lost the experiment {experiment.name!r}: its "
        f"{len(sent)} trials and {len(serving)} champions are sent again"
    )
    mlflow.open()
    ledger.trials.mark_unsent(sent)
    outbox.send_trials()
    outbox.redeploy(serving)
