"""Reports as one HTML file that works offline: tables, charts, and plotly embedded once.

page        what a page is made of
charts      charts of our own
rendering   a page -> HTML

Touches plotly and jinja2; takes plain values; gives text; runs on the driver.
"""

from orchestrator.pages.page import Card, Chart, Page, Section, Table
from orchestrator.pages.rendering import render

__all__ = ["Card", "Chart", "Page", "Section", "Table", "render"]
