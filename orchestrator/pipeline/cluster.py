"""The experiment's cluster, started when the first call needs it.

Touches Dask through `clusters`; takes an `ExperimentSettings`; gives a client; runs on the driver.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from orchestrator.clusters import connect, find_kind, require_ready, warm_up
from orchestrator.pipeline.worker_needs import EVALUATING, needs_of
from orchestrator.records import ModelSpec
from orchestrator.settings import ExperimentSettings
from orchestrator.training.cache import forget

_TIGHT = 0.7
"""The share of a worker's memory limit above which Dask writes to disk whatever it can."""


class OnDemandCluster:
    """The experiment's cluster, started at the first request for a client, closed with the context.

    Args:
        experiment: The settings of the experiment.
        say: Receives the dashboard's address.
        models: The models that its workers train.

    Attributes:
        differences: A sentence for each way in which a remote cluster differs from this process.
    """

    def __init__(
        self,
        experiment: ExperimentSettings,
        say: Callable[[str], None],
        models: Sequence[ModelSpec],
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
        if find_kind(settings).traits.same_environment:
            warm_up(self._client, [EVALUATING, evaluation.loader.partition(":")[0]])
        else:
            needs = needs_of(self._experiment, self._models)
            self.differences = require_ready(self._client, settings, needs)

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
