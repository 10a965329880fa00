"""Two ways to insert rows that may exist already, in the SQL of either database.

Touches SQLAlchemy; takes rows as dicts, all with the same columns, and a connection whose engine
names its parameters (on SQLite: `paramstyle="named"`); runs on the driver. SQLAlchemy writes the
SQL, and the rows go straight to the driver's `executemany`: its own handling of each row's
parameters, which none of our columns needs, would take as long as SQLite itself.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Table
from sqlalchemy.dialects import postgresql, sqlite

Rows = Sequence[dict[str, Any]]


def insert_missing(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert the rows that do not exist yet, by any of the table's unique indexes."""
    if rows:
        connection.exec_driver_sql(_missing(table, connection.dialect, tuple(rows[0])), rows)


def insert_or_replace(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert the rows; a row whose primary key exists already replaces the old row."""
    if rows:
        connection.exec_driver_sql(_replacing(table, connection.dialect, tuple(rows[0])), rows)


@lru_cache
def _missing(table: Table, dialect: Dialect, columns: tuple[str, ...]) -> str:
    insert = _insert(table, dialect).on_conflict_do_nothing()
    return str(insert.compile(dialect=dialect, column_keys=columns))


@lru_cache
def _replacing(table: Table, dialect: Dialect, columns: tuple[str, ...]) -> str:
    insert = _insert(table, dialect)
    keys = [column.name for column in table.primary_key]
    replaced = {name: insert.excluded[name] for name in columns if name not in keys}
    statement = insert.on_conflict_do_update(index_elements=keys, set_=replaced)
    return str(statement.compile(dialect=dialect, column_keys=columns))


def _insert(table: Table, dialect: Dialect) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)
