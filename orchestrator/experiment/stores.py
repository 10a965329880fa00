"""The addresses of ledger, MLflow and model files, checked as they are written.

Touches SQLAlchemy through ledger and tracking; takes addresses; gives errors; contacts nothing;
runs on the driver.
"""

from importlib.metadata import entry_points
from urllib.parse import urlsplit

from orchestrator.errors import ConfigError, UsageError
from orchestrator.ledger.addresses import file_name_problem, url_of
from orchestrator.tracking.addresses import is_server
from orchestrator.tracking.databases import engine_of

_OF_FILES = frozenset(
    {"file", "s3", "r2", "b2", "gs", "wasb", "wasbs", "abfs", "abfss", "adl", "oss"}
    | {"hdfs", "viewfs", "dbfs", "ftp", "sftp", "mlflow-artifacts"}
)
"""Schemes of the artifact stores that MLflow knows without a plugin, but for web servers."""


def require_addresses(ledger: str, tracking: str, artifacts: str | None) -> None:
    """Refuse addresses that can never be used.

    Args:
        ledger: The ledger's database.
        tracking: MLflow's database or server.
        artifacts: The folder or address of model files; None leaves it to a server.

    Raises:
        ConfigError: Naming the key.
    """
    try:
        url_of(ledger)
    except UsageError as error:
        raise ConfigError(str(error), key="ledger") from error
    _require_tracking(tracking)
    _require_artifacts(artifacts or "")


def _require_tracking(uri: str) -> None:
    key = "tracking.uri"
    if is_server(uri):
        if not _is_whole(uri):
            raise ConfigError("is not the address of a server: check host and port", key=key)
        return
    try:
        engine = engine_of(uri)
    except UsageError as error:
        raise ConfigError(str(error), key=key) from error
    problem = file_name_problem(str(engine.url.database or ""))
    if problem:
        raise ConfigError(problem, key=key)


def _require_artifacts(address: str) -> None:
    key = "tracking.artifacts"
    scheme, colon, _ = address.partition("://")
    if not colon:
        problem = file_name_problem(address)
    elif scheme.lower() in {"http", "https"}:
        problem = (
            "is a web server, where workers cannot write model files: give a folder or an object "
            "store, or leave it out where tracking.uri is a server that keeps them"
        )
    elif scheme.lower() not in _OF_FILES | _of_plugins():
        problem = f"MLflow knows no store for {scheme}://: give a folder, or e.g. s3://bucket/path"
    else:
        problem = "" if _is_whole(address) else "is not a whole address"
        problem = problem or file_name_problem(address)
    if problem:
        raise ConfigError(problem, key=key)


def _is_whole(address: str) -> bool:
    try:
        url = urlsplit(address)
        _ = url.port  # raises where it is not a number that a port may have
    except ValueError:
        return False
    return bool(url.hostname) or url.scheme in {"file", "dbfs", "mlflow-artifacts", "hdfs"}


def _of_plugins() -> frozenset[str]:
    return frozenset(point.name for point in entry_points(group="mlflow.artifact_repository"))
