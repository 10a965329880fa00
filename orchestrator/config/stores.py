"""The addresses of a configuration's own stores: ledger, MLflow, model files.

An address that could never work is refused when the configuration is read, rather than after the
first trials. The connection is tested later.

Touches no library; takes addresses; returns them, or raises an error; driver.
"""

import re
from importlib.metadata import entry_points
from urllib.parse import urlsplit

_LONGEST_NAME = 255
"""The maximum number of bytes in a file's name, on every common file system."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9.-]*)(\+\w+)?:")
_LEDGERS = ("sqlite", "postgresql")
_TRACKING = ("sqlite", "postgresql", "mysql", "mssql", "http", "https")
_ARTIFACTS = (
    *("file", "s3", "gs", "wasb", "wasbs", "abfs", "abfss", "r2", "b2", "hdfs", "viewfs"),
    *("dbfs", "sftp", "ftp", "mlflow-artifacts"),
)


def ledger_address(address: str | None) -> str | None:
    """Return the ledger's address.

    Raises:
        ValueError: It is neither a file's name nor the URL of a database that can hold a ledger.
    """
    is_file = address is not None and not _scheme(address)
    return _well_formed(address) if address and is_file else _required(address, _LEDGERS)


def tracking_address(address: str | None) -> str | None:
    """Return MLflow's address.

    Raises:
        ValueError: It is neither the URL of a database nor of a server.
    """
    return _required(address, _TRACKING)


def artifacts_address(address: str | None) -> str | None:
    """Return the folder or the address of model files.

    Raises:
        ValueError: MLflow cannot write there.
    """
    if address is None:
        return None
    scheme = _scheme(address)
    if scheme in {"http", "https"}:
        raise ValueError(
            "is the address of a web server, where MLflow cannot write model files by itself; "
            "leave it out if `tracking.uri` is that server, or name a folder or an object store"
        )
    if scheme and scheme not in _ARTIFACTS and scheme not in _of_plugins():
        raise ValueError(
            f"has the scheme {scheme!r}; give a folder, or one of {_listed(_ARTIFACTS)}"
        )
    return _well_formed(address)


def _of_plugins() -> frozenset[str]:
    """Return the schemes of artifact stores that installed packages add to MLflow."""
    return frozenset(point.name for point in entry_points(group="mlflow.artifact_repository"))


def _required(address: str | None, schemes: tuple[str, ...]) -> str | None:
    if address is None:
        return None
    scheme = _scheme(address)
    if scheme not in schemes:
        found = f"has the scheme {scheme!r}" if scheme else "has no scheme"
        raise ValueError(f"{found}; give the URL of one of {_listed(schemes)}")
    return _well_formed(address)


def _scheme(address: str) -> str:
    found = _SCHEME.match(address)
    return found[1].lower() if found else ""


def _well_formed(address: str) -> str:
    if not address.isprintable():
        raise ValueError("has control characters; remove them")
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"is not a valid address: {error}") from error
    if any(len(name.encode()) > _LONGEST_NAME for name in parts.path.split("/")):
        raise ValueError(f"has a name of more than {_LONGEST_NAME} bytes, which no disk can hold")
    return address


def _listed(schemes: tuple[str, ...]) -> str:
    return ", ".join(f"{scheme}:" for scheme in schemes)
