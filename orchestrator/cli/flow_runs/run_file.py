"""The command that runs the flow of a file: show progress, stop on Ctrl-C, print a summary.

Touches no library itself; takes a flow file and its parameters; gives an exit code; driver.
"""

from collections.abc import Sequence

from orchestrator.api import flow_files, parameters
from orchestrator.api.file_runs import FileRequest, run_file
from orchestrator.api.interrupts import EXIT_INTERRUPTED, stopping_on_interrupt
from orchestrator.api.run_settings import RunSettings, run_settings
from orchestrator.cli.flow_runs.run_options import RunOptions
from orchestrator.cli.flow_runs.watching import watching
from orchestrator.cli.rendering import output
from orchestrator.cli.rendering.flow_summary import describe, summarize
from orchestrator.ledger import Ledger

_EXIT_CODES = {"success": 0, "failed": 1, "interrupted": EXIT_INTERRUPTED}


def run_new(
    address: str, given: Sequence[str], manner: RunOptions, *, on_cluster: bool, fresh: bool
) -> int:
    """Run the flow of a file, and return the exit code."""
    request = FileRequest(
        file=flow_files.load(address),
        texts=parameters.split(given),
        on_cluster=on_cluster,
        fresh=fresh,
    )
    return carry_out(request, manner)


def carry_out(request: FileRequest, manner: RunOptions, where: RunSettings | None = None) -> int:
    """Run a flow, print its report, and return the exit code.

    Args:
        request: The flow to run, with its parameters.
        manner: The options of the command.
        where: The settings of the run; None takes those of the configuration.
    """
    if where is None:
        where = run_settings(manner.config, grace=manner.grace, keep_logs=manner.keep_logs)
        where.require_valid()
    shows = manner.shows_logs(inline=request.cluster(where).kind == "inline")
    parameters.typed(request.file.flow, request.texts)  # raises before a ledger is created
    with Ledger.open(where.ledger) as ledger:
        with (
            output.stdout_for_report_only(when=manner.as_json),
            stopping_on_interrupt(where.grace, output.say) as stop,
            watching(manner, f"flow {request.file.flow.name}", where.ledger) as observer,
        ):
            run = run_file(
                request,
                where,
                ledger,
                force=manner.force,
                observer=observer,
                stop=stop,
                say=output.say,
                on_log=output.show_log if shows else None,
            )
        if run.unkept_logs:
            output.say(
                f"what {_attempts(run.unkept_logs)} printed or logged was not kept (logs: keep "
                f"{request.logs(where).keep}); --logs shows it, --keep-logs all keeps it"
            )
        if manner.as_json:
            output.as_json(describe(run.flow_run, ledger))
        else:
            summarize(run.flow_run, ledger)
    return _EXIT_CODES[run.state]


def _attempts(number: int) -> str:
    return "1 attempt" if number == 1 else f"{number:,} attempts"
