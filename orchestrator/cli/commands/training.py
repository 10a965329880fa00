"""Commands about the experiment of the configuration: plan, why, run, sync, status, history.

Touches typer; each command opens what it needs, prints, and gives an exit code; driver.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from orchestrator.api.interrupts import EXIT_INTERRUPTED, stopping_on_interrupt
from orchestrator.cli.flow_runs.run_options import RunOptions
from orchestrator.cli.flow_runs.watching import watching
from orchestrator.cli.options import Accept, Config, Json
from orchestrator.cli.rendering import output, plans, reports
from orchestrator.errors import MachineryError, UsageError

if TYPE_CHECKING:
    from orchestrator.api.experiment import Experiment
    from orchestrator.pipeline.report import Report


def plan(*, accept: Accept = None, config: Config = None, as_json: Json = False) -> None:
    """Show what a run would do now, without doing or writing anything.

    Example: orchestrator plan --config orchestrator.yaml

    Example: orchestrator plan --accept max_removed
    """
    from orchestrator.api.experiment import Experiment  # late: the rest of the program

    with output.stdout_for_report_only(when=as_json):
        planned = Experiment.from_file(config).plan(accept=accept or ())
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
    from orchestrator.api.experiment import Experiment  # late: the rest of the program

    with output.stdout_for_report_only(when=as_json):
        found = Experiment.from_file(config).why(customer, accept=accept or ())
    if as_json:
        output.as_json(plans.why_as_json(found))
    else:
        plans.show_why(found)


def run_experiment(manner: RunOptions, *, fresh: bool = False, accept: Sequence[str] = ()) -> int:
    """Train, track, select and deploy as configured, and return the exit code."""
    from orchestrator.api.experiment import Experiment  # late: the rest of the program

    experiment = Experiment.from_file(manner.config)
    return carry_out_experiment(
        experiment,
        lambda watched: experiment.run(fresh=fresh, accept=accept, **watched),
        manner,
    )


def carry_out_experiment(
    experiment: "Experiment", execute: Callable[[dict[str, Any]], "Report"], manner: RunOptions
) -> int:
    """Run or resume an experiment, print its report, and return the exit code.

    Args:
        experiment: The experiment to run.
        execute: Runs it, given the options of `Experiment.run` that `manner` has.
        manner: The options of the command.
    """
    grace = experiment.settings.grace if manner.grace is None else manner.grace
    with (
        output.stdout_for_report_only(when=manner.as_json),
        stopping_on_interrupt(grace, output.say) as stop,
        watching(manner, experiment.name, experiment.settings.ledger) as observer,
    ):
        report = execute(
            {
                "force": manner.force,
                "grace": manner.grace,
                "keep_logs": manner.keep_logs,
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
    """Return the exit code; if it is not 0, print the reason as the last line."""
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
    from orchestrator.api.experiment import Experiment  # late: the rest of the program

    with output.stdout_for_report_only(when=as_json):
        sent = Experiment.from_file(config).sync(to_new=to_new_mlflow, say=output.say)
    if as_json:
        output.as_json({"trials": sent.trials, "promotions": sent.promotions})
    else:
        output.report(f"sent {sent.trials} trials and {sent.promotions} promotions")


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
    from orchestrator.api.experiment import Experiment  # late: the rest of the program

    when = None if at is None else moment_of(at, "--at")
    found = Experiment.from_file(config).status(at=when)
    left = found.unfinished
    if left is not None and left.state == "running":
        output.say(f"flow run {left.id} is under way")
    elif left is not None:
        output.say(f"flow run {left.id} was interrupted; go on with: orchestrator resume {left.id}")
    if as_json:
        output.as_json([reports.standing_row(standing) for standing in found.customers])
    else:
        reports.show_standings(found.customers, found.at)


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
    from orchestrator.api.experiment import Experiment  # late: the rest of the program

    kind: Literal["customer", "model"] | None = None
    if customer or model:
        kind = "customer" if customer else "model"
    found = Experiment.from_file(config).history(key, kind=kind)
    if as_json:
        output.as_json(reports.life_as_json(found))
    else:
        reports.show_life(found)


def moment_of(text: str, option: str) -> datetime:
    """Return a time in UTC; a text without a time zone is in local time.

    Args:
        text: The typed text, such as 2026-03-01T00:00.
        option: The option that the text was given to, for the message.

    Raises:
        UsageError: The text is not a time.
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise UsageError(f"{option} {text!r} is not a moment; write 2026-03-01T00:00") from None
