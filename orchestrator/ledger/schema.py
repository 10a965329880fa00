"""Puts the schema into an empty database, and refuses one this program does not know.

Touches SQLAlchemy; takes a connection; gives nothing; runs on the driver when a ledger is opened.
"""

from sqlalchemy import Connection, inspect, select, text

from orchestrator.errors import MachineryError
from orchestrator.ledger.tables import SCHEMA_VERSION, metadata, schema_version

_CREATION_LOCK = 0x6C656467
"""Any number of our own: who holds PostgreSQL's advisory lock of it creates the schema."""


def is_prepared(connection: Connection, name: str) -> bool:
    """Whether the schema is there.

    Args:
        connection: Inside any transaction.
        name: What to call the ledger in messages.

    Raises:
        MachineryError: It is there, and of a version this program does not know.
    """
    if not inspect(connection).has_table(schema_version.name):
        return False
    found = connection.execute(select(schema_version.c.version)).scalar_one_or_none()
    if found is None:
        raise MachineryError(f"ledger {name}: its schema version is missing; restore a backup")
    if found > SCHEMA_VERSION:
        raise MachineryError(
            f"ledger {name}: its schema version {found} is newer than the {SCHEMA_VERSION} that"
            " this program knows; upgrade orchestrator, nothing was changed"
        )
    return True


def prepare(connection: Connection, name: str) -> None:
    """Create the schema, unless another process was faster; as `is_prepared`, but writing."""
    if connection.dialect.name == "postgresql":
        # SQLite's writing transaction is exclusive already.
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _CREATION_LOCK})
    if not is_prepared(connection, name):
        metadata.create_all(connection)
        connection.execute(schema_version.insert().values(id=1, version=SCHEMA_VERSION))
