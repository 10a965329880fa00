"""Finding the one row a person means by the beginning of its id.

Touches SQLAlchemy; takes a column and what was typed; gives the whole id; runs on the driver.
"""

from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, and_, or_, select

from orchestrator.errors import UsageError

_LAST_CHARACTER = "\U0010ffff"


def begins_with(column: Column[Any], prefix: str) -> ColumnElement[bool]:
    """A condition an index answers; `LIKE` would ignore case on SQLite and read % and _."""
    return and_(column >= prefix, column <= prefix + _LAST_CHARACTER)


def of_task(node: Column[Any], task: str) -> ColumnElement[bool]:
    """A condition: a node is a call of this task, by the flow or by a coordinator.

    Args:
        node: The names of nodes.
        task: `fit` means all calls of it, `fit@tune` only those that `tune` made.
    """
    return or_(node == task, begins_with(node, f"{task}@"))


def one_id(connection: Connection, column: Column[Any], given: str, what: str) -> str:
    """The id that is `given`, or else the only one that begins with it.

    Raises:
        UsageError: None or several do.
    """
    query = select(column).where(begins_with(column, given)).order_by(column).limit(2)
    found = list(connection.execute(query).scalars())
    if not found:
        raise UsageError(f"no {what} has an id that begins with {given!r}")
    if len(found) > 1 and found[0] != given:
        raise UsageError(f"several {what}s begin with {given!r}, e.g. {found[0]} and {found[1]}")
    return str(found[0])
