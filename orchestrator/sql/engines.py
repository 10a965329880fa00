"""Connections to a PostgreSQL server with limits, so that no side waits for a lost peer.

Touches SQLAlchemy's addresses; takes one; gives the arguments for its driver; runs on the driver.
A machine that loses its power or network within a transaction would keep its locks for hours, and
a server that is lost would keep its clients waiting as long.
"""

from typing import Any

from sqlalchemy import Engine, NullPool, create_engine, make_url
from sqlalchemy.engine import URL

_LIBPQ = frozenset({"psycopg", "psycopg2"})
_LIMITS = {
    "connect_timeout": 10,  # seconds
    "keepalives": 1,
    "keepalives_idle": 10,  # seconds
    "keepalives_interval": 5,  # seconds
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,  # milliseconds
}
_OPTIONS = "-c idle_in_transaction_session_timeout=30s -c lock_timeout=60s"
"""The lock timeout is the longer one, so a client that waits for a lost one gets its lock."""


def limits(url: URL) -> dict[str, Any]:
    """The arguments of a connection, in libpq's terms; the address itself takes precedence."""
    if url.get_driver_name() not in _LIBPQ:
        return {}
    own = url.query.get("options", ())
    options = (_OPTIONS, *([own] if isinstance(own, str) else own))
    others = {name: value for name, value in _LIMITS.items() if name not in url.query}
    # If an option is given twice, PostgreSQL takes the last.
    return {**others, "options": " ".join(options)}


_SECONDS_TO_WAIT_FOR_A_LOCK = 60.0


def visiting(uri: str) -> Engine:
    """An engine that reconnects for each transaction; on SQLite its parameters are named.

    Args:
        uri: The address of a database on SQLite or PostgreSQL, in SQLAlchemy's form.
    """
    url = make_url(uri)
    if url.get_backend_name() == "sqlite":
        wait = {"timeout": _SECONDS_TO_WAIT_FOR_A_LOCK}
        return create_engine(url, poolclass=NullPool, paramstyle="named", connect_args=wait)
    return create_engine(url, poolclass=NullPool, connect_args=limits(url))
