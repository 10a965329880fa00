"""The settings of a cluster, as in a configuration.

Touches no library; data only; driver.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

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
    """A number of workers that follows the work, between two bounds.

    Attributes:
        min: The minimum number of workers.
        max: The maximum number of workers.
    """

    min: int = 1
    max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The cluster on which mapped tasks run.

    Attributes:
        kind: `local` starts worker processes on this machine and ends them with the flow run;
            `remote` connects to the scheduler at `address`; `inline` uses this process alone.
            Other packages may add kinds.
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
        settings: Further keys, which belong only to the kind.
    """

    kind: str = "local"
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
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def most_workers(self) -> int:
        """The maximum number of worker processes of a local cluster."""
        if isinstance(self.workers, Adaptive):
            return self.workers.max
        return self.workers or os.cpu_count() or 1
