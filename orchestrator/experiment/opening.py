"""What a run holds open: the ledger as its one driver, MLflow, the cluster.

MLflow is opened in a thread: it takes seconds to import, which nobody need wait for. Touches MLflow
through tracking and deployment; takes an `Experiment`; gives `Mlflow`, `Ledger` and a Dask client;
driver.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from orchestrator.clusters import connect, warm_up
from orchestrator.errors import MachineryError
from orchestrator.experiment.desk import Mlflow
from orchestrator.experiment.settings import Experiment
from orchestrator.ledger import Hold, Ledger
from orchestrator.training.cache import forget

_EVALUATING = "orchestrator.training.evaluate"
"""What workers need first; it takes them a second or two to import."""

_TIGHT = 0.7
"""Of a worker's limit of memory; from here on Dask writes what it can to disk."""


@contextmanager
def at_work(
    experiment: Experiment,
    flow_run: str = "",
    *,
    force: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[tuple["Opening", Ledger, Hold]]:
    """Be the experiment's one driver, with its MLflow and its ledger."""
    with opening(experiment) as opened, Ledger.open(experiment.ledger) as ledger:
        ledger.require_owner(experiment.name)
        with ledger.holding(experiment.name, flow_run, force=force, say=say) as hold:
            yield opened, ledger, hold


@contextmanager
def cluster(experiment: Experiment, say: Callable[[str], None]) -> Iterator[Any]:
    """The experiment's cluster, its workers importing already what they will need."""
    with connect(experiment.cluster) as client:
        if client is not None:
            if experiment.cluster.dashboard:
                say(f"Dask dashboard while it runs: {client.dashboard_link}")
            warm_up(client, [_EVALUATING, experiment.evaluation.loader.partition(":")[0]])
        yield client


def release_data(client: Any) -> None:
    """Processes that outlive the flow run let go of its customers' data."""
    if client is None:
        forget()
    else:
        client.run(forget, on_error="ignore")


def short_of_memory(client: Any) -> tuple[str, ...]:
    """A sentence for each worker that came near its limit of memory."""
    if client is None:
        return ()
    from orchestrator.mapping.dask.memory import peaks  # late: it imports distributed

    return tuple(
        f"worker {peak.worker} has used up to {peak.used / 2**30:.1f} GiB of the "
        f"{peak.limit / 2**30:.1f} GiB it may: give workers more (`cluster.memory_limit`, or fewer "
        "of them), before one is ended for it"
        for peak in peaks(client)
        if peak.share > _TIGHT
    )


class Opening:
    """An experiment's MLflow, opened once; one that was in trouble is tried again when asked for.

    It is imported at once, and opened when told to: that makes what is not there yet, which a
    run that a guard refuses must not.

    Args:
        experiment: Whose.
        pool: Where it is opened.
    """

    def __init__(self, experiment: Experiment, pool: ThreadPoolExecutor) -> None:
        self._experiment, self._pool = experiment, pool
        self._told = False
        self._opened: Future[Mlflow] | None = None
        pool.submit(_import)

    def begin(self) -> "Future[Mlflow]":
        """Open it, unless that has begun."""
        if self._opened is None:
            self._opened = self._pool.submit(_open, self._experiment)
        return self._opened

    def result(self) -> Mlflow:
        """MLflow, as soon as it is open.

        Raises:
            UsageError: MLflow's address is none, or its experiment was deleted there.
            MachineryError: It is in trouble, perhaps not the next time.
        """
        if self._told and isinstance(self.begin().exception(), MachineryError):
            self._opened = None
        try:
            return self.begin().result()
        finally:
            self._told = True

    @property
    def is_open(self) -> bool:
        """Whether it could be opened by now."""
        opened = self._opened
        return opened is not None and opened.done() and opened.exception() is None


@contextmanager
def opening(experiment: Experiment) -> Iterator[Opening]:
    """The experiment's MLflow, being imported."""
    with ThreadPoolExecutor(1, thread_name_prefix="opening-mlflow") as pool:
        yield Opening(experiment, pool)


def _import() -> None:
    import orchestrator.deployment.opening
    import orchestrator.tracking.opening  # late: they import MLflow  # noqa: F401


def _open(experiment: Experiment) -> Mlflow:
    from orchestrator.deployment.opening import open_deployer  # late: they import MLflow
    from orchestrator.tracking.opening import open_tracker

    return Mlflow(
        tracker=open_tracker(experiment.tracking, experiment.name, experiment.artifacts),
        deployer=open_deployer(experiment.tracking, experiment.name),
        tracking_uri=experiment.tracking,
    )
