"""The kind `remote`: a scheduler that already runs, at an address.

Touches distributed; takes `Cluster` settings; gives a client; driver.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal
from urllib.parse import SplitResult, urlsplit

from orchestrator.clusters.kinds import ClusterTraits
from orchestrator.clusters.settings import Cluster, Tls
from orchestrator.errors import ConfigError, MachineryError

if TYPE_CHECKING:
    from distributed import Client

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class RemoteKind:
    """Workers started outside orchestrator; they and their scheduler are left unchanged."""

    traits: ClassVar[ClusterTraits] = ClusterTraits()

    def check(self, cluster: Cluster) -> None:
        """Refuse an invalid scheduler address, and traffic that others could read."""
        _check_address(cluster)
        _check_files(cluster.tls)

    @contextmanager
    def connect(self, cluster: Cluster) -> Iterator["Client"]:
        """Connect to the scheduler, and disconnect when the context ends."""
        from distributed import Client  # late: it takes a second to import
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
            # A client has one timeout for its first connection and for every later one.
            Client(cluster.address, security=security, timeout=cluster.connect_timeout).close()
            client = Client(cluster.address, security=security, timeout=cluster.reconnect_timeout)
        except ValueError as error:
            raise ConfigError(
                f"{cluster.address!r} is not a scheduler's address, such as "
                f"tls://scheduler:8786: {error}",
                key="cluster.address",
            ) from error
        except (OSError, TimeoutError) as error:
            raise MachineryError(
                f"no Dask scheduler answers at {cluster.address}: {error}; "
                "start it with `dask scheduler`, or use `kind: local`"
            ) from error
        with client:
            yield client

    def cores(self, cluster: Cluster) -> None:
        """Return None: the workers cannot be counted before there is a connection."""


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
    """Return the parts of an address; None if half an IPv6 address or a bad port is in it."""
    try:
        url = urlsplit(address)
        _ = url.port  # raises if it is not a valid port number
    except ValueError:
        return None
    return url


def _check_files(tls: Tls | Literal["temporary"] | None) -> None:
    for name, file in asdict(tls).items() if isinstance(tls, Tls) else ():
        if not Path(file).is_file():
            raise ConfigError(f"there is no such file: {file}", key=f"cluster.tls.{name}")
