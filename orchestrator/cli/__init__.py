"""The command line: `orchestrator --help`.

    commands     one module per group of commands
    flow_runs    the common part of `run`, `resume` and `rerun`
    rendering    text for people, JSON for machines
    options      options that several commands share
    settings     the configuration that a command works with
    logs         keeps libraries' logs off the console

Touches typer; takes arguments; gives text, JSON and an exit code; driver. Only typer and rich are
imported when a command starts; slow modules are imported inside the command that needs them.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from orchestrator.cli import logs
from orchestrator.cli.commands import (
    backup,
    configuration,
    doctor,
    flows,
    instance_logs,
    pages,
    registry,
    removal,
    runs,
    snapshots,
    stores,
    training,
    trials,
    ui,
)
from orchestrator.cli.rendering import output
from orchestrator.errors import OrchestratorError

EXIT_BUG = 70
"""EX_SOFTWARE of sysexits.h: neither the caller's mistake nor a known failure."""

_NOBODY_ELSE = 0o077
"""The umask that removes all rights of group and others: files get mode 600, folders 700."""

app = typer.Typer(
    name="orchestrator",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer's signature
    if wanted:
        from orchestrator import __version__  # late: it asks what is installed

        output.report(f"orchestrator {__version__}")
        raise typer.Exit


@app.callback()
def prepare(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", is_eager=True, callback=_show_version
        ),
    ] = False,
) -> None:
    """Map tasks over lists fetched at run time; train and deploy a model per customer.

    Exit codes: 0 all well, 1 the flow run failed, 2 bad usage or configuration, 3 the registry
    failed, 4 the cluster, ledger or tracking failed, 75 another driver is at work on the same
    experiment or flow (try again later), 130 interrupted.
    """
    _import_from_here()
    logs.quiet()


app.command(rich_help_panel="Run")(flows.run)
app.command(rich_help_panel="Run")(flows.resume)
app.command(rich_help_panel="Run")(flows.rerun)
app.command(rich_help_panel="Run")(training.plan)
app.command(rich_help_panel="Run")(training.sync)
app.command(rich_help_panel="Run")(doctor.doctor)
app.command(rich_help_panel="Run")(backup.backup)
app.command(rich_help_panel="Run")(stores.adopt_store)
app.command(rich_help_panel="Look")(training.why)
app.command(rich_help_panel="Look")(training.status)
app.command(rich_help_panel="Look")(training.history)
app.command(rich_help_panel="Look")(trials.trials)
app.command(rich_help_panel="Look")(pages.report)
app.command(rich_help_panel="Remove")(removal.clean)
app.command(rich_help_panel="Remove")(removal.forget)
app.add_typer(configuration.config_app, name="config", rich_help_panel="Look")
app.add_typer(snapshots.snapshot_app, name="snapshot", rich_help_panel="Look")
app.command(rich_help_panel="Look")(ui.ui)
app.add_typer(registry.registry_app, name="registry", rich_help_panel="Run")
app.command(rich_help_panel="Look")(flows.graph)
app.command(rich_help_panel="Look")(runs.runs)
app.command(rich_help_panel="Look")(runs.instances)
app.command(rich_help_panel="Look")(instance_logs.logs)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit.

    Args:
        arguments: The arguments after `orchestrator`; None takes those of the process.
    """
    # Only the owner may read the files that commands and their workers write.
    before, here = os.umask(_NOBODY_ELSE), Path.cwd()
    try:
        app(arguments)
    except OrchestratorError as error:
        output.complain(str(error), error.exit_code)
        sys.exit(error.exit_code)
    except Exception:  # noqa: BLE001 - the last line of defence
        output.say(traceback.format_exc())
        problem = "this is a bug in orchestrator: please report it with the lines above"
        output.complain(problem, EXIT_BUG)
        sys.exit(EXIT_BUG)
    finally:
        os.umask(before)
        os.chdir(here)  # a command changes to its configuration's root
        logs.as_text()
        output.close()
    sys.exit(0)


def _import_from_here() -> None:
    """Find modules in the current directory; worker processes inherit the path.

    The directory comes last: a `statistics.py` or `queue.py` in it must not replace the standard
    library's module, and a `yaml.py` must not replace a package that this program imports.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
