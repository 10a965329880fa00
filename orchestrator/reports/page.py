"""The parts of a page; all texts are plain, and escaped when the page is rendered.

Touches plotly's figures as values; runs on the driver.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One number at the top of the page, with a label and a remark."""

    value: str
    label: str
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of cells; numbers are aligned to the right.

    Attributes:
        columns: The names of the columns.
        rows: The cells of each row: texts, numbers, or None for an empty cell.
        title: The text above the table.
        note: The text below the table, e.g. that rows were left out.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | float | None]]
    title: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A plotly figure below a title, over the full width of the page or half of it."""

    title: str
    figure: Any
    wide: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page; a folded section opens on a click.

    Attributes:
        title: The section's heading.
        note: A sentence below the heading.
        parts: The tables and charts, in order.
        folded: Whether the section is closed at first; None if it cannot be closed.
    """

    title: str
    parts: Sequence[Table | Chart]
    note: str = ""
    folded: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A whole page.

    Attributes:
        title: The name of the page's subject.
        kind: The kind of the page, shown above the title.
        subtitle: Further details that identify the page.
        cards: The most important numbers.
        sections: The sections, in order.
    """

    title: str
    kind: str
    subtitle: str = ""
    cards: Sequence[Card] = ()
    sections: Sequence[Section] = ()
