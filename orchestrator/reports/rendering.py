"""The rendering of a page as one HTML file that needs no other file and fetches nothing.

The template escapes every text; figures are JSON that no browser can mistake for markup; and the
page's own policy forbids it to fetch or send anything, whatever a registry row contains.

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
"""The greatest length of a cell, in characters, that stays on one line."""


def render(page: Page) -> str:
    """Return the page as HTML."""
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
    """Return a value for the template; hidden characters of a text become visible escapes."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return visible_lines(value)


def _look() -> Any:
    """Return plotly's white template with our colours."""
    look = io.templates["plotly_white"].to_plotly_json()
    return {**look, "layout": {**look["layout"], "colorway": COLOURS}}


def _for_script(figure: Any) -> Markup:
    """Return a figure as JSON, without the parts that the page sets: template, size and title."""
    content = json.loads(figure.to_json())
    for own in ("template", "title", "width", "height"):
        content["layout"].pop(own, None)
    return _safe_in_script(content)


def _safe_in_script(content: Any) -> Markup:
    """Return JSON in which no text can end the script that holds it."""
    text = json.dumps(content, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)  # noqa: S704 - escaped above


def _alignments(table: Table) -> list[str]:
    """Return the class of each column's cells: numbers on the right, short texts on one line."""
    columns = zip(*table.rows, strict=True) if table.rows else [()] * len(table.columns)
    return [_alignment([cell for cell in column if cell is not None]) for column in columns]


def _alignment(cells: Sequence[str | float]) -> str:
    if cells and all(isinstance(cell, int | float) for cell in cells):
        return "number"
    return "short" if all(len(str(cell)) <= _SHORT for cell in cells) else "long"


def _cell(value: str | float | None) -> str:
    """Return a cell's value in readable form."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.4f}"
    return f"{value:,}" if isinstance(value, int) else value
