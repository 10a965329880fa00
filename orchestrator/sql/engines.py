"""How a PostgreSQL server is connected to, so that nobody waits for a peer that is gone.

Touches SQLAlchemy's addresses; takes one; gives what its driver is to be told; runs on the driver.
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
"""The second is the longer one: who waits for one that is gone gets what it waits for."""


def limits(url: URL) -> dict[str, Any]:
    """What to connect with, in the words of libpq; what the address itself says goes first."""
    if url.get_driver_name() not in _LIBPQ:
        return {}
    own = url.query.get("options", ())
    options = (_OPTIONS, *([own] if isinstance(own, str) else own))
    others = {name: value for name, value in _LIMITS.items() if name not in url.query}
    # Of an option that is given twice PostgreSQL takes the last.
    return {**others, "options": " ".join(options)}


_SECONDS_TO_WAIT_FOR_A_LOCK = 60.0


def visiting(uri: str) -> Engine:
    """Connects anew for each transaction; on SQLite with named parameters, so that rows are dicts.

    Args:
        uri: A database's address on SQLite or PostgreSQL, as SQLAlchemy takes it.
    """
    url = make_url(uri)
    if url.get_backend_name() == "sqlite":
        wait = {"timeout": _SECONDS_TO_WAIT_FOR_A_LOCK}
        return create_engine(url, poolclass=NullPool, paramstyle="named", connect_args=wait)
    return create_engine(url, poolclass=NullPool, connect_args=limits(url))
