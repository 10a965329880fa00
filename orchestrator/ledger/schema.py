"""Creates the schema in an empty database, upgrades an older one, and refuses a newer one.

Touches SQLAlchemy; takes a connection; gives nothing; runs on the driver when a ledger is opened.
"""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, inspect, select, text

from orchestrator.errors import MachineryError
from orchestrator.ledger.backups.backup import how_to_restore
from orchestrator.ledger.tables import SCHEMA_VERSION, metadata, schema_version

_SCHEMA_LOCK = 0x6C656467
"""The number of our advisory lock on PostgreSQL; its holder may change the schema."""


def found_version(connection: Connection, name: str, file: Path | None = None) -> int | None:
    """The version of the existing schema; None where there is none.

    Args:
        connection: A connection inside any transaction.
        name: The name of the ledger in messages.
        file: The file of an SQLite ledger, beside which its backups are.

    Raises:
        MachineryError: This program does not know the version.
    """
    if not inspect(connection).has_table(schema_version.name):
        return None
    found = connection.execute(select(schema_version.c.version)).scalar_one_or_none()
    if found is None:
        raise MachineryError(
            f"ledger {name}: its schema version is missing; {how_to_restore(file)}"
        )
    if found > SCHEMA_VERSION:
        raise MachineryError(
            f"ledger {name}: its schema version {found} is newer than the {SCHEMA_VERSION} that"
            f" this program knows; nothing was changed; upgrade orchestrator, or"
            f" {how_to_restore(file)}"
        )
    return int(found)


def prepare(
    connection: Connection, name: str, file: Path | None, keep_old: Callable[[int], None]
) -> int | None:
    """Make the schema what `tables` says, unless another process was faster.

    Args:
        connection: A connection inside a writing transaction.
        name: The name of the ledger in messages.
        file: As `found_version` takes it.
        keep_old: Called with the found version before the upgrade, to keep a copy.

    Returns:
        The version that was upgraded; None where there was nothing to upgrade.

    Raises:
        MachineryError: As `found_version`.
    """
    if connection.dialect.name == "postgresql":
        # SQLite's writing transaction is exclusive already.
        connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _SCHEMA_LOCK})
    found = found_version(connection, name, file)
    if found is None:
        metadata.create_all(connection)
        connection.execute(schema_version.insert().values(id=1, version=SCHEMA_VERSION))
    elif found < SCHEMA_VERSION:
        from orchestrator.ledger.migrations import upgrade  # late: Alembic, which is seldom needed

        keep_old(found)
        upgrade(connection, found)
        connection.execute(schema_version.update().values(version=SCHEMA_VERSION))
        return found
    return None
