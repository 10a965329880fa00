"""What a run holds open: the ledger as its one driver, MLflow, the cluster.

Touches MLflow through tracking and deployment; takes an `Experiment`; gives `Mlflow`, `Ledger` and
a Dask client; driver.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from orchestrator.clusters import connect, warm_up
from orchestrator.experiment.desk import Mlflow
from orchestrator.experiment.settings import Experiment
from orchestrator.ledger import Hold, Ledger
from orchestrator.tracking.databases import require_usable
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
    """Be the experiment's one driver, with its MLflow and its ledger.

    Raises:
        UsageError: MLflow's address is none, or its experiment was deleted there.
        HeldError: Another driver is at work on it.
        MachineryError: The ledger cannot be opened.
    """
    require_usable(experiment.tracking, experiment.name)
    with Ledger.open(experiment.ledger) as ledger:
        ledger.require_owner(experiment.name)
        with ledger.holding(experiment.name, flow_run, force=force, say=say) as hold:
            yield Opening(experiment), ledger, hold


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
    """An experiment's MLflow, opened when it is first asked for; where that failed, tried again.

    It takes seconds to import, and seconds to make its database: who has better to do has a
    thread ask for it. A run that a guard refuses must not ask, since what is not there is made.

    Args:
        experiment: Whose.
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
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
                self._mlflow = _open(self._experiment)
            return self._mlflow

    @property
    def is_open(self) -> bool:
        """Whether it could be opened by now."""
        return self._mlflow is not None


def _open(experiment: Experiment) -> Mlflow:
    from orchestrator.deployment.opening import open_deployer  # late: they import MLflow
    from orchestrator.tracking.opening import open_tracker

    return Mlflow(
        tracker=open_tracker(experiment.tracking, experiment.name, experiment.artifacts),
        deployer=open_deployer(experiment.tracking, experiment.name),
        tracking_uri=experiment.tracking,
    )
