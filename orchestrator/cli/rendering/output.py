"""What a command shows: tables for people, aligned text for pipes, JSON for machines.

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
    """A message for people, on stderr; with `--log-json` a line of JSON among others."""
    _tell(logging.INFO, message, visible_lines(redacted(message)))


def complain(problem: str, exit_code: int) -> None:
    """What went wrong, and what the command therefore ends with; marked on a terminal."""
    styled = f"{typer.style('error:', fg='red', bold=True)} {visible_lines(problem)}"
    _tell(logging.ERROR, problem, styled, exit_code=exit_code)


def _tell(level: int, message: str, styled: str, **fields: Any) -> None:
    """Say it as was asked for; a full disk under stderr changes nothing of what a command does."""
    if not logs.told_as_json(level, message, **fields):
        with suppress(OSError):
            # Outside every task's context: a signal may come while one runs in this thread.
            Context().run(typer.echo, styled, err=True)


def show_log(log: InstanceLog) -> None:
    """What an attempt said, each line by the instance's name; or one line of JSON of it all."""
    fields = {"flow_run": log.flow_run, "task": log.node, "key": log.key, "attempt": log.attempt}
    if not logs.told_as_json(logging.INFO, "said", **fields, text=log.text):
        for line in named_lines(log):
            say(line)


def close() -> None:
    """Give up what could not be said until the command's end, lest Python exit with 120 for it."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def report(line: str = "") -> None:
    """One line of a report, on stdout."""
    typer.echo(visible_lines(line))


def clear() -> None:
    """Begin anew at the top of a terminal; in a pipe, after an empty line."""
    typer.echo("\x1b[2J\x1b[H" if sys.stdout.isatty() else "")


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on stdout: drawn on a terminal, aligned and uncut in a pipe."""
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
    """The whole report as one JSON document on stdout; records become dicts."""
    from pydantic_core import to_jsonable_python  # late: --help need not wait for it

    jsonable = to_jsonable_python(content, inf_nan_mode="null", fallback=str)
    typer.echo(visible_json(json.dumps(jsonable, indent=2, ensure_ascii=False)))


def moment(seconds: float | None) -> str:
    """A time as people read it, in this machine's zone."""
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def duration(seconds: float | None) -> str:
    """How long something took: `0.4 s`, `2 min 5 s`, `1 h 3 min`."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes} min {left} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def one_line(text: str | None, longest: int = _LONGEST_CELL) -> str:
    """A text for a cell of a table: its first line, shortened where it is long."""
    first, _, rest = (text or "").strip().partition("\n")
    if len(first) > longest:
        return f"{first[: longest - 4].rstrip()} ..."
    return f"{first} ..." if rest.strip() else first


def counts(by_state: Mapping[str, int]) -> str:
    """Numbers by state in one line: `5 success, 1 failed`."""
    return ", ".join(f"{number:,} {state}" for state, number in by_state.items()) or "none"


@contextmanager
def stdout_for_report_only(*, when: bool = True) -> Iterator[None]:
    """What tasks print meanwhile goes to stderr, that of worker processes they start included."""
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
    # rich is imported for terminals only: pipes need not wait for it
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(header_style="bold", show_edge=False)
    for number, column in enumerate(columns):
        # The first one names the row, and is copied from the screen: it stays in one piece.
        drawn.add_column(column, overflow="fold", no_wrap=number == 0)
    for row in rows:
        drawn.add_row(*map(Text, row))  # as Text, so that brackets are no markup
    Console().print(drawn)
