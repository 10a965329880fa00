"""Where a flow runs: cluster settings to a Dask client, or to None for this process.

Settings are `Cluster`, refused by `check` where they cannot work; `connect` starts or finds what
they say. Dask is imported only where there is something to connect to.
"""

from orchestrator.clusters.checking import check
from orchestrator.clusters.connecting import connect
from orchestrator.clusters.readiness import Needs, readiness, require_ready
from orchestrator.clusters.settings import Adaptive, Cluster, Tls
from orchestrator.clusters.workers import present_workers, threads, warm_up

__all__ = [
    "Adaptive",
    "Cluster",
    "Needs",
    "Tls",
    "check",
    "connect",
    "present_workers",
    "readiness",
    "require_ready",
    "threads",
    "warm_up",
]
