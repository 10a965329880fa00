"""Engines for databases that are others', such as MLflow's: nothing stays connected to them.

Touches SQLAlchemy; takes an address; gives an engine; runs on the driver.
"""

from sqlalchemy import Engine, NullPool, create_engine, make_url

from orchestrator.ledger.postgres import limits

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
