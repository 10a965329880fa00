"""A local cluster that grows and shrinks with the driver's own backlog.

Dask's `Adaptive` counts the tasks in the scheduler. Executors submit little more than the workers
can run at once, so this cluster also counts the calls that wait in executors.

Touches distributed; takes numbers of workers; gives a cluster; driver.
"""

from math import ceil
from typing import Any

from distributed import LocalCluster
from distributed.deploy.adaptive import Adaptive

from orchestrator.mapping.dask.demand import Demand


class GrowingCluster(LocalCluster):  # type: ignore[misc]  # distributed ships no types
    """A `LocalCluster` whose number of workers follows the work.

    Args:
        minimum: The minimum number of workers, and the number at the start.
        maximum: The maximum number of workers.
        threads_per_worker: The threads of each worker.
        **settings: Further arguments of `LocalCluster`.

    Attributes:
        demand: The work that executors have in flight.
        threads_per_worker: The threads of each worker.
    """

    def __init__(
        self, *, minimum: int, maximum: int, threads_per_worker: int, **settings: Any
    ) -> None:
        self.demand, self.threads_per_worker = Demand(), threads_per_worker
        super().__init__(n_workers=minimum, threads_per_worker=threads_per_worker, **settings)
        self.adapt(_ByDemand, minimum=minimum, maximum=maximum)


class _ByDemand(Adaptive):  # type: ignore[misc]  # distributed ships no types
    """A target of as many workers as the driver's work needs, if Dask's own target is lower."""

    async def target(self) -> int:
        """Return the number of workers to have."""
        wanted: int = ceil(self.cluster.demand.threads() / self.cluster.threads_per_worker)
        of_dask: int = await super().target()
        return max(wanted, of_dask)
