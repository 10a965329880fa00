"""A local cluster that grows with the driver's own backlog, and shrinks when there is less.

Dask's `Adaptive` counts the tasks that the scheduler has. Executors give the scheduler little more
than its workers can run at once, so their calls are counted too.

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
        minimum: Workers at least, and to begin with.
        maximum: Workers at most.
        threads_per_worker: Threads of each.
        **settings: Others of `LocalCluster`.

    Attributes:
        demand: The work that executors have in flight.
        threads_per_worker: Threads of each worker.
    """

    def __init__(
        self, *, minimum: int, maximum: int, threads_per_worker: int, **settings: Any
    ) -> None:
        self.demand, self.threads_per_worker = Demand(), threads_per_worker
        super().__init__(n_workers=minimum, threads_per_worker=threads_per_worker, **settings)
        self.adapt(_ByDemand, minimum=minimum, maximum=maximum)


class _ByDemand(Adaptive):  # type: ignore[misc]  # distributed ships no types
    """Asks for the workers that the driver's work is worth, if Dask would not have as many."""

    async def target(self) -> int:
        """How many workers there should be."""
        wanted: int = ceil(self.cluster.demand.threads() / self.cluster.threads_per_worker)
        of_dask: int = await super().target()
        return max(wanted, of_dask)
