"""Rows of a DataFrame to map over: tuples with the columns' names, and their keys.

Touches no library itself; takes a pandas DataFrame; gives named tuples; rows are pickled by their
columns and values, so that equal rows are equal on workers and in later flow runs.
"""

from collections import namedtuple
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from orchestrator import keys


def rows(frame: Any) -> Sequence[tuple[Any, ...]]:
    """The rows, as `itertuples` gives them, without the index."""
    columns = tuple(map(str, frame.columns))
    kind = _kind(columns)
    return [kind._make(row) for row in frame.itertuples(index=False, name=None)]


def names_of_rows(frame: Any) -> Sequence[str] | None:
    """The keys of rows: the column `id`, else the index unless it only counts the rows.

    None where neither distinguishes the rows.
    """
    if "id" in frame.columns and frame["id"].is_unique and not frame["id"].hasnans:
        return [keys.part(str(name)) for name in frame["id"]]
    counts = type(frame.index).__name__ == "RangeIndex"
    if counts or not frame.index.is_unique or frame.index.hasnans:
        return None
    return [_key(name) for name in frame.index]


def _key(name: Any) -> str:
    """The key of an index entry; each level of a multi-index is a part of it."""
    return keys.join(*map(str, name)) if isinstance(name, tuple) else keys.part(str(name))


@lru_cache(maxsize=64)
def _kind(columns: tuple[str, ...]) -> Any:
    """One class for all rows with these columns."""

    def reduced(row: Any) -> tuple[Any, ...]:
        return _row, (columns, tuple(row))

    named: Any = namedtuple
    kind = named("Row", columns, rename=True)
    kind.__reduce__ = reduced
    return kind


def _row(columns: tuple[str, ...], values: tuple[Any, ...]) -> Any:
    return _kind(columns)._make(values)
