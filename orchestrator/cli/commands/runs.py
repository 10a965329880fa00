"""The commands `runs` and `instances`: the flow runs that the ledger has recorded.

Touches typer; takes arguments; gives tables; driver.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.api.interrupts import told_of_interrupts
from orchestrator.cli.options import Config, FlowRunId, Json, Key, Limit, OfState, OfTask
from orchestrator.cli.rendering.output import (
    as_json,
    clear,
    counts,
    duration,
    moment,
    report,
    say,
    table,
)
from orchestrator.records import FlowRun, InstanceRecord

if TYPE_CHECKING:
    from orchestrator.ledger import Ledger

_WATCHED_EVERY = 2.0


def runs(
    *,
    limit: Limit = 20,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show them again every two seconds, until Ctrl-C.")
    ] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """List the last flow runs, latest first; of those that still run, how far they are.

    Example: orchestrator runs --limit 5

    Example: orchestrator runs --watch
    """
    if watch and json:
        raise typer.BadParameter("--watch is for people, --json for machines: give one of them")
    if not watch:
        _show_listed(*_listed(config, limit), json=json)
        return
    with told_of_interrupts() as over:
        while not over.is_set():
            listed = _listed(config, limit)
            clear()
            _show_listed(*listed, json=False)
            over.wait(_WATCHED_EVERY)


def _listed(config: str | None, limit: int) -> tuple[list[FlowRun], str]:
    """Return the last flow runs, and the address of their ledger."""
    with _ledger(config) as ledger:  # opened each time: the first flow run may create it
        listed = [_with_counts(run, ledger) for run in ledger.flow_runs.list(limit)]
        return listed, ledger.place


def _with_counts(run: FlowRun, ledger: "Ledger") -> FlowRun:
    """Return the flow run; if it has not ended, count the instances recorded so far."""
    if run.ended is not None:
        return run
    counted: Counter[str] = Counter()
    for by_state in ledger.flow_runs.counts(run.id).values():
        counted.update({str(state): number for state, number in by_state.items()})
    return replace(run, counts=dict(counted))


def _show_listed(listed: Sequence[FlowRun], ledger: str, *, json: bool) -> None:
    if json:
        as_json(listed)
    elif listed:
        _show_flow_runs(listed)
    else:
        report(f"no flow run is recorded in {ledger}; begin with: orchestrator run")


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
    with _ledger(config, must_exist=True) as ledger:
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
    from orchestrator.cli.rendering.flow_summary import reason  # late, as the ledger

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
    """Return the fields of an instance except its value, which may be any object."""
    row = asdict(instance)
    del row["value"]
    return row


def _ledger(config: str | None, *, must_exist: bool = False) -> "Ledger":
    # Configuration and ledger import pydantic and SQLAlchemy, which --help does not need.
    from orchestrator.cli.settings import place
    from orchestrator.ledger import Ledger

    address = place(config).ledger
    return Ledger.find(address) if must_exist else Ledger.look(address)
