"""Where a flow runs: cluster settings to a Dask client.

Touches distributed; takes `Cluster` settings; gives a client, or None for this process; driver.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from orchestrator.errors import ConfigError, MachineryError, as_machinery_error

if TYPE_CHECKING:
    from distributed import Client

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

_IGNORE_INTERRUPTS = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
"""What local workers do first. A terminal sends Ctrl-C to every process of a command: they would
die with what they run, where the driver means to wait for it."""


_LOCAL = {
    # After 15 s Dask would give up for good a worker whose nanny is slow to start it again.
    "distributed.deploy.lost-worker-timeout": "1 hour",
    # 50 times a second, in the driver four times over, it would look whether it is responsive.
    "distributed.admin.tick.interval": "500ms",
}
"""Dask's settings for a local cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The files Dask's TLS needs: the authority's certificate, our certificate, our key."""

    ca: str
    cert: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptive:
    """As many workers as there is work for, between two numbers."""

    min: int = 1
    max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where mapped tasks run.

    Attributes:
        kind: `local` starts worker processes on this machine and ends them with the flow run;
            `remote` connects to the scheduler at `address`; `inline` uses this process alone.
        workers: Worker processes of a local cluster, a number or `{min, max}`; None means one a
            core.
        threads: Threads of each local worker.
        memory_limit: Of each local worker, in Dask's words: "2 GiB", or "auto" for its share of
            the machine's. A worker that uses 95 % of it is ended and started again.
        dashboard: Whether a local cluster serves Dask's dashboard, on a free loopback port.
        address: A remote scheduler, e.g. "tls://scheduler:8786".
        tls: Certificates for a `tls://` address; `temporary` makes some for a local cluster, which
            nobody else on this machine can then talk to.
        insecure: Allow a plain `tcp://` scheduler on another machine: who reaches its port runs
            code on its workers.
        connect_timeout: Seconds to wait for a remote scheduler when a flow run begins.
        reconnect_timeout: Seconds to wait for it to come back when it is lost meanwhile.
    """

    kind: Literal["local", "remote", "inline"] = "local"
    workers: int | Adaptive | None = None
    threads: int = 1
    memory_limit: str = "auto"
    dashboard: bool = True
    address: str | None = None
    tls: Tls | Literal["temporary"] | None = None
    insecure: bool = False
    connect_timeout: float = 30.0
    reconnect_timeout: float = 300.0

    @property
    def most_workers(self) -> int:
        """Worker processes of a local cluster, at most."""
        if isinstance(self.workers, Adaptive):
            return self.workers.max
        return self.workers or os.cpu_count() or 1


def check(cluster: Cluster) -> None:
    """Refuse settings that cannot work or contradict each other, before anything is started.

    Raises:
        ConfigError: Naming the key and the cure.
    """
    if cluster.kind == "remote":
        _check_address(cluster)
        _check_files(cluster.tls)
    else:
        _check_is_local(cluster)
        _check_workers(cluster)
        _check_memory_limit(cluster.memory_limit)


def _check_is_local(cluster: Cluster) -> None:
    makes_certificates = cluster.kind == "local" and cluster.tls == "temporary"
    for key in ("address", "insecure") if makes_certificates else ("address", "tls", "insecure"):
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
    if isinstance(workers, Adaptive) and workers.min > workers.max:
        problem = f"must be at least min, which is {workers.min}, not {workers.max}"
        raise ConfigError(problem, key="cluster.workers.max")


def _check_address(cluster: Cluster) -> None:
    if not cluster.address:
        raise ConfigError("a remote cluster needs the scheduler's address", key="cluster.address")
    url = urlsplit(cluster.address)
    if url.scheme not in {"tls", "tcp"} or not url.hostname:
        raise ConfigError(
            f"{cluster.address!r} is no scheduler's address: write tls://scheduler:8786",
            key="cluster.address",
        )
    if cluster.tls == "temporary":
        raise ConfigError(
            "temporary certificates are for a local cluster: a remote scheduler has its own, "
            "write the files {ca, cert, key}",
            key="cluster.tls",
        )
    if url.scheme == "tls" and not isinstance(cluster.tls, Tls):
        raise ConfigError("tls:// needs the files {ca, cert, key}", key="cluster.tls")
    if url.scheme == "tcp" and url.hostname not in _LOOPBACK and not cluster.insecure:
        raise ConfigError(
            f"{cluster.address} is neither encrypted nor authenticated: use a tls:// scheduler, "
            "or write `insecure: true` where the network is trusted",
            key="cluster.address",
        )


def _check_files(tls: Tls | Literal["temporary"] | None) -> None:
    for name, file in asdict(tls).items() if isinstance(tls, Tls) else ():
        if not Path(file).is_file():
            raise ConfigError(f"there is no such file: {file}", key=f"cluster.tls.{name}")


def _check_memory_limit(limit: str) -> None:
    if limit == "auto":
        return
    from dask.utils import parse_bytes  # late: most configurations leave it at "auto"

    try:
        parse_bytes(limit)
    except ValueError:
        problem = f'{limit!r} is no amount of memory: write e.g. "2 GiB", or "auto"'
        raise ConfigError(problem, key="cluster.memory_limit") from None


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
    elif cluster.kind == "local":
        with _local(cluster) as client:
            yield client
    else:
        with _remote(cluster) as client:
            yield client


def threads(client: "Client | None") -> int:
    """How many calls can run at the same time."""
    return 1 if client is None else sum(client.nthreads().values())


def warm_up(client: "Client", modules: Sequence[str]) -> None:
    """Have the workers import modules while the driver is busy with something else.

    Returns at once. What cannot be imported fails where it is needed, and says so there.
    """
    from distributed import fire_and_forget  # late, as below

    for worker in client.scheduler_info(n_workers=-1)["workers"]:
        imported = client.submit(_import, tuple(modules), workers=[worker], pure=False)
        fire_and_forget(imported)


def present_workers() -> int:
    """How many workers the cluster has that this process is connected to; 0 where there is none."""
    from distributed import default_client  # late, as below

    try:
        return len(default_client().nthreads())
    except (ValueError, OSError, TimeoutError):  # connected to none, or not at this moment
        return 0


def differing_versions(client: "Client | None") -> tuple[int, list[str]]:
    """How many workers a cluster has, and where its Python or Dask is another than here."""
    if client is None:
        return 0, []
    told = client.get_versions()
    here = told["client"]["packages"]
    places = {"scheduler": told["scheduler"], **told["workers"]}
    differing = [
        f"{place} runs {package} {found['packages'].get(package)}, here it is {here[package]}"
        for place, found in places.items()
        for package in ("python", "dask", "distributed", "cloudpickle")
        if found and found["packages"].get(package) != here[package]
    ]
    return len(told["workers"]), differing


def _import(modules: Sequence[str]) -> None:
    for module in modules:
        with suppress(Exception):  # a user's module may raise anything; so will who needs it
            import_module(module)


@contextmanager
def _local(cluster: Cluster) -> Iterator["Client"]:
    # distributed takes a second to import, which commands that start no cluster need not wait for
    import dask
    from distributed import Client, LocalCluster
    from distributed.security import Security

    adaptive = cluster.workers if isinstance(cluster.workers, Adaptive) else None
    # 100 times a second it would look what a worker does, for a page of the dashboard.
    settings = _LOCAL | {"distributed.worker.profile.enabled": cluster.dashboard}
    with ExitStack() as stack:
        # distributed tells of workers that do not start by several errors of its own
        with as_machinery_error("the local cluster did not start", OSError, RuntimeError):
            stack.enter_context(dask.config.set(settings))
            local = stack.enter_context(
                LocalCluster(
                    n_workers=adaptive.min if adaptive else cluster.workers,
                    threads_per_worker=cluster.threads,
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
            if adaptive:
                local.adapt(minimum=adaptive.min, maximum=adaptive.max)
            client = stack.enter_context(Client(local))
        yield client


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
