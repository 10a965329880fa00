"""Clusters of a test's own, whose workers may be ended, and executors on them.

Touches distributed. Driver side.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import dask
import numpy as np
from distributed import Client, LocalCluster

from orchestrator.mapping.dask.executor import DaskExecutor
from orchestrator.mapping.execution.executor import Ended

PATIENCE_SECONDS = 150.0
"""A machine may be four times too busy."""


@contextmanager
def cluster(workers: int = 2, threads: int = 1, **options: Any) -> Iterator[Client]:
    """A client of a cluster of its own, whose workers may be ended."""
    with (
        # A LocalCluster drops a worker for good that happens to be restarting 15 s after a death.
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1 hour"}),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=threads,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs="CRITICAL",
            **options,
        ) as local,
        Client(local) as client,
    ):
        yield client


@contextmanager
def executing(client: Client, **options: Any) -> Iterator[DaskExecutor]:
    """An executor on a cluster, closed afterwards."""
    executor = DaskExecutor(client, **options)
    try:
        yield executor
    finally:
        executor.close()


def large(n: int) -> np.ndarray:
    """About 0.8 MB, recognised by its number."""
    return np.full(100_000, n)


def returned(events: Iterable[Ended]) -> list[tuple[int, Any]]:
    """Index and value of each call that has ended."""
    return [pair for e in events for pair in zip(e.indices, e.performed.values, strict=True)]


def slow_double(x: int) -> int:
    """Twice the number, after a moment."""
    time.sleep(0.05)
    return 2 * x
