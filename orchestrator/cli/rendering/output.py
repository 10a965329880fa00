"""Output of commands: tables for people, aligned text for pipes, JSON for machines.

    report, table, as_json      the report, on stdout
    say, complain               messages, on stderr
    moment, duration, counts    values as people read them

Touches rich and typer; driver.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from contextvars import Context
from typing import Any

import typer

from orchestrator.cli import logs
from orchestrator.escapes import visible, visible_json, visible_lines
from orchestrator.records import InstanceLog
from orchestrator.records.logs import named_lines
from orchestrator.redaction import redacted

_LONGEST_CELL = 200
"""Characters of a reason in a table; `--json`, `instances` and `history` give the whole."""


def say(message: str) -> None:
    """Print a message on stderr, or log it as a line of JSON with `--log-json`."""
    _emit(logging.INFO, message, visible_lines(redacted(message)))


def complain(problem: str, exit_code: int) -> None:
    """Print an error and the exit code it leads to; marked on a terminal."""
    styled = f"{typer.style('error:', fg='red', bold=True)} {visible_lines(problem)}"
    _emit(logging.ERROR, problem, styled, exit_code=exit_code)


def _emit(level: int, message: str, styled: str, **fields: Any) -> None:
    """Write a message as JSON or text; a full disk under stderr does not fail the command."""
    if not logs.told_as_json(level, message, **fields):
        with suppress(OSError):
            # Outside every task's context: a signal may arrive while a task runs in this thread.
            Context().run(typer.echo, styled, err=True)


def show_log(log: InstanceLog) -> None:
    """Print an attempt's output, each line after the instance's name, or as one line of JSON."""
    fields = {"flow_run": log.flow_run, "task": log.node, "key": log.key, "attempt": log.attempt}
    if not logs.told_as_json(logging.INFO, "said", **fields, text=log.text):
        for line in named_lines(log):
            say(line)


def close() -> None:
    """Drop output that could not be written, so that Python does not exit with 120."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def report(line: str = "") -> None:
    """Print one line of a report on stdout."""
    typer.echo(visible_lines(line))


def clear() -> None:
    """Clear the terminal; in a pipe, print an empty line."""
    typer.echo("\x1b[2J\x1b[H" if sys.stdout.isatty() else "")


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on stdout: drawn on a terminal, aligned and complete in a pipe."""
    drawn = sys.stdout.isatty()
    # In a pipe a row is one line; on a terminal a cell may have several.
    shown = visible_lines if drawn else visible
    columns = [shown(column) for column in columns]
    texts = [["" if cell is None else shown(str(cell)) for cell in row] for row in rows]
    if drawn:
        _draw(columns, texts)
        return
    widths = [max(map(len, column)) for column in zip(columns, *texts, strict=True)]
    for row in [columns, *texts]:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        report("  ".join(cells).rstrip())


def as_json(content: Any) -> None:
    """Print the whole report as one JSON document on stdout; records become dicts."""
    from pydantic_core import to_jsonable_python  # late: --help does not need it

    jsonable = to_jsonable_python(content, inf_nan_mode="null", fallback=str)
    typer.echo(visible_json(json.dumps(jsonable, indent=2, ensure_ascii=False)))


def moment(seconds: float | None) -> str:
    """Return a time in this machine's time zone, for people."""
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def duration(seconds: float | None) -> str:
    """Return a duration for people: `0.4 s`, `2 min 5 s`, `1 h 3 min`."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes} min {left} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def one_line(text: str | None, longest: int = _LONGEST_CELL) -> str:
    """Return the first line of a text for a table cell, shortened if it is long."""
    first, _, rest = (text or "").strip().partition("\n")
    if len(first) > longest:
        return f"{first[: longest - 4].rstrip()} ..."
    return f"{first} ..." if rest.strip() else first


def counts(by_state: Mapping[str, int]) -> str:
    """Return counts by state on one line: `5 success, 1 failed`."""
    return ", ".join(f"{number:,} {state}" for state, number in by_state.items()) or "none"


@contextmanager
def stdout_for_report_only(*, when: bool = True) -> Iterator[None]:
    """Send everything that tasks and worker processes print within the block to stderr."""
    if not when:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _draw(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    # rich is imported for terminals only: pipes do not need it
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(header_style="bold", show_edge=False)
    for number, column in enumerate(columns):
        # The first column names the row and gets copied from the screen: it is not wrapped.
        drawn.add_column(column, overflow="fold", no_wrap=number == 0)
    for row in rows:
        drawn.add_row(*map(Text, row))  # as Text, so that brackets are not read as markup
    Console().print(drawn)
