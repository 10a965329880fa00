"""What a run holds open: the ledger as its one driver, MLflow, the cluster.

MLflow is opened in a thread: it takes seconds to import, which nobody need wait for. Touches MLflow
through tracking and deployment; takes an `Experiment`; gives `Mlflow`, `Ledger` and a Dask client;
driver.
"""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from threading import Thread
from typing import Any, TypeVar

from orchestrator.clusters import connect, warm_up
from orchestrator.errors import MachineryError
from orchestrator.experiment.desk import Mlflow
from orchestrator.experiment.settings import Experiment
from orchestrator.ledger import Hold, Ledger
from orchestrator.training.cache import forget

_T = TypeVar("_T")

_EVALUATING = "orchestrator.training.evaluate"
"""What workers need first; it takes them a second or two to import."""

_TIGHT = 0.7
"""Of a worker's limit of memory; from here on Dask writes what it can to disk."""

_SECONDS_TO_END = 15.0
"""How long one that is being opened is waited for at the end; nobody wants it any more."""


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
    """

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._told = False
        self._imported = _in_a_thread(_import)
        self._opened: Future[Mlflow] | None = None

    def begin(self) -> "Future[Mlflow]":
        """Open it, unless that has begun."""
        if self._opened is None:
            self._opened = _in_a_thread(self._open)
        return self._opened

    def result(self, seconds: float | None = None) -> Mlflow:
        """MLflow, as soon as it is open.

        Args:
            seconds: How long it may take, its import left aside; None for as long as it takes.

        Raises:
            UsageError: MLflow's address is none, or its experiment was deleted there.
            MachineryError: It is in trouble, perhaps not the next time.
        """
        if self._told and isinstance(self.begin().exception(), MachineryError):
            self._opened = None
        opened = self.begin()
        self._imported.result()
        try:
            return opened.result(seconds)
        except TimeoutError as error:
            raise MachineryError(f"MLflow has not answered for {seconds:g} s") from error
        finally:
            self._told = opened.done()

    def end(self) -> None:
        """Wait for a moment until it is opened, if that has begun."""
        begun: list[Future[Any]] = [self._imported]
        if self._opened is not None:
            begun.append(self._opened)
        wait(begun, _SECONDS_TO_END)

    def _open(self) -> Mlflow:
        self._imported.result()
        from orchestrator.deployment.opening import open_deployer  # late: they import MLflow
        from orchestrator.tracking.opening import open_tracker

        experiment = self._experiment
        return Mlflow(
            tracker=open_tracker(experiment.tracking, experiment.name, experiment.artifacts),
            deployer=open_deployer(experiment.tracking, experiment.name),
            tracking_uri=experiment.tracking,
        )

    @property
    def is_open(self) -> bool:
        """Whether it could be opened by now."""
        opened = self._opened
        return opened is not None and opened.done() and opened.exception() is None


@contextmanager
def opening(experiment: Experiment) -> Iterator[Opening]:
    """The experiment's MLflow, being imported."""
    opened = Opening(experiment)
    try:
        yield opened
    finally:
        if not isinstance(sys.exception(), KeyboardInterrupt):
            opened.end()  # else at once: the thread ends with the process


def _in_a_thread(do: Callable[[], _T]) -> Future[_T]:
    """Do it in a thread that keeps no process alive, as an executor's would."""
    done: Future[_T] = Future()

    def work() -> None:
        try:
            done.set_result(do())
        except BaseException as error:  # noqa: BLE001  # raised where the result is asked for
            done.set_exception(error)

    Thread(target=work, name="opening-mlflow", daemon=True).start()
    return done


def _import() -> None:
    import orchestrator.deployment.opening
    import orchestrator.tracking.opening  # late: they import MLflow  # noqa: F401
