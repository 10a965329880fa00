"""The commands `runs` and `instances`: what the ledger knows of flow runs.

Touches typer; takes arguments; gives tables; driver.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from orchestrator.cli.options import Config, FlowRunId, Json, Key, Limit, OfState, OfTask
from orchestrator.cli.output import as_json, counts, duration, moment, report, say, table
from orchestrator.records import FlowRun, InstanceRecord

if TYPE_CHECKING:
    from orchestrator.ledger import Ledger


def runs(*, limit: Limit = 20, config: Config = None, json: Json = False) -> None:
    """List the last flow runs, latest first.

    Example: orchestrator runs --limit 5
    """
    with _ledger(config) as ledger:
        listed = ledger.flow_runs.list(limit)
    if json:
        as_json(listed)
    elif listed:
        _show_flow_runs(listed)
    else:
        report("no flow has run yet; begin with: orchestrator run")


def instances(
    flow_run: FlowRunId,
    *,
    task: OfTask = None,
    state: OfState = None,
    key: Key = None,
    limit: Limit = 100,
    config: Config = None,
    json: Json = False,
) -> None:
    """List a flow run's instances; one that --key names exactly is shown in full.

    Example: orchestrator instances latest --state failed

    Example: orchestrator instances latest --task choose --key AA-DFW
    """
    with _ledger(config) as ledger:
        found = ledger.flow_runs.instances(
            flow_run, task=task, state=state, key_pattern=key, limit=limit
        )
    if json:
        as_json([_row(instance) for instance in found])
    elif len(found) == 1 and found[0].key == key:
        _show_in_full(found[0])
    else:
        _show_instances(found)
        if len(found) == limit:
            say(f"the first {limit:,}; see more with --limit")


def _show_flow_runs(listed: Sequence[FlowRun]) -> None:
    rows = [
        (
            run.id,
            run.flow,
            run.state,
            moment(run.started),
            duration(_between(run.started, run.ended)),
            counts(run.counts),
        )
        for run in listed
    ]
    table(("id", "flow", "state", "started", "took", "instances"), rows)


def _show_instances(found: Sequence[InstanceRecord]) -> None:
    from orchestrator.cli.summary import reason  # late, as the ledger

    rows = [
        (
            one.node,
            one.key,
            one.state,
            one.tries,
            duration(_between(one.started, one.ended)),
            one.worker,
            one.arguments,
            reason(one.error),
        )
        for one in found
    ]
    table(("task", "key", "state", "tries", "took", "worker", "arguments", "error"), rows)


def _show_in_full(instance: InstanceRecord) -> None:
    shown = _row(instance) | {
        "started": moment(instance.started),
        "ended": moment(instance.ended),
        "took": duration(_between(instance.started, instance.ended)),
    }
    error = shown.pop("error")
    for name, value in shown.items():
        report(f"{name + ':':<12} {'' if value is None else value}".rstrip())
    if error:
        report(f"\n{error}")


def _between(started: float | None, ended: float | None) -> float | None:
    return None if started is None or ended is None else ended - started


def _row(instance: InstanceRecord) -> dict[str, object]:
    """Its fields, but the value: it is not read back, for it may be anything."""
    row = asdict(instance)
    del row["value"]
    return row


def _ledger(config: str | None) -> "Ledger":
    # Configuration and ledger bring pydantic and SQLAlchemy, which --help need not wait for.
    from orchestrator.cli.settings import place
    from orchestrator.ledger import Ledger

    return Ledger.open(place(config).ledger)
