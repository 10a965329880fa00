"""What a page is made of; all texts are plain and escaped when the page is rendered.

Touches plotly's figures as values; runs on the driver.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One number of the page's head, with what it counts, and a remark."""

    value: str
    label: str
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of cells; numbers are put on the right.

    Attributes:
        columns: Their names.
        rows: Cells: texts, numbers, or None for an empty one.
        title: What is above it.
        note: What is below it, e.g. that rows were left out.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str | int | float | None]]
    title: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A plotly figure under a title, over the whole width or half of it."""

    title: str
    figure: Any
    wide: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page; a folded one opens on a click.

    Attributes:
        title: Its heading.
        note: A sentence below it.
        parts: Tables and charts in their order.
        folded: Whether it is shut at first; None cannot be shut.
    """

    title: str
    parts: Sequence[Table | Chart]
    note: str = ""
    folded: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A whole page.

    Attributes:
        title: What it is about.
        kind: What kind of page it is, above the title.
        subtitle: What else identifies it.
        cards: The numbers that matter most.
        sections: Its parts.
    """

    title: str
    kind: str
    subtitle: str = ""
    cards: Sequence[Card] = ()
    sections: Sequence[Section] = ()
