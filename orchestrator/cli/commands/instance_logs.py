"""The command `logs`: the prints, log records and warnings of the attempts of instances.

Touches typer; takes arguments; gives text; driver.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator import keys
from orchestrator.cli.options import Config, FlowRunId, Json, Key, OfTask
from orchestrator.cli.rendering.output import as_json, report, say
from orchestrator.errors import UsageError
from orchestrator.escapes import visible
from orchestrator.records import (
    ExperimentRun,
    FileRun,
    FlowRun,
    InstanceLog,
    InstanceRecord,
    Logs,
    State,
)

if TYPE_CHECKING:
    from orchestrator.ledger import Ledger

_MOST_TITLES = 20
"""The most instances named above an error that they share."""

_WHY = {
    "failed": "only the output of failed attempts is kept; --keep-logs all keeps every attempt's",
    "none": "the output of tasks is not kept (`logs: {keep: none}`)",
    "all": "its tasks printed and logged nothing",
}


def logs(
    flow_run: FlowRunId,
    *,
    task: OfTask = None,
    key: Key = None,
    grep: Annotated[
        str | None,
        typer.Option(
            "--grep",
            metavar="REGEX",
            help="Only lines that match this regular expression.",
            show_default=False,
        ),
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Show the prints, log records, warnings and errors of a flow run's tasks.

    The output of failed attempts is kept, unless `logs:` or --keep-logs says otherwise.

    Example: orchestrator logs latest --key AA-DFW

    Example: orchestrator logs latest --task evaluate --grep Warning
    """
    from orchestrator.cli.settings import place  # late: brings pydantic and SQLAlchemy
    from orchestrator.ledger import Ledger

    with Ledger.look(place(config).ledger) as ledger:
        run = ledger.flow_runs.get(flow_run)
        found = ledger.logs.of(run.id, task=task, key_pattern=key)
        failed = ledger.flow_runs.instances(
            run.id, task=task, state=State.FAILED, key_pattern=key, limit=None
        )
        wanted = list(_matching(found, grep))
        if json:
            as_json([asdict(log) for log in wanted])
        elif wanted:
            _show(wanted, [] if grep else failed)
        else:
            _show_errors([] if grep else failed)
        if not wanted:
            besides = "besides these errors, " if failed and not grep and not json else ""
            why = _why_nothing(run, ledger, task=task, key=key, grep=grep if found else None)
            say(f"{besides}{why}")


def _matching(found: Sequence[InstanceLog], grep: str | None) -> Iterator[InstanceLog]:
    """Yield the logs, with only the lines that match the regular expression."""
    try:
        pattern = re.compile(grep or "")
    except re.error as error:
        raise UsageError(f"--grep {grep!r} is not a regular expression: {error}") from error
    for log in found:
        lines = [line for line in log.text.splitlines() if pattern.search(line)]
        if lines:
            yield InstanceLog(**{**asdict(log), "text": "".join(f"{line}\n" for line in lines)})


def _show(wanted: Sequence[InstanceLog], failed: Sequence[InstanceRecord]) -> None:
    """Print each attempt under its name, and the error after an instance's last attempt."""
    errors = {(one.node, one.key): one.error for one in failed}
    shown: dict[str, str] = {}
    for number, log in enumerate(wanted):
        report(f"{_title(log.node, log.key)}, attempt {log.attempt}")
        for line in log.text.splitlines():
            report(f"  {line}")
        following = wanted[number + 1] if number + 1 < len(wanted) else None
        same = following is not None and (following.node, following.key) == (log.node, log.key)
        error = None if same else errors.pop((log.node, log.key), None)
        if error in shown:
            report(f"  failed as {shown[error]} did")
        elif error:
            _show_error(error)
            shown[error] = _title(log.node, log.key)
    _show_errors([one for one in failed if (one.node, one.key) in errors])


def _show_errors(failed: Sequence[InstanceRecord]) -> None:
    """Print the errors of failed instances without any output; equal errors once."""
    by_error: dict[str, list[InstanceRecord]] = {}
    for one in failed:
        by_error.setdefault(one.error or "", []).append(one)
    for error, those in by_error.items():
        for one in those[:_MOST_TITLES]:
            report(f"{_title(one.node, one.key)}, attempt {one.tries}")
        if len(those) > _MOST_TITLES:
            report(f"and {len(those) - _MOST_TITLES:,} more; `orchestrator instances` lists them")
        _show_error(error)


def _show_error(error: str) -> None:
    report("  failed:")
    for line in error.splitlines():
        report(f"    {line}")


def _title(node: str, key: str) -> str:
    return visible(f"{node} {keys.readable(key)}" if key else node)


def _why_nothing(
    run: FlowRun, ledger: "Ledger", *, task: str | None, key: str | None, grep: str | None
) -> str:
    """Return the reason why no line is shown."""
    if grep is not None:
        return f"no kept line of flow run {run.id} matches {grep!r}"
    if not ledger.flow_runs.instances(run.id, task=task, key_pattern=key, limit=1):
        return (
            f"no instance of flow run {run.id} matches; `orchestrator instances {run.id}` lists "
            "them"
        )
    origin = run.origin
    kept = (origin.logs if isinstance(origin, ExperimentRun | FileRun) else Logs()).keep
    return f"no output of these instances of flow run {run.id} was kept: {_WHY[kept]}"
