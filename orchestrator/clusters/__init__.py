"""Where a flow runs: cluster settings to a Dask client, or to None for this process.

    settings   `Cluster`, as it is configured
    kinds      the seam; `connect` starts or finds the configured cluster
    local      worker processes on this machine, or this process alone
    growth     a local cluster that follows the work
    remote     a scheduler that runs already
    readiness  whether a remote cluster can run what is about to be sent
    probing    what a worker says of itself
    workers    threads, and what workers import ahead

Dask is imported only where there is something to connect to.
"""

from orchestrator.clusters.kinds import (
    ClusterKind,
    ClusterTraits,
    check,
    connect,
    find_kind,
    own_settings,
)
from orchestrator.clusters.readiness import Needs, readiness, require_ready
from orchestrator.clusters.settings import Adaptive, Cluster, Tls
from orchestrator.clusters.workers import present_workers, threads, warm_up

__all__ = [
    "Adaptive",
    "Cluster",
    "ClusterKind",
    "ClusterTraits",
    "Needs",
    "Tls",
    "check",
    "connect",
    "find_kind",
    "own_settings",
    "present_workers",
    "readiness",
    "require_ready",
    "threads",
    "warm_up",
]
