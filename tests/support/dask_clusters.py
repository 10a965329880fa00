"""Clusters of a test's own, whose workers may be ended, and executors on them.

Touches distributed. Driver side.
"""

import time
from contextlib import contextmanager

import dask
import numpy as np
from distributed import Client, LocalCluster

from orchestrator.mapping.dask.executor import DaskExecutor

PATIENCE_SECONDS = 150.0
"""A machine may be four times too busy."""


@contextmanager
def cluster(workers=2, threads=1, **options):
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
def executing(client, **options):
    executor = DaskExecutor(client, **options)
    try:
        yield executor
    finally:
        executor.close()


def large(n):
    """About 0.8 MB, told apart by its number."""
    return np.full(100_000, n)


def returned(events):
    return [pair for e in events for pair in zip(e.indices, e.performed.values, strict=True)]


def slow_double(x):
    time.sleep(0.05)
    return 2 * x
