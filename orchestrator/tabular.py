"""Records that show themselves as tables: in a notebook as HTML, in a program as a DataFrame.

Touches pandas, when a DataFrame is asked for; takes rows; gives tables; driver.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any

from orchestrator.escapes import visible_lines
from orchestrator.redaction import redacted

if TYPE_CHECKING:
    from pandas import DataFrame

_MOST_SHOWN = 60
"""Rows of a table in a notebook; `to_pandas` gives all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableView:
    """Rows with named cells.

    Attributes:
        title: A heading; "" for none.
        rows: Cells by column. A cell may be a text, number, moment, list or mapping.
        columns: The columns where there are no rows.
    """

    title: str = ""
    rows: Sequence[Mapping[str, Any]]
    columns: Sequence[str] = ()

    @property
    def names(self) -> list[str]:
        """Every column once, in the order in which rows name them."""
        named = (name for row in self.rows for name in row)
        return list(dict.fromkeys([*self.columns, *named]))

    def to_pandas(self) -> "DataFrame":
        """Return the rows as a DataFrame, with a column for each name."""
        from pandas import DataFrame  # late: half a second

        return DataFrame([dict(row) for row in self.rows], columns=self.names)

    def to_html(self) -> str:
        """Return the table as HTML, with every text escaped and every secret hidden."""
        names = self.names
        title = f"<h4>{_text(self.title)}</h4>" if self.title else ""
        head = "".join(f"<th>{_text(name)}</th>" for name in names)
        body = "".join(
            f"<tr>{''.join(f'<td>{_text(_cell(row.get(name)))}</td>' for name in names)}</tr>"
            for row in self.rows[:_MOST_SHOWN]
        )
        left = len(self.rows) - _MOST_SHOWN
        more = f"<p>and {left:,} more rows; to_pandas() has them all</p>" if left > 0 else ""
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f"{title}{table}{more}"


class Tabular:
    """A record that can be shown as tables, the most important one first."""

    __slots__ = ()

    @abstractmethod
    def tables(self) -> Sequence[TableView]:
        """Return what it holds as tables."""

    def to_pandas(self) -> "DataFrame":
        """Return its first table as a DataFrame."""
        return self.tables()[0].to_pandas()

    def _repr_html_(self) -> str:
        """Return all of its tables as HTML, as notebooks show them."""
        return "".join(table.to_html() for table in self.tables())


def facts(title: str, known: Mapping[str, Any]) -> TableView:
    """Return a table of two columns, a name and a value a row."""
    rows = [{"": name, "value": value} for name, value in known.items()]
    return TableView(title=title, rows=rows, columns=("", "value"))


def time_of(seconds: float | None) -> datetime | None:
    """Return a moment given in epoch seconds as a datetime in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _cell(value: Any) -> str:
    """Return a value as people read it."""
    if isinstance(value, bool | str) or value is None:
        return "" if value is None else str(value)
    if isinstance(value, float | int):
        return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={_cell(each)}" for name, each in value.items())
    return ", ".join(map(_cell, value)) if isinstance(value, list | tuple) else str(value)


def _text(value: str) -> str:
    return escape(visible_lines(redacted(value)))
