"""Printing of a plan, or of one customer's part of it, as text and JSON.

Touches no library; takes a `Plan` or a `Why`; prints; runs on the driver.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from orchestrator.cli.rendering.differences import show_changes, show_set_aside
from orchestrator.cli.rendering.output import counts, duration, table
from orchestrator.cli.rendering.output import report as line
from orchestrator.cli.rendering.reports import champion_row

if TYPE_CHECKING:
    from orchestrator.pipeline.estimate import Estimate
    from orchestrator.pipeline.explanation import Why
    from orchestrator.pipeline.plan import Plan, Share

_REASONS = {
    "new": "being new",
    "never succeeded": "never having succeeded",
    "unversioned": "data without a version (a worker loads it to see whether it changed)",
}
"""Texts of the reasons that are not simply the changed parts."""


def show_plan(plan: "Plan") -> None:
    """Print what a run would do."""
    line(f"registry: {plan.source}, snapshot {plan.snapshot[:12]}")
    show_changes(plan.changes)
    show_set_aside(plan.rejected)
    new = plan.studies - plan.reused
    line(
        f"\n{plan.customers} customers, {plan.studies} studies: {plan.reused} unchanged and "
        f"reused, {new} to train with {_trials(plan)}"
    )
    if plan.rescored:
        line(
            f"  at most {plan.rescored} champions to score again: they are not candidates any more"
        )
    for reason, number in plan.reasons.items():
        line(f"  to train because of {_REASONS.get(reason, reason)}: {number}")
    _show_shares("model", plan.by_model)
    _show_shares("customers", plan.by_group)
    if expected := _duration(plan):
        line(f"\n{expected}, estimated from earlier runs")
    line("\nwould be written at most: " + counts(plan.writes))
    for note in plan.notes:
        line(f"\nnote: {note}")
    for guard, reason in plan.accepted.items():
        line(f"\naccepted: {reason} (--accept {guard})")
    for guard, reason in plan.refusals.items():
        line(
            f"\na run would be refused: {reason} (accept it by `orchestrator run --accept {guard}`)"
        )


def plan_as_json(plan: "Plan") -> dict[str, Any]:
    """Return the whole plan as JSON values."""
    return asdict(plan)


def show_why(why: "Why") -> None:
    """Print what a run would do for one customer."""
    line(f"{why.customer} is {why.state}" + (f": {why.note}" if why.note else ""))
    if why.champion is None:
        line("no model serves it yet")
    else:
        served = why_as_json(why)["champion"]
        left = "" if why.model_listed else ", a model that left the registry"
        line(
            f"served by {served['registered_model']} v{served['version']} since {served['since']}: "
            f"{served['model']}{left}, {served['metric']} {served['score']:.4f}"
        )
    if why.studies:
        line(f"version of its data: {why.data_version or 'known once a worker has loaded it'}\n")
        columns = ("model", "action", "reason", "trials", "best", "flow run")
        rows = [
            (
                study.model,
                study.action,
                _REASONS.get(study.reason, study.reason),
                study.trials or "",
                "" if study.best is None else f"{study.best:.4f}",
                study.flow_run,
            )
            for study in why.studies
        ]
        table(columns, rows)
        line()
    line(f"decision: {why.decision}")


def why_as_json(why: "Why") -> dict[str, Any]:
    """Return the explanation as JSON values, with the champion as a flat row."""
    whole = {name: getattr(why, name) for name in why.__dataclass_fields__}
    whole["studies"] = [asdict(study) for study in why.studies]
    if why.champion is not None:
        whole["champion"] = champion_row(why.champion)
    return whole


def _show_shares(what: str, shares: "Sequence[Share]") -> None:
    if not shares:
        return
    line()
    columns = (what, "customers", "studies", "reused", "trials")
    table(columns, [(s.name, s.customers, s.studies, s.reused, s.trials) for s in shares])


def _trials(plan: "Plan") -> str:
    """Return the number of trials, as a range if only loading the data can decide it."""
    if plan.least_trials == plan.trials:
        return f"{plan.trials:,} trials"
    return (
        f"{plan.least_trials:,} to {plan.trials:,} trials (a worker loads data that has no "
        "version, and may find it unchanged)"
    )


def _duration(plan: "Plan") -> str:
    """Return the estimated duration, as a range if its bounds differ."""
    most, least = _estimate(plan.estimate), _estimate(plan.least)
    if plan.least_trials == plan.trials or not least or not most:
        return most
    return f"at least {least.removeprefix('about ')}, at most {most.removeprefix('about ')}"


def _estimate(found: "Estimate") -> str:
    """Return the estimated duration; "" if no comparable trial was ever recorded."""
    if found.fits is None:
        return ""
    cores = "1 core" if found.cores in {None, 1} else f"{found.cores} cores"
    if found.duration is None:
        return f"about {duration(found.fits)} of fits on one core" if found.fits else ""
    return f"about {duration(found.duration)} on {cores} ({duration(found.fits)} of fits)"
