"""Whether a tracking address answers at all, found out in seconds.

Touches SQLAlchemy and sockets; takes a tracking address; runs on the driver. MLflow itself tries a
database that does not answer for 100 seconds, a server for minutes, and prints each failure.
"""

import socket
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import NullPool, create_engine, inspect, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from orchestrator.errors import UsageError, as_machinery_error

_SECONDS_TO_CONNECT = 10.0
_FOREIGN = (SQLAlchemyError, OSError)


def is_server(uri: str) -> bool:
    """Whether a tracking address is a server's, rather than a database's."""
    return uri.lower().startswith(("http://", "https://"))


def check_answers(uri: str) -> None:
    """Connect to the tracking address once.

    Raises:
        UsageError: It is no address of a database or a server, or its driver is not installed.
        MachineryError: Nothing answers there.
    """
    if is_server(uri):
        _check_server(uri)
    else:
        _check_database(uri)


def may_exist(uri: str) -> bool:
    """Whether there may be something at the address: SQLite would make an empty file there."""
    if not uri.startswith("sqlite:"):
        return True
    file = make_url(uri).database
    return file is not None and Path(file).is_file()


def without_password(uri: str) -> str:
    """The address as it may be shown."""
    password = urlsplit(uri).password
    return uri.replace(f":{password}@", ":***@", 1) if password else uri


def _check_server(uri: str) -> None:
    parts = urlsplit(uri)
    address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    with as_machinery_error(f"no MLflow server answers at {without_password(uri)}", OSError):
        socket.create_connection(address, timeout=_SECONDS_TO_CONNECT).close()


def _check_database(uri: str) -> None:
    shown = without_password(uri)
    try:
        engine = create_engine(uri, poolclass=NullPool)
    except (ArgumentError, ImportError) as error:
        raise UsageError(
            f"MLflow's tracking address {shown} cannot be used ({error}): give a database, "
            "e.g. sqlite:///mlflow.db, or a server, e.g. http://localhost:5000"
        ) from error
    with as_machinery_error(f"MLflow's database {shown} cannot be used", *_FOREIGN):
        if engine.dialect.name == "sqlite" and engine.url.database:
            Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)  # as MLflow does
        with engine.connect() as connection:
            inspect(connection).has_table("experiments")
