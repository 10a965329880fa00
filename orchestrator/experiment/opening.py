"""What a run holds open: the ledger as its one driver, MLflow, the cluster.

Touches MLflow through tracking and deployment; takes an `Experiment`; gives `Mlflow`, `Ledger` and
a Dask client; driver.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from threading import Lock
from types import TracebackType
from typing import Any

from orchestrator.clusters import connect, require_ready, warm_up
from orchestrator.errors import MachineryError
from orchestrator.experiment.desk import Desk, Mlflow
from orchestrator.experiment.needs import EVALUATING, needs_of
from orchestrator.experiment.ownership import bind, is_lost, require_own
from orchestrator.experiment.settings import Experiment
from orchestrator.ledger import Hold, Ledger
from orchestrator.records import ModelSpec
from orchestrator.tracking.databases import require_usable
from orchestrator.training.cache import forget

_TIGHT = 0.7
"""Of a worker's limit of memory; from here on Dask writes what it can to disk."""


@contextmanager
def at_work(
    experiment: Experiment,
    flow_run: str = "",
    *,
    force: bool = False,
    say: Callable[[str], None] = lambda _: None,
    to_repair: bool = False,
) -> Iterator[tuple["Opening", Ledger, Hold]]:
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
            opened = Opening(experiment, ledger)
            if is_lost(experiment, ledger):
                send_again(experiment, opened, ledger, say)
            elif ledger.identity.known() is None and ledger.trials.sent():
                with suppress(MachineryError):  # one that does not answer is told its ledger later
                    opened.result()
            yield opened, ledger, hold


class OnDemandCluster:
    """The experiment's cluster, started when a client is first asked for, ended with the context.

    Args:
        experiment: Whose.
        say: Receives the dashboard's address.
        models: The models that its workers train.

    Attributes:
        differences: A sentence for each way in which a remote cluster differs from this process.
    """

    def __init__(
        self, experiment: Experiment, say: Callable[[str], None], models: Sequence[ModelSpec]
    ) -> None:
        self._experiment, self._say, self._models = experiment, say, models
        self.differences: tuple[str, ...] = ()
        self._stack = ExitStack()
        self._client: Any = None
        self._is_open = False

    def client(self) -> Any:
        """A client of the cluster, with workers that import what they will need; None for inline.

        Raises:
            ConfigError: The cluster's settings contradict each other.
            MachineryError: The cluster cannot be started or reached, or lacks what is needed.
        """
        if not self._is_open:
            self._client = self._stack.enter_context(connect(self._experiment.cluster))
            self._is_open = True
            if self._client is not None:
                self._prepare()
        return self._client

    def short_of_memory(self) -> tuple[str, ...]:
        """A sentence for each worker that came near its limit of memory."""
        return () if self._client is None else short_of_memory(self._client)

    def release_data(self) -> None:
        """Have processes that outlive the flow run drop its customers' data."""
        if self._client is None:
            forget()
        else:
            self._client.run(forget, on_error="ignore")

    def _prepare(self) -> None:
        if self._experiment.cluster.dashboard:
            self._say(f"Dask dashboard while it runs: {self._client.dashboard_link}")
        settings, evaluation = self._experiment.cluster, self._experiment.evaluation
        if settings.kind == "remote":
            needs = needs_of(self._experiment, self._models)
            self.differences = require_ready(self._client, settings, needs)
        else:  # its workers are of this interpreter and this path
            warm_up(self._client, [EVALUATING, evaluation.loader.partition(":")[0]])

    def __enter__(self) -> "OnDemandCluster":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)


def short_of_memory(client: Any) -> tuple[str, ...]:
    """A sentence for each worker that came near its limit of memory."""
    from orchestrator.mapping.dask.memory import peaks  # late: it imports distributed

    return tuple(
        f"worker {peak.worker} has used up to {peak.used / 2**30:.1f} GiB of the "
        f"{peak.limit / 2**30:.1f} GiB it may: give workers more (`cluster.memory_limit`, or fewer "
        "of them), before one is ended for it"
        for peak in peaks(client)
        if peak.share > _TIGHT
    )


class Opening:
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
    experiment: Experiment, opened: Opening, ledger: Ledger, say: Callable[[str], None]
) -> None:
    """Send MLflow every trial and champion once more, since it has lost them all.

    Raises:
        MachineryError: MLflow refused.
    """
    desk = Desk(ledger, opened)
    serving = [chain[-1] for chain in ledger.promotions.confirmed().values()]
    sent = ledger.trials.sent()
    say(
        f"MLflow at {experiment.tracking} has lost the experiment {experiment.name!r}: its "
        f"{len(sent)} trials and {len(serving)} champions are sent again"
    )
    opened.result()
    ledger.trials.mark_unsent(sent)
    desk.send_trials()
    desk.redeploy(serving)


def _open(experiment: Experiment, ledger: Ledger) -> Mlflow:
    from orchestrator.deployment.opening import open_deployer  # late: they import MLflow
    from orchestrator.tracking.opening import open_tracker

    tracker = open_tracker(experiment.tracking, experiment.name, experiment.artifacts)
    bind(experiment, ledger, tracker)
    return Mlflow(
        tracker=tracker,
        deployer=open_deployer(experiment.tracking, experiment.name),
        tracking_uri=experiment.tracking,
    )
