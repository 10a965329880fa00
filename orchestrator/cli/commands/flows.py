"""The commands `run`, `resume`, `rerun` and `graph`: flows of files, and the configured experiment.

Touches typer; takes arguments; runs a flow; driver.
"""

from typing import Annotated

import typer

from orchestrator.cli.flow_runs.run_options import RunOptions
from orchestrator.cli.options import (
    Accept,
    Config,
    FlowFile,
    FlowRunId,
    Force,
    Fresh,
    Grace,
    Json,
    KeepLogs,
    Key,
    LogJson,
    MetricsPort,
    OfState,
    OfTask,
    OnCluster,
    OnClusterAgain,
    OptionalFlowFile,
    OptionalFlowRunId,
    Param,
    ShowLogs,
)
from orchestrator.cli.rendering import output
from orchestrator.records import RerunChoice


def run(
    file: OptionalFlowFile = None,
    *,
    param: Param = None,
    on_cluster: OnCluster = False,
    fresh: Fresh = False,
    accept: Accept = None,
    force: Force = False,
    grace: Grace = None,
    logs: ShowLogs = None,
    keep_logs: KeepLogs = None,
    log_json: LogJson = False,
    metrics_port: MetricsPort = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Run a flow from a file, or without one the configured experiment.

    The configured experiment uses trials that earlier runs recorded, and tasks of a FILE use their
    results where they have cache="runs"; --fresh computes everything.

    Example: orchestrator run

    Example: orchestrator run experiments/sample_repeated_mapping.py
    """
    manner = RunOptions(
        config=config,
        force=force,
        grace=grace,
        log_json=log_json,
        metrics=metrics_port,
        logs=logs,
        keep_logs=keep_logs,
        as_json=json,
    )
    # late: both import modules that --help does not need
    if file is not None:
        from orchestrator.cli.flow_runs.run_file import run_new

        if accept:
            raise typer.BadParameter("--accept is for the configured experiment, not for a FILE")
        code = run_new(file, param or [], manner, on_cluster=on_cluster, fresh=fresh)
    else:
        from orchestrator.cli.commands.training import run_experiment

        if param or on_cluster:
            raise typer.BadParameter("--param and --cluster are for the flow of a FILE")
        code = run_experiment(manner, fresh=fresh, accept=accept or [])
    raise typer.Exit(code)


def rerun(
    flow_run: FlowRunId,
    *,
    task: OfTask = None,
    state: OfState = None,
    key: Key = None,
    on_cluster: OnClusterAgain = None,
    force: Force = False,
    grace: Grace = None,
    logs: ShowLogs = None,
    keep_logs: KeepLogs = None,
    log_json: LogJson = False,
    metrics_port: MetricsPort = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Run instances of a flow run again, with what depends on them but without their siblings.

    Without --task, --state and --key: those that failed. It needs the file the flow was run from;
    if that has changed since, it says so and runs the current code. Plain calls run too, for their
    values are not stored.

    Example: orchestrator rerun latest --key 'AA-*'
    """
    from orchestrator.cli.flow_runs.resume import rerun as run_again  # late: brings the ledger

    manner = RunOptions(
        config=config,
        force=force,
        grace=grace,
        log_json=log_json,
        metrics=metrics_port,
        logs=logs,
        keep_logs=keep_logs,
        as_json=json,
    )
    choice = RerunChoice(task=task, state=state, key=key)
    raise typer.Exit(run_again(flow_run, choice, manner, on_cluster=on_cluster))


def resume(
    flow_run: OptionalFlowRunId = None,
    *,
    new_config: Annotated[
        bool,
        typer.Option(
            "--new-config",
            help="With the current configuration, or the flow's current file, where it has changed "
            "since the flow run began.",
        ),
    ] = False,
    force: Force = False,
    grace: Grace = None,
    logs: ShowLogs = None,
    keep_logs: KeepLogs = None,
    log_json: LogJson = False,
    metrics_port: MetricsPort = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Go on with a flow run that was interrupted, killed, or has failed, under its own id.

    By default the last one that has not ended. What of it has ended is not done again: at most
    what was in flight is. The registry is not asked: it goes on with the lists, the configuration
    and the decisions it began with.

    Example: orchestrator resume

    Example: orchestrator resume 20260301T0000 --new-config
    """
    from orchestrator.cli.flow_runs.resume import resume as go_on  # late: brings the ledger

    manner = RunOptions(
        config=config,
        force=force,
        grace=grace,
        log_json=log_json,
        metrics=metrics_port,
        logs=logs,
        keep_logs=keep_logs,
        as_json=json,
    )
    raise typer.Exit(go_on(flow_run, manner, use_current=new_config))


def graph(
    file: FlowFile,
    *,
    param: Param = None,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid flowchart.")] = False,
    json: Json = False,
) -> None:
    """Show a flow's graph without running it: its tasks, their numbers, what waits for what.

    A number that is known only at run time is shown as `?`.

    Example: orchestrator graph experiments/sample_repeated_mapping.py
    """
    from orchestrator.api import flow_files, parameters  # late: bring pydantic
    from orchestrator.mapping.authoring import graph as graphs

    found = flow_files.load(file)
    arguments = parameters.typed(found.flow, parameters.split(param or []))
    with flow_files.blaming(found.file):
        scope, _ = found.flow.build(**arguments)
    boxes = graphs.graph(scope)
    if json:
        output.as_json(boxes)
    else:
        output.report(graphs.as_mermaid(boxes) if mermaid else graphs.as_text(boxes))
