"""The seam of clusters: the protocol of a kind, and the lookup of the configured kind by name.

A kind of your own is a class with the members of `ClusterKind`, named by an entry point in the
group `orchestrator.clusters`. Its keyword arguments are the keys below `cluster:` that `Cluster`
does not have.

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
    """The properties that a kind of cluster declares.

    Attributes:
        in_process: Whether tasks run in the driver's own process, so that there is no client.
        same_environment: Whether workers have the driver's interpreter, packages and import path.
            Workers of other kinds are checked before the first task.
        shares_files: Whether workers see the folders of the driver's machine.
    """

    in_process: bool = False
    same_environment: bool = False
    shares_files: bool = False


@runtime_checkable
class ClusterKind(Protocol):
    """A way to get workers.

    The contract: `check` starts nothing and connects to nothing. `connect` yields a client of a
    cluster whose workers may still be starting, or None if tasks run in this process. When the
    context ends, everything that it has started is gone, processes included, and an existing
    cluster is left unchanged. A cluster that cannot be started or reached is a `MachineryError`
    that states the reason and the cure. Nothing slow is imported before `connect`.
    """

    @property
    def traits(self) -> ClusterTraits:
        """The properties of the kind."""
        ...

    def check(self, cluster: Cluster) -> None:
        """Refuse settings that cannot work or contradict each other.

        Raises:
            ConfigError: The settings are wrong; the error names the key and the cure.
        """
        ...

    def connect(self, cluster: Cluster) -> "AbstractContextManager[Client | None]":
        """Return a context that provides a cluster, and yields a client of it.

        Args:
            cluster: Settings that `check` has accepted.
        """
        ...

    def cores(self, cluster: Cluster) -> int | None:
        """Return the number of calls that can run at once; None if unknown before `connect`."""
        ...


def find_kind(cluster: Cluster) -> ClusterKind:
    """Return the kind of cluster that a configuration names, built with its own settings.

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
    except TypeError as error:  # a required setting is missing
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
    """Return the keys that only this kind of cluster has; none for an unknown kind."""
    if not isinstance(kind, str) or kind not in plugins.names(ENTRY_POINTS):
        return ()
    make = plugins.load(ENTRY_POINTS, kind, noun="kind of cluster", key="cluster.kind")
    return tuple(inspect.signature(make).parameters)


def check(cluster: Cluster) -> None:
    """Refuse settings that cannot work or contradict each other, before anything is started.

    Raises:
        ConfigError: The settings are wrong; the error names the key and the cure.
    """
    if not 0 < cluster.patience < math.inf:
        problem = f"must be a number of seconds above 0, not {cluster.patience:g}"
        raise ConfigError(problem, key="cluster.patience")
    find_kind(cluster).check(cluster)


@contextmanager
def connect(cluster: Cluster) -> Iterator["Client | None"]:
    """Yield a client of the cluster while the context lasts; None for this process.

    A local cluster listens on loopback only and is gone, processes included, when the context
    ends; a remote one is left unchanged.

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
    import dask  # late: it takes a second, which commands without a cluster should not spend

    with dask.config.set({PATIENCE: cluster.patience}), kind.connect(cluster) as client:
        yield client
