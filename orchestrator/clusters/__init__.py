"""Clusters for flows: from settings to a Dask client, or to None for this process.

    settings   `Cluster`, the configured settings
    kinds      the seam; `connect` starts or finds the configured cluster
    local      worker processes on this machine, or only this process
    growth     a local cluster that follows the work
    remote     a scheduler that already runs
    readiness  whether a remote cluster can run the calls of a flow
    probing    the self-description of a worker
    workers    numbers of threads and workers, and imports in advance

Dask is imported only when a cluster is connected.
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
