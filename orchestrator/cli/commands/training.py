"""Commands about the experiment of the configuration: plan, why, run, sync, status, history.

Touches typer; each command opens what it needs, prints, and gives an exit code; driver.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.cli.flow_runs.interrupts import EXIT_INTERRUPTED, stopping_on_interrupt
from orchestrator.cli.flow_runs.run_options import RunOptions
from orchestrator.cli.flow_runs.watching import watching
from orchestrator.cli.options import Accept, Config, Json
from orchestrator.cli.rendering import output, plans, reports
from orchestrator.errors import MachineryError, UsageError

if TYPE_CHECKING:
    from orchestrator.pipeline.report import Report
    from orchestrator.settings import Experiment


def plan(*, accept: Accept = None, config: Config = None, as_json: Json = False) -> None:
    """Show what a run would do now, without doing or writing anything.

    Example: orchestrator plan --config configs/flights.yaml

    Example: orchestrator plan --accept max_removed
    """
    from orchestrator.cli.settings import configured  # late: the rest of the program
    from orchestrator.pipeline.plan import plan as make_plan

    with output.stdout_for_report_only(when=as_json):
        planned = make_plan(configured(config), accept or ())
    if as_json:
        output.as_json(plans.plan_as_json(planned))
    else:
        plans.show_plan(planned)


def why(
    customer: Annotated[str, typer.Argument(help="A customer's id.")],
    *,
    accept: Accept = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Explain one customer: what a run would train or reuse and why, and what serves it now.

    Example: orchestrator why AA-LAX
    """
    from orchestrator.cli.settings import configured  # late: the rest of the program
    from orchestrator.pipeline.explanation import why as explain

    with output.stdout_for_report_only(when=as_json):
        found = explain(configured(config), customer, accept or ())
    if as_json:
        output.as_json(plans.why_as_json(found))
    else:
        plans.show_why(found)


def run_experiment(manner: RunOptions, *, fresh: bool = False, accept: Sequence[str] = ()) -> int:
    """Train, track, select and deploy, as the configuration says; gives the exit code."""
    from orchestrator.cli.settings import configured  # late: the rest of the program
    from orchestrator.pipeline.pipeline import run

    experiment = configured(manner.config)
    if manner.grace is not None:
        experiment = replace(experiment, grace=manner.grace)
    if manner.keep_logs is not None:
        experiment = replace(experiment, logs=replace(experiment.logs, keep=manner.keep_logs))
    return carry_out_experiment(
        experiment,
        lambda watched: run(experiment, fresh=fresh, accept=accept, **watched),
        manner,
    )


def carry_out_experiment(
    experiment: "Experiment", execute: Callable[[dict[str, Any]], "Report"], manner: RunOptions
) -> int:
    """Have an experiment run, watched and interruptible, and report; gives the exit code.

    Args:
        experiment: Which.
        execute: Runs it, given `force`, `observer`, `stop`, `say` and `on_log`.
        manner: How.
    """
    with (
        output.stdout_for_report_only(when=manner.as_json),
        stopping_on_interrupt(experiment.grace) as stop,
        watching(manner, experiment.name, experiment.ledger) as observer,
    ):
        report = execute(
            {
                "force": manner.force,
                "observer": observer,
                "stop": stop,
                "say": output.say,
                "on_log": output.show_log if manner.logs else None,
            }
        )
    if manner.as_json:
        output.as_json(reports.report_as_json(report))
    else:
        reports.show_report(report)
    return _exit_code(report)


def _exit_code(report: "Report") -> int:
    """The command's exit code; where it is another than 0, the last line says why."""
    if report.flow_run.state == "interrupted":
        output.say(f"interrupted; continue with: orchestrator resume {report.flow_run.id}")
        return EXIT_INTERRUPTED
    if report.objections:
        output.complain("; ".join(report.objections), 1)
        return 1
    if report.behind:
        output.complain(report.behind, MachineryError.exit_code)
        return MachineryError.exit_code
    return 0


def sync(
    *,
    to_new_mlflow: Annotated[
        bool,
        typer.Option(
            "--to-new-mlflow",
            help="`tracking.uri` was changed on purpose: send all trials again, then fit, write "
            "and register every champion there. The old MLflow is left alone.",
        ),
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Send MLflow what the ledger has and MLflow lacks; safe to repeat.

    Example: orchestrator sync

    Example: orchestrator sync --to-new-mlflow
    """
    from orchestrator.cli.settings import configured  # late: the rest of the program
    from orchestrator.promotion.sync import sync as send
    from orchestrator.promotion.transfer import to_new_mlflow as send_all

    with output.stdout_for_report_only(when=as_json):
        experiment = configured(config)
        if to_new_mlflow:
            sent = send_all(experiment, output.say)
            trials, promotions = sent.trials, sent.promotions
        else:
            trials, promotions = send(experiment)
    if as_json:
        output.as_json({"trials": trials, "promotions": promotions})
    else:
        output.report(f"sent {trials} trials and {promotions} promotions")


def status(
    *,
    config: Config = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="MOMENT", help="For instance 2026-03-01T00:00; by default now."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List every customer with the model that serves it.

    Example: orchestrator status --at 2026-03-01T00:00
    """
    from orchestrator.cli.settings import configured  # late: the rest of the program
    from orchestrator.ledger import Ledger
    from orchestrator.reports.status import standings

    experiment = configured(config)
    with Ledger.find(experiment.ledger) as ledger:
        when = None if at is None else epoch(at, "--at")
        found = standings(ledger, when)
        left = ledger.flow_runs.left_unfinished(experiment.name)
    if left is not None and left.state == "running":
        output.say(f"flow run {left.id} is under way")
    elif left is not None:
        output.say(f"flow run {left.id} was interrupted; go on with: orchestrator resume {left.id}")
    if as_json:
        output.as_json([reports.standing_row(standing) for standing in found])
    else:
        reports.show_standings(found, when)


def history(
    key: Annotated[str, typer.Argument(help="A customer's or a model's id.")],
    *,
    customer: Annotated[bool, typer.Option("--customer", help="The id is a customer's.")] = False,
    model: Annotated[bool, typer.Option("--model", help="The id is a model's.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Tell the life of one customer or model: its periods, trials and champions.

    Of an id that both a customer and a model have, it tells the customer's unless --model is given.

    Example: orchestrator history AA-LAX
    """
    if customer and model:
        raise UsageError("--customer or --model: give one of the two")
    from orchestrator.cli.settings import configured  # late: the rest of the program
    from orchestrator.ledger import Ledger
    from orchestrator.reports.status import life

    with Ledger.find(configured(config).ledger) as ledger:
        found = life(ledger, key, "customer" if customer else "model" if model else None)
    if as_json:
        output.as_json(reports.life_as_json(found))
    else:
        reports.show_life(found)


def epoch(text: str, option: str) -> float:
    """A moment in local time, unless it names its zone, as epoch seconds.

    Raises:
        UsageError: It is none; names the option it was given by.
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC).timestamp()
    except ValueError:
        raise UsageError(f"{option} {text!r} is not a moment; write 2026-03-01T00:00") from None
