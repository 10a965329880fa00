"""Options that several commands share, with one wording.

Touches typer; takes nothing; gives annotated types for commands' parameters; driver.
"""

from typing import Annotated, Literal

import typer

from orchestrator.cli import logs
from orchestrator.records import State

Config = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration; by default $ORCHESTRATOR_CONFIG, else orchestrator.yaml, else the "
        "only one in configs/. What it names starts from its own folder, or from its key `root`.",
        show_default=False,
    ),
]

Json = Annotated[
    bool, typer.Option("--json", help="Print JSON on stdout, for machines; messages go to stderr.")
]

Limit = Annotated[int, typer.Option("--limit", min=1, help="Show at most so many.")]

Param = Annotated[
    list[str] | None,
    typer.Option(
        "--param",
        "-p",
        metavar="NAME=VALUE",
        help="A parameter of the flow, converted to its annotated type; lists and dicts as JSON. "
        "May be given several times.",
        show_default=False,
    ),
]

_flow_run = typer.Argument(
    metavar="RUN",
    help="A flow run's id, an unambiguous beginning of it, or `latest`.",
    show_default=False,
)

FlowRunId = Annotated[str, _flow_run]

OptionalFlowRunId = Annotated[str | None, _flow_run]

_flow_file = typer.Argument(
    metavar="FILE.py[:flow]",
    help="The file that defines the flow, and which one if it defines several.",
    show_default=False,
)

FlowFile = Annotated[str, _flow_file]

OptionalFlowFile = Annotated[str | None, _flow_file]

OfTask = Annotated[
    str | None,
    typer.Option("--task", help="Only this task's, whoever calls it.", show_default=False),
]

OfState = Annotated[
    State | None, typer.Option("--state", help="Only in this state.", show_default=False)
]

Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        metavar="PATTERN",
        help="Only keys like this, with *, ? and [...] as the shell has them.",
        show_default=False,
    ),
]

Accept = Annotated[
    list[str] | None,
    typer.Option(
        "--accept",
        metavar="GUARD",
        help="Let the registry's answer pass although this guard objects; `plan` names it.",
        show_default=False,
    ),
]


def _as_json_lines(given: bool) -> bool:  # noqa: FBT001 - typer's signature
    if given:
        logs.as_json_lines()
    return given


LogJson = Annotated[
    bool,
    typer.Option(
        "--log-json",
        help="Write every event and message as a line of JSON on stderr.",
        callback=_as_json_lines,
    ),
]

MetricsPort = Annotated[
    str | None,
    typer.Option(
        "--metrics-port",
        metavar="[HOST:]PORT",
        help="Serve Prometheus metrics while it runs, on this machine alone unless HOST is given.",
        show_default=False,
    ),
]

Fresh = Annotated[bool, typer.Option("--fresh", help="Use no recorded result.")]

OnCluster = Annotated[
    bool,
    typer.Option("--cluster/--inline", help="Run on the configured cluster, or in this process."),
]

OnClusterAgain = Annotated[
    bool | None,
    typer.Option(
        "--cluster/--inline",
        help="Run on the configured cluster, or in this process; by default as it ran before.",
        show_default=False,
    ),
]

Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Take the place of a driver that holds the lease, dead or alive. One that lives can "
        "write nothing more to the ledger and ends with an error; what it has not yet recorded is "
        "done again. Should it just be moving aliases in MLflow, `doctor --fix` moves them back.",
    ),
]

Grace = Annotated[
    float | None,
    typer.Option(
        "--grace",
        metavar="SECONDS",
        min=0,
        help="How long Ctrl-C or SIGTERM waits for what runs before giving it up; by default the "
        "configuration's `grace`, 30.",
        show_default=False,
    ),
]

ShowLogs = Annotated[
    bool | None,
    typer.Option(
        "--logs/--no-logs",
        help="Show what tasks print, log and warn of, as `\\[evaluate acme/tree] line` on stderr, "
        "when an attempt has ended; by default only of a FILE that runs in this process.",
        show_default=False,
    ),
]

KeepLogs = Annotated[
    Literal["failed", "all", "none"] | None,
    typer.Option(
        "--keep-logs",
        help="Of which attempts the ledger keeps what they print, log and warn of; by default the "
        "configuration's `logs.keep`, failed.",
        show_default=False,
    ),
]
