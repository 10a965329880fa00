"""A check, within seconds, that a tracking address answers at all.

Touches SQLAlchemy and MLflow; takes a tracking address; runs on the driver. MLflow itself retries
a database that does not answer for 100 seconds and a server for minutes, and prints each failure.
"""

from pathlib import Path

from mlflow.environment_variables import (
    MLFLOW_HTTP_REQUEST_MAX_RETRIES,
    MLFLOW_HTTP_REQUEST_TIMEOUT,
)
from mlflow.exceptions import MlflowException
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request
from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.errors import MachineryError, as_machinery_error
from orchestrator.mlflow.addresses import is_server, without_password
from orchestrator.mlflow.databases import engine_of

_SECONDS_TO_ANSWER = 10.0
_IMPATIENCE = {MLFLOW_HTTP_REQUEST_TIMEOUT: 30, MLFLOW_HTTP_REQUEST_MAX_RETRIES: 1}
"""The limits of all later requests; these also upload models, so they take longer than a check."""


def check_answers(uri: str) -> None:
    """Connect to the tracking address once.

    Args:
        uri: The tracking address.

    Raises:
        UsageError: The address is not that of a database or a server, or its driver is not
            installed.
        MachineryError: Nothing answers there.
    """
    if is_server(uri):
        _check_server(uri, _SECONDS_TO_ANSWER)
    else:
        _check_database(uri)


def _check_server(uri: str, limit: float) -> None:
    """Accept any answer; the server reports missing permissions at the first real request."""
    _be_impatient()
    credentials = get_default_host_creds(uri)
    try:
        http_request(
            credentials, "/health", "GET", max_retries=0, timeout=limit, raise_on_status=False
        )
    except MlflowException as error:
        raise MachineryError(
            f"no MLflow server answers at {without_password(uri)} within {limit:g} s"
        ) from error


def _be_impatient() -> None:
    """Limit MLflow's retries: by default it asks a hanging server seven times for two minutes."""
    for variable, value in _IMPATIENCE.items():
        if not variable.is_set():
            variable.set(value)


def _check_database(uri: str) -> None:
    engine = engine_of(uri)
    failed = f"MLflow's database {without_password(uri)} cannot be used"
    with as_machinery_error(failed, SQLAlchemyError, OSError):
        if engine.dialect.name == "sqlite" and engine.url.database:
            Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)  # as MLflow does
        with engine.connect() as connection:
            inspect(connection).has_table("experiments")
