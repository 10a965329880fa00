"""A page -> one HTML file: no other file is needed, and nothing is fetched.

Every text is escaped by the template; figures are JSON that no browser takes for markup; and the
page's own policy forbids it to fetch or send anything, whatever a registry's row may hold.

Touches jinja2 and plotly; takes a `Page`; gives text; runs on the driver.
"""

import json
from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly import io
from plotly.offline import get_plotlyjs

from orchestrator.escapes import visible_lines
from orchestrator.reports.charts import COLOURS
from orchestrator.reports.page import Chart, Page, Table

_TEMPLATE = "page.html.jinja"
_SHORT = 26
"""Letters of a cell that stays in one line."""


def render(page: Page) -> str:
    """The page as HTML."""
    charts = [
        part for section in page.sections for part in section.parts if isinstance(part, Chart)
    ]
    numbers = {id(chart): number for number, chart in enumerate(charts)}
    return (
        _environment()
        .get_template(_TEMPLATE)
        .render(
            page=page,
            figures=[_for_script(chart.figure) for chart in charts],
            number_of=lambda chart: numbers[id(chart)],
            look=_safe_in_script(_look()),
            plotly=Markup(get_plotlyjs()) if charts else "",  # noqa: S704 - plotly's own code
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("orchestrator.reports", "."),
        autoescape=True,
        finalize=_visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = _cell
    environment.tests["chart"] = lambda part: isinstance(part, Chart)
    environment.filters["alignments"] = _alignments
    return environment


def _visible(value: Any) -> Any:
    """A value of the template; hidden characters of a text are shown as escapes."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return visible_lines(value)


def _look() -> Any:
    """Plotly's template for white paper, in our colours."""
    look = io.templates["plotly_white"].to_plotly_json()
    return {**look, "layout": {**look["layout"], "colorway": COLOURS}}


def _for_script(figure: Any) -> Markup:
    """A figure as JSON, without what is the page's: its look, its size, the title above it."""
    content = json.loads(figure.to_json())
    for own in ("template", "title", "width", "height"):
        content["layout"].pop(own, None)
    return _safe_in_script(content)


def _safe_in_script(content: Any) -> Markup:
    """JSON in which nothing ends the script that holds it."""
    text = json.dumps(content, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704 - escaped above


def _alignments(table: Table) -> list[str]:
    """The class of each column's cells: numbers stand on the right, short texts in one line."""
    columns = zip(*table.rows, strict=True) if table.rows else [()] * len(table.columns)
    return [_alignment([cell for cell in column if cell is not None]) for column in columns]


def _alignment(cells: Sequence[str | float]) -> str:
    if cells and all(isinstance(cell, int | float) for cell in cells):
        return "number"
    return "short" if all(len(str(cell)) <= _SHORT for cell in cells) else "long"


def _cell(value: str | float | None) -> str:
    """A cell as people read it."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.4f}"
    return f"{value:,}" if isinstance(value, int) else value
