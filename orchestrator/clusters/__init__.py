"""Where a flow runs: cluster settings to a Dask client, or to None for this process.

    settings   `Cluster`, and `check`, which refuses settings that cannot work
    startup    `connect` starts or finds the cluster
    growth     a local cluster that follows the work
    readiness  whether a remote cluster can run what is about to be sent
    probing    what a worker says of itself
    workers    threads, and what workers import ahead

Dask is imported only where there is something to connect to.
"""

from orchestrator.clusters.readiness import Needs, readiness, require_ready
from orchestrator.clusters.settings import Adaptive, Cluster, Tls, check
from orchestrator.clusters.startup import connect
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
