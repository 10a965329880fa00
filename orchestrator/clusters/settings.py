"""Where a flow is to run, as a configuration says it.

Touches no library; data only; driver.
"""

import os
from dataclasses import dataclass
from typing import Literal

from orchestrator.mapping.executing import PATIENCE_SECONDS


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
        connect_timeout: Seconds to wait for a remote scheduler when a flow run begins, and for
            each worker's answer to what it has.
        reconnect_timeout: Seconds to wait for it to come back when it is lost meanwhile.
        versions: `warn` allows a remote cluster whose workers have other versions of packages
            that can change results; they are refused otherwise.
        patience: Seconds that calls wait for a worker that can run them, when there is none.
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
