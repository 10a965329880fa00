"""Starting a cluster, or finding one that runs.

Touches distributed; takes `Cluster` settings; gives a client, or None for this process; driver.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from orchestrator.clusters.settings import Adaptive, Cluster, Tls, check
from orchestrator.errors import ConfigError, MachineryError, as_machinery_error
from orchestrator.mapping.execution.executor import PATIENCE

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

_IGNORE_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
"""What local workers do first. A terminal sends Ctrl-C to every process of a command: they would
die with what they run, where the driver means to wait for it."""

_LOCAL = {
    # After 15 s Dask would give up for good a worker whose nanny is slow to start it again.
    "distributed.deploy.lost-worker-timeout": "1 hour",
    # 50 times a second, in the driver four times over, it would look whether it is responsive.
    "distributed.admin.tick.interval": "500ms",
    # A daemonic process may have no children, and a task may want a pool of processes. Workers end
    # with the driver all the same: each of them watches a pipe to it.
    "distributed.worker.daemon": False,
}
"""Dask's settings for a local cluster."""


@contextmanager
def connect(cluster: Cluster) -> Iterator["Client | None"]:
    """A client of the cluster for as long as the context lasts; None for `inline`.

    A local cluster listens on loopback only and is gone, processes included, when the context
    ends; a remote one is left as it was found.

    Raises:
        ConfigError: The settings contradict each other.
        MachineryError: The scheduler did not answer in time, or a worker could not be started.
    """
    check(cluster)
    if cluster.kind == "inline":
        yield None
        return
    import dask  # late, as below

    with (
        dask.config.set({PATIENCE: cluster.patience}),
        _local(cluster) if cluster.kind == "local" else _remote(cluster) as client,
    ):
        yield client


@contextmanager
def _local(cluster: Cluster) -> Iterator["Client"]:
    # distributed takes a second to import, which commands that start no cluster need not wait for
    import dask
    from distributed import Client
    from distributed.security import Security

    # 100 times a second it would look what a worker does, for a page of the dashboard.
    settings = _LOCAL | {"distributed.worker.profile.enabled": cluster.dashboard}
    with ExitStack() as stack:
        # distributed tells of workers that do not start by several errors of its own
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
                    preload=[*dask.config.get("distributed.worker.preload"), _IGNORE_INTERRUPTS],
                )
            )
            client = stack.enter_context(Client(local))
        yield client


def _started(cluster: Cluster, **settings: Any) -> "LocalCluster":
    """A local cluster with as many workers as are configured."""
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


@contextmanager
def _remote(cluster: Cluster) -> Iterator["Client"]:
    from distributed import Client  # late, as above
    from distributed.security import Security

    security = None
    if isinstance(cluster.tls, Tls):
        security = Security(
            tls_ca_file=cluster.tls.ca,
            tls_client_cert=cluster.tls.cert,
            tls_client_key=cluster.tls.key,
            require_encryption=True,
        )
    try:
        # A client has one patience for its first connection and for every later one.
        Client(cluster.address, security=security, timeout=cluster.connect_timeout).close()
        client = Client(cluster.address, security=security, timeout=cluster.reconnect_timeout)
    except ValueError as error:
        raise ConfigError(
            f"{cluster.address!r} is no scheduler's address, such as tls://scheduler:8786: {error}",
            key="cluster.address",
        ) from error
    except (OSError, TimeoutError) as error:
        raise MachineryError(
            f"no Dask scheduler answers at {cluster.address}: {error}; "
            "start it with `dask scheduler`, or use `kind: local`"
        ) from error
    with client:
        yield client
