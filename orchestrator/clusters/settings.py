"""Where a flow is to run, as a configuration says it.

Touches no library; data only; driver.
"""

import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from orchestrator.errors import ConfigError
from orchestrator.mapping.execution.executor import PATIENCE_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """The files of a `tls://` connection.

    Attributes:
        ca: The certificate of the authority that signed the others.
        cert: The certificate of the driver.
        key: The private key of the driver.
    """

    ca: str
    cert: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptive:
    """As many workers as there is work for, between two numbers.

    Attributes:
        min: The least number of workers.
        max: The greatest number of workers.
    """

    min: int = 1
    max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Where mapped tasks run.

    Attributes:
        kind: `local` starts worker processes on this machine and ends them with the flow run;
            `remote` connects to the scheduler at `address`; `inline` uses this process alone.
        workers: The worker processes of a local cluster, a number or `{min, max}`; None starts one
            for each core.
        threads: The threads of each local worker.
        memory_limit: The memory of each local worker, as Dask writes it: `2 GiB`, or `auto` for its
            share of the machine's. A worker that uses 95 % of it is ended and started again.
        dashboard: Whether a local cluster serves Dask's dashboard, on a free loopback port.
        address: The address of a remote scheduler, such as `tls://scheduler:8786`.
        tls: The certificate files for a `tls://` address; `temporary` makes certificates for a
            local cluster, so that no other user of this machine can connect to it.
        insecure: Whether a plain `tcp://` scheduler on another machine is allowed: anyone who
            reaches its port can run code on its workers.
        connect_timeout: The seconds to wait for a remote scheduler when a flow run begins, and for
            each worker's answer about its packages.
        reconnect_timeout: The seconds to wait for a lost scheduler to return.
        versions: `warn` allows a remote cluster whose workers have other versions of packages
            that can change results; None refuses it.
        patience: The seconds that calls wait when no worker can run them.
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
    versions: Literal["warn"] | None = None
    patience: float = PATIENCE_SECONDS

    @property
    def most_workers(self) -> int:
        """Worker processes of a local cluster, at most."""
        if isinstance(self.workers, Adaptive):
            return self.workers.max
        return self.workers or os.cpu_count() or 1


_MOST = 10_000
"""Workers or threads on one machine."""

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def check(cluster: Cluster) -> None:
    """Refuse settings that cannot work or contradict each other, before anything is started.

    Raises:
        ConfigError: Naming the key and the cure.
    """
    if not 0 < cluster.patience < math.inf:
        problem = f"must be a number of seconds above 0, not {cluster.patience:g}"
        raise ConfigError(problem, key="cluster.patience")
    if cluster.kind == "remote":
        _check_address(cluster)
        _check_files(cluster.tls)
    else:
        _check_is_local(cluster)
        _check_workers(cluster)
        _check_memory_limit(cluster.memory_limit)


def _check_is_local(cluster: Cluster) -> None:
    makes_certificates = cluster.kind == "local" and cluster.tls == "temporary"
    for key in ("address", *(() if makes_certificates else ("tls",)), "insecure", "versions"):
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


def _check_address(cluster: Cluster) -> None:
    if not cluster.address:
        raise ConfigError("a remote cluster needs the scheduler's address", key="cluster.address")
    url = _split(cluster.address)
    if url is None or url.scheme not in {"tls", "tcp"} or not url.hostname:
        raise ConfigError(
            f"{cluster.address!r} is not a scheduler's address: write tls://scheduler:8786",
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


def _split(address: str) -> SplitResult | None:
    """The parts of an address; None where half an IPv6 address or a port makes it none."""
    try:
        url = urlsplit(address)
        _ = url.port  # raises where it is not a number that a port may have
    except ValueError:
        return None
    return url


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
