"""The kinds `local`, worker processes on this machine, and `inline`, the driver's own process.

Touches distributed; takes `Cluster` settings; gives a client, or None for this process; driver.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from orchestrator.clusters.kinds import ClusterTraits
from orchestrator.clusters.settings import Adaptive, Cluster
from orchestrator.errors import ConfigError, UsageError, as_machinery_error

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

_IGNORE_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
"""The first statement of local workers.

A terminal sends Ctrl-C to every process of a command. Without this, the workers would die together
with the calls for which the driver waits.
"""

_LOCAL = {
    # After 15 s Dask would abandon a worker whose nanny is slow to start it again.
    "distributed.deploy.lost-worker-timeout": "1 hour",
    # By default each process, and the driver four times, checks 50 times a second whether it is
    # responsive.
    "distributed.admin.tick.interval": "500ms",
    # A daemonic process may have no children, and a task may want a pool of processes. Workers
    # still end with the driver: each of them watches a pipe to it.
    "distributed.worker.daemon": False,
}
"""Dask's settings for a local cluster."""

_MOST = 10_000
"""The maximum number of workers, or of threads, on one machine."""


class InlineKind:
    """The kind `inline`: tasks run one after the other in the driver's process."""

    traits: ClassVar[ClusterTraits] = ClusterTraits(
        in_process=True, same_environment=True, shares_files=True
    )

    def check(self, cluster: Cluster) -> None:
        """Refuse settings for remote clusters, and numbers out of range."""
        _refuse(cluster, "address", "tls", "insecure", "versions")
        _check_workers(cluster)
        _check_memory_limit(cluster.memory_limit)

    @contextmanager
    def connect(self, cluster: Cluster) -> Iterator[None]:  # noqa: ARG002 - the seam has it
        """Yield None instead of a client."""
        yield None

    def cores(self, cluster: Cluster) -> int:  # noqa: ARG002 - the seam has it
        """Return 1: calls run one after the other."""
        return 1


class LocalKind:
    """Worker processes that are started for the flow run, on loopback, and end with it."""

    traits: ClassVar[ClusterTraits] = ClusterTraits(same_environment=True, shares_files=True)

    def check(self, cluster: Cluster) -> None:
        """Refuse settings for remote clusters, and numbers out of range."""
        certificates = () if cluster.tls == "temporary" else ("tls",)
        _refuse(cluster, "address", *certificates, "insecure", "versions")
        _check_workers(cluster)
        _check_memory_limit(cluster.memory_limit)

    @contextmanager
    def connect(self, cluster: Cluster) -> Iterator["Client"]:
        """Start the workers, and stop them when the context ends."""
        _require_guarded_script()
        # late: commands that start no cluster need not wait for distributed
        import dask
        from distributed import Client
        from distributed.security import Security

        # The profiler samples a worker 100 times a second, for a page of the dashboard.
        settings = _LOCAL | {"distributed.worker.profile.enabled": cluster.dashboard}
        with ExitStack() as stack:
            # distributed raises several kinds of errors for workers that do not start
            with as_machinery_error("the local cluster did not start", OSError, RuntimeError):
                stack.enter_context(dask.config.set(settings))
                local = stack.enter_context(
                    _started(
                        cluster,
                        memory_limit=cluster.memory_limit,
                        processes=True,
                        host="127.0.0.1",
                        # without an address Dask takes port 8787, if it is free
                        dashboard_address="127.0.0.1:0",
                        scheduler_kwargs={"dashboard": cluster.dashboard},
                        security=Security.temporary() if cluster.tls else None,
                        silence_logs="CRITICAL",
                        preload=[
                            *dask.config.get("distributed.worker.preload"),
                            _IGNORE_INTERRUPTS,
                        ],
                    )
                )
                client = stack.enter_context(Client(local))
            yield client

    def cores(self, cluster: Cluster) -> int:
        """Return the number of the workers' threads, limited to the cores of the machine."""
        return min(cluster.most_workers * cluster.threads, os.cpu_count() or 1)


def _require_guarded_script() -> None:
    """Refuse a script that would start the cluster again in each worker process.

    A worker process imports the script that started it, as `multiprocessing` does.

    Raises:
        UsageError: The script does not check its `__name__`.
    """
    file = getattr(sys.modules["__main__"], "__file__", None)
    if file is None or not (script := Path(file)).is_file():
        return
    if b"__name__" not in script.read_bytes():
        raise UsageError(
            f"{script.name}: worker processes import this script and would start the run again; "
            'put what it does under `if __name__ == "__main__":`'
        )


def _started(cluster: Cluster, **settings: Any) -> "LocalCluster":
    """Return a local cluster with the configured number of workers."""
    from distributed import LocalCluster  # late, as above

    from orchestrator.clusters.growth import GrowingCluster

    workers = cluster.workers
    if isinstance(workers, Adaptive):
        return GrowingCluster(
            minimum=workers.min,
            maximum=workers.max,
            threads_per_worker=cluster.threads,
            **settings,
        )
    return LocalCluster(n_workers=workers, threads_per_worker=cluster.threads, **settings)


def _refuse(cluster: Cluster, *keys: str) -> None:
    for key in keys:
        if getattr(cluster, key):
            problem = f"is for a remote cluster only: write `kind: remote`, or leave out `{key}`"
            raise ConfigError(problem, key=f"cluster.{key}")


def _check_workers(cluster: Cluster) -> None:
    workers = cluster.workers
    numbers: dict[str, int | None] = {"threads": cluster.threads}
    if isinstance(workers, Adaptive):
        numbers |= {"workers.min": workers.min, "workers.max": workers.max}
    else:
        numbers["workers"] = workers
    for key, number in numbers.items():
        if number is not None and number < 1:
            raise ConfigError(f"must be at least 1, not {number}", key=f"cluster.{key}")
        if number is not None and number > _MOST:
            raise ConfigError(f"must be at most {_MOST:,}, not {number}", key=f"cluster.{key}")
    if isinstance(workers, Adaptive) and workers.min > workers.max:
        problem = f"must be at least min, which is {workers.min}, not {workers.max}"
        raise ConfigError(problem, key="cluster.workers.max")


def _check_memory_limit(limit: str) -> None:
    if limit == "auto":
        return
    from dask.utils import parse_bytes  # late: most configurations leave it at "auto"

    try:
        parse_bytes(limit)
    except ValueError:
        problem = f'{limit!r} is not an amount of memory: write e.g. "2 GiB", or "auto"'
        raise ConfigError(problem, key="cluster.memory_limit") from None
