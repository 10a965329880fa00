"""Finds the one row that a person means by the beginning of its id.

Touches SQLAlchemy; takes a column and a typed beginning; gives the whole id; runs on the driver.
"""

from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, and_, or_, select

from orchestrator.errors import UsageError

_LAST_CHARACTER = "\U0010ffff"


def begins_with(column: Column[Any], prefix: str) -> ColumnElement[bool]:
    """A condition that an index answers; `LIKE` would ignore case on SQLite and expand % and _."""
    return and_(column >= prefix, column <= prefix + _LAST_CHARACTER)


def of_task(node: Column[Any], task: str) -> ColumnElement[bool]:
    """A condition: a node is a call of this task, by the flow or by a coordinator.

    Args:
        node: The column of nodes' names.
        task: `fit` means all its calls, `fit@tune` only the calls that `tune` made.
    """
    return or_(node == task, begins_with(node, f"{task}@"))


def one_id(connection: Connection, column: Column[Any], given: str, what: str) -> str:
    """The id that equals `given`, or else the only one that begins with it.

    Raises:
        UsageError: No id or several ids begin with it.
    """
    query = select(column).where(begins_with(column, given)).order_by(column).limit(2)
    found = list(connection.execute(query).scalars())
    if not found:
        raise UsageError(f"no {what} has an id that begins with {given!r}")
    if len(found) > 1 and found[0] != given:
        raise UsageError(f"several {what}s begin with {given!r}, e.g. {found[0]} and {found[1]}")
    return str(found[0])
