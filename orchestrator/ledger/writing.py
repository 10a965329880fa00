"""Two ways to add rows that may be there already, in the words of either database.

Touches SQLAlchemy; takes rows as dicts, all with the same columns; runs on the driver.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Rows = Sequence[dict[str, Any]]


def insert_missing(connection: Connection, table: Table, rows: Rows) -> None:
    """Add the rows that are not there yet, by any of the table's unique indexes."""
    if rows:
        connection.execute(_insert(connection, table).on_conflict_do_nothing(), rows)


def insert_or_replace(connection: Connection, table: Table, rows: Rows) -> None:
    """Add the rows; one with a primary key that is there already replaces it."""
    if not rows:
        return
    insert = _insert(connection, table)
    keys = [column.name for column in table.primary_key]
    replaced = {c.name: c for c in insert.excluded if c.name not in keys}
    connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=replaced), rows)


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)
