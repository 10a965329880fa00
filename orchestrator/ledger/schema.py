"""Puts the schema into an empty database, and refuses one this program does not know.

Touches SQLAlchemy; takes a connection; gives nothing; runs on the driver when a ledger is opened.
"""

from sqlalchemy import Connection, inspect, select, text

from orchestrator.errors import MachineryError
from orchestrator.ledger.tables import SCHEMA_VERSION, metadata, schema_version

_CREATION_LOCK = 0x6C656467
"""Any number of our own: who holds PostgreSQL's advisory lock of it creates the schema."""


def prepare(connection: Connection, name: str) -> None:
    """Create the schema if there is none, else check its version.

    Args:
        connection: Inside a writing transaction.
        name: What to call the ledger in messages.

    Raises:
        MachineryError: The ledger was written by a newer program.
    """
    if connection.dialect.name == "postgresql":
        # SQLite's writing transaction is exclusive already.
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _CREATION_LOCK})
    if not inspect(connection).has_table(schema_version.name):
        metadata.create_all(connection)
        connection.execute(schema_version.insert().values(id=1, version=SCHEMA_VERSION))
    _check(connection, name)


def _check(connection: Connection, name: str) -> None:
    found = connection.execute(select(schema_version.c.version)).scalar_one_or_none()
    if found is None:
        raise MachineryError(f"ledger {name}: its schema version is missing; restore a backup")
    if found > SCHEMA_VERSION:
        raise MachineryError(
            f"ledger {name}: its schema version {found} is newer than the {SCHEMA_VERSION} that"
            " this program knows; upgrade orchestrator, nothing was changed"
        )
