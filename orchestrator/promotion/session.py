"""What a run holds open: the ledger as its one driver, MLflow, the cluster.

Touches MLflow through tracking and deployment; takes an `Experiment`; gives `Mlflow`, `Ledger` and
a Dask client; driver.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Lock

from orchestrator.errors import MachineryError
from orchestrator.ledger import Hold, Ledger
from orchestrator.mlflow.databases import require_usable
from orchestrator.promotion.outbox import Mlflow, Outbox
from orchestrator.promotion.store_ownership import bind, is_lost, require_own
from orchestrator.settings import Experiment


@contextmanager
def at_work(
    experiment: Experiment,
    flow_run: str = "",
    *,
    force: bool = False,
    say: Callable[[str], None] = lambda _: None,
    to_repair: bool = False,
) -> Iterator[tuple["MlflowSession", Ledger, Hold]]:
    """Be the experiment's one driver, with its MLflow and its ledger.

    Raises:
        UsageError: MLflow's address is none, its experiment was deleted there, or the stores are
            not those that the ledger has worked with.
        HeldError: Another driver is at work on it.
        MachineryError: The ledger cannot be opened.
    """
    require_usable(experiment.tracking, experiment.name)
    with Ledger.open(experiment.ledger) as ledger:
        ledger.require_owner(experiment.name)
        with ledger.holding(experiment.name, flow_run, force=force, say=say) as hold:
            require_own(experiment, ledger, say, to_repair=to_repair)
            opened = MlflowSession(experiment, ledger)
            if is_lost(experiment, ledger):
                send_again(experiment, opened, ledger, say)
            elif ledger.identity.known() is None and ledger.trials.sent():
                with suppress(MachineryError):  # one that does not answer is told its ledger later
                    opened.result()
            yield opened, ledger, hold


class MlflowSession:
    """An experiment's MLflow, opened when it is first asked for; where that failed, tried again.

    It takes seconds to import, and seconds to make its database: who has better to do has a
    thread ask for it. A run that a guard refuses must not ask, since what is not there is made.

    Args:
        experiment: Whose.
        ledger: What MLflow's experiment has to belong to.
    """

    def __init__(self, experiment: Experiment, ledger: Ledger) -> None:
        self._experiment, self._ledger = experiment, ledger
        self._trying = Lock()
        self._mlflow: Mlflow | None = None

    def result(self) -> Mlflow:
        """MLflow, as soon as it is open.

        Raises:
            UsageError: MLflow's address is none, or its experiment was deleted there.
            MachineryError: It is in trouble, perhaps not the next time.
        """
        with self._trying:
            if self._mlflow is None:
                self._mlflow = _open(self._experiment, self._ledger)
            return self._mlflow

    @property
    def is_open(self) -> bool:
        """Whether it could be opened by now."""
        return self._mlflow is not None


def send_again(
    experiment: Experiment, opened: MlflowSession, ledger: Ledger, say: Callable[[str], None]
) -> None:
    """Send MLflow every trial and champion once more, since it has lost them all.

    Raises:
        MachineryError: MLflow refused.
    """
    outbox = Outbox(ledger, opened)
    serving = [chain[-1] for chain in ledger.promotions.confirmed().values()]
    sent = ledger.trials.sent()
    say(
        f"MLflow at {experiment.tracking} has lost the experiment {experiment.name!r}: its "
        f"{len(sent)} trials and {len(serving)} champions are sent again"
    )
    opened.result()
    ledger.trials.mark_unsent(sent)
    outbox.send_trials()
    outbox.redeploy(serving)


def _open(experiment: Experiment, ledger: Ledger) -> Mlflow:
    from orchestrator.mlflow.models.opening import open_deployer  # late: they import MLflow
    from orchestrator.mlflow.runs.opening import open_tracker

    tracker = open_tracker(experiment.tracking, experiment.name, experiment.artifacts)
    bind(experiment, ledger, tracker)
    return Mlflow(
        tracker=tracker,
        deployer=open_deployer(experiment.tracking, experiment.name),
        tracking_uri=experiment.tracking,
    )
