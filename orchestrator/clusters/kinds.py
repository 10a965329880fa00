"""The seam of clusters: what a kind of cluster is, and how the configured one is found by its name.

A kind of your own is a class with the members of `ClusterKind`, named by an entry point in the
group `orchestrator.clusters`. Keys below `cluster:` that `Cluster` does not have are its keyword
arguments.

Touches Dask's settings; takes `Cluster`; gives a client, or None for this process; driver.
"""

import inspect
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from orchestrator import plugins
from orchestrator.clusters.settings import Cluster
from orchestrator.errors import ConfigError
from orchestrator.mapping.execution.executor import PATIENCE

if TYPE_CHECKING:
    from distributed import Client

ENTRY_POINTS = "orchestrator.clusters"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterTraits:
    """What a kind of cluster declares about where its tasks run.

    Attributes:
        in_process: In the driver's own process, so that there is no client.
        same_environment: In processes with the driver's interpreter, packages and import path.
            Workers of other kinds are asked what they have before the first task.
        shares_files: Where a folder of the driver's machine is the same folder.
    """

    in_process: bool = False
    same_environment: bool = False
    shares_files: bool = False


@runtime_checkable
class ClusterKind(Protocol):
    """A way to get workers.

    The contract: `check` starts nothing and connects to nothing. `connect` gives a client of a
    cluster whose workers may still be on their way, or None where tasks run in this process. What
    it has started is gone when the context ends, processes included; what it has found is left as
    it was. A cluster that cannot be started or reached is a `MachineryError` that says why and what
    to do. Nothing slow is imported before `connect`.
    """

    @property
    def traits(self) -> ClusterTraits:
        """What the kind declares about itself."""
        ...

    def check(self, cluster: Cluster) -> None:
        """Refuse settings that cannot work or contradict each other.

        Raises:
            ConfigError: Naming the key and the cure.
        """
        ...

    def connect(self, cluster: Cluster) -> "AbstractContextManager[Client | None]":
        """Return a context in which there is a cluster, and a client of it.

        Args:
            cluster: Settings that `check` has accepted.
        """
        ...

    def cores(self, cluster: Cluster) -> int | None:
        """Return how many calls can run at once; None where that is not known before `connect`."""
        ...


def find_kind(cluster: Cluster) -> ClusterKind:
    """Return the kind of cluster that a configuration names, made with its own settings.

    Raises:
        ConfigError: There is no such kind, or it refuses its settings.
    """
    make = plugins.load(ENTRY_POINTS, cluster.kind, noun="kind of cluster", key="cluster.kind")
    unknown = sorted(cluster.settings.keys() - set(own_settings(cluster.kind)))
    if unknown:
        problem = f"the kind {cluster.kind!r} has no setting {unknown[0]!r}"
        raise ConfigError(problem, key="cluster")
    try:
        kind = make(**cluster.settings)
    except TypeError as error:  # one that it needs is missing
        problem = f"the kind {cluster.kind!r} refuses its settings: {error}"
        raise ConfigError(problem, key="cluster") from error
    if not isinstance(kind, ClusterKind):
        raise ConfigError(
            f"{cluster.kind!r} ({make.__module__}:{make.__qualname__}) must have `traits`, "
            "`check`, `connect` and `cores`, as orchestrator.clusters.ClusterKind has",
            key="cluster.kind",
        )
    return kind


def own_settings(kind: object) -> tuple[str, ...]:
    """Return the keys that a kind has besides those of every cluster; none for an unknown kind."""
    if not isinstance(kind, str) or kind not in plugins.names(ENTRY_POINTS):
        return ()
    make = plugins.load(ENTRY_POINTS, kind, noun="kind of cluster", key="cluster.kind")
    return tuple(inspect.signature(make).parameters)


def check(cluster: Cluster) -> None:
    """Refuse settings that cannot work or contradict each other, before anything is started.

    Raises:
        ConfigError: Naming the key and the cure.
    """
    if not 0 < cluster.patience < math.inf:
        problem = f"must be a number of seconds above 0, not {cluster.patience:g}"
        raise ConfigError(problem, key="cluster.patience")
    find_kind(cluster).check(cluster)


@contextmanager
def connect(cluster: Cluster) -> Iterator["Client | None"]:
    """Give a client of the cluster for as long as the context lasts; None for this process.

    A local cluster listens on loopback only and is gone, processes included, when the context
    ends; a remote one is left as it was found.

    Raises:
        ConfigError: The settings contradict each other.
        MachineryError: The scheduler did not answer in time, or a worker could not be started.
    """
    check(cluster)
    kind = find_kind(cluster)
    if kind.traits.in_process:
        with kind.connect(cluster) as client:
            yield client
        return
    import dask  # late: it takes a second, which commands that start no cluster need not wait for

    with dask.config.set({PATIENCE: cluster.patience}), kind.connect(cluster) as client:
        yield client
