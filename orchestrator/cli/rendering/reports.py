"""Printing of reports, status and history, as text and JSON.

Touches no library; takes records of `orchestrator.pipeline`; prints; runs on the driver.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orchestrator.cli.rendering.differences import in_short, show_events, show_set_aside
from orchestrator.cli.rendering.output import counts, duration, moment, one_line, table
from orchestrator.cli.rendering.output import report as line

if TYPE_CHECKING:
    from orchestrator.ledger import Champion, FieldChange
    from orchestrator.pipeline.report import Report
    from orchestrator.records import Promotion
    from orchestrator.reports.status import CustomerStatus, Life

_MOST_ROWS = 10


def show_report(report: "Report") -> None:
    """Print the result of a run."""
    show_events(report.changes)
    show_set_aside(report.rejected)
    line()
    table(("flow run", report.flow_run.id), _summary(report))
    _show_failures(report)
    _show_unserved(report)
    if report.promotions:
        shown = min(len(report.promotions), _MOST_ROWS)
        line(f"\npromotions ({shown} of {len(report.promotions)}; all: orchestrator status)")
        table(*_promotions(report))
    for note in report.notes:
        line(f"\nnote: {note}")
    if report.links:
        line("\nin MLflow (start its page with: orchestrator ui)")
    for name, link in report.links.items():
        line(f"  {name}: {link}")


def _show_failures(report: "Report") -> None:
    """Print the most frequent reasons, and the number of further failures."""
    if not report.failures:
        return
    shown, left = report.failures[:_MOST_ROWS], report.failures[_MOST_ROWS:]
    line("\nfailures")
    table(("times", "reason", "first"), [(f.count, one_line(f.reason), f.first) for f in shown])
    if left:
        times = sum(failure.count for failure in left)
        line(f"and {times:,} failures for {len(left):,} rarer reasons; --json has them all")


def _show_unserved(report: "Report") -> None:
    """Print every customer without a model; reasons may be shortened, customers never are."""
    if not report.unserved:
        return
    by_reason: dict[str, list[str]] = {}
    for each in report.unserved:
        by_reason.setdefault(one_line(each.reason), []).append(each.customer)
    line(f"\ncustomers without a model: {len(report.unserved):,}")
    for reason, customers in by_reason.items():
        line(f"  {', '.join(customers)}: {reason}")


def report_as_json(report: "Report") -> dict[str, Any]:
    """Return the report as JSON values, with promotions as short rows."""
    whole = {name: getattr(report, name) for name in report.__dataclass_fields__}
    records = ("flow_run", "changes")
    whole |= {name: asdict(whole[name]) for name in records}
    whole["rejected"] = [asdict(row) for row in report.rejected]
    whole["failures"] = [asdict(failure) for failure in report.failures]
    whole["unserved"] = [asdict(each) for each in report.unserved]
    whole["tolerated"] = report.tolerated
    columns, rows = _promotions(report, most=None)
    whole["promotions"] = [dict(zip(columns, row, strict=True)) for row in rows]
    return whole


def show_standings(found: Sequence["CustomerStatus"], at: float | None = None) -> None:
    """Print the customers with the models that serve them.

    Args:
        found: The status of each customer.
        at: The time of the status, in epoch seconds; None is now.
    """
    if not found and at is not None:
        line(f"no customer was listed, and none served, at {moment(at)}")
        return
    if not found:
        line("no customer is known yet; begin with: orchestrator run")
        return
    rows = []
    for standing in map(standing_row, found):
        if standing["model"] is None:
            rows.append((standing["customer"], standing["state"], "none", "", "", ""))
            continue
        left = "" if standing["model_listed"] else " (left the registry)"
        rows.append(
            (
                standing["customer"],
                standing["state"],
                f"{standing['model']}{left}",
                f"{standing['score']:.4f}",
                f"{standing['registered_model']} v{standing['version']}",
                standing["since"],
            )
        )
    table(("customer", "state", "champion", "score", "version", "since"), rows)


def standing_row(standing: "CustomerStatus") -> dict[str, Any]:
    """Return one customer's status as a flat row."""
    row = standing.row()
    return row if standing.champion is None else {**row, **champion_row(standing.champion)}


def champion_row(champion: "Champion") -> dict[str, Any]:
    """Return a customer's champion as a flat row."""
    from orchestrator.reports.status import served_by  # late: --help does not need it

    return {**served_by(champion), "since": moment(champion.at)}


def version_of(promotion: "Promotion") -> str:
    """Return the version that a promotion made the champion, for people."""
    deployed = promotion.deployed_version
    return f"{deployed.model_name} v{deployed.version}"


def show_life(life: "Life") -> None:
    """Print the history of a customer or a model, in order of time."""
    line(f"{life.kind} {life.key}")
    for event in life_as_json(life)["events"]:
        line(f"  {event['at']}  {event['what']}")


def life_as_json(life: "Life") -> dict[str, Any]:
    """Return the events with their times, and each period with its whole row, as JSON values."""
    periods = list(zip(life.periods, life.changes, strict=True))
    events = [
        (period.start, f"{period.event} ({_until(period.end)}){_fields(changes)}")
        for period, changes in periods
    ]
    for run in life.flow_runs:
        best = "" if run.score is None else f", best {run.best} with {run.score:.4f}"
        failed = f", {run.failed} failed ({run.failure})" if run.failed else ""
        events.append((run.at, f"flow run {run.flow_run}: {run.trials} trials{failed}{best}"))
    for promotion in life.promotions:
        customer, reason = promotion.decision.customer.id, promotion.decision.reason
        version = version_of(promotion)
        events.append((promotion.at, f"champion of {customer}: {version} ({reason})"))
        events += [
            (promotion.at, f"could not be deployed: {each.trial} ({one_line(each.reason)})")
            for each in promotion.passed_over
        ]
    return {
        "kind": life.kind,
        "key": life.key,
        "events": [{"at": moment(at), "what": what} for at, what in sorted(events)],
        "periods": [
            {
                "from": moment(period.start),
                "to": moment(period.end) or None,
                "event": period.event,
                "state": period.state,
                "snapshot": period.snapshot,
                "changed": {c.field: {"old": c.old, "new": c.new} for c in changes},
                "row": asdict(period.row),
            }
            for period, changes in periods
        ],
    }


def _fields(changes: "Sequence[FieldChange]") -> str:
    told = [f"{c.field} {in_short(c.old)} -> {in_short(c.new)}" for c in changes]
    return f": {', '.join(told)}" if told else ""


def _summary(report: "Report") -> list[tuple[str, str]]:
    return [
        ("state", _state(report)),
        ("customers", f"{report.customers} worked on, {report.served} of them served"),
        ("studies", counts(report.studies)),
        ("trials", _trials(report.trials)),
        ("instances", _instances(report.flow_run.counts)),
        ("promotions", str(len(report.promotions))),
        ("time", f"{duration(report.seconds)} ({duration(report.fit_seconds)} of fits)"),
    ]


def _state(report: "Report") -> str:
    """Return the state of the flow run; it is not `success` if too much failed."""
    if report.flow_run.state == "success" and report.objections:
        return "ended, with more failures than `tolerance` allows"
    return report.flow_run.state


def _trials(by_state: Mapping[str, int]) -> str:
    """Return the trials by state on one line; rare states are left out if there are none."""
    said = {"success": "succeeded", "pruned": "pruned", "failed": "failed"}
    said |= {"timed_out": "timed out", "reused": "reused"}
    always = {"success", "failed", "reused"}
    return ", ".join(
        f"{by_state.get(state, 0)} {word}"
        for state, word in said.items()
        if state in by_state or state in always
    )


def _instances(by_state: Mapping[str, int]) -> str:
    """Return the number of expected instances, and their numbers by state (law 2)."""
    return f"{sum(by_state.values())} expected = {counts(by_state).replace(', ', ' + ')}"


def _promotions(
    report: "Report", most: int | None = _MOST_ROWS
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    rows: list[tuple[str, ...]] = []
    for promotion in report.promotions[:most]:
        best = promotion.decision.best
        if best is not None:
            study = best.trial.study
            score = f"{best.mean(study.evaluation.metric):.4f}"
            version = version_of(promotion)
            customer, reason = promotion.decision.customer.id, promotion.decision.reason
            rows.append((customer, study.model.id, score, version, reason))
    return ("customer", "model", "score", "version", "reason"), rows


def _until(end: float | None) -> str:
    return "until now" if end is None else f"until {moment(end)}"
