"""Runs the flow of a file: connected, recorded, watched, interruptible, and summed up.

Touches no library itself; takes a flow file and its parameters; gives an exit code; driver.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator import clusters
from orchestrator.cli.flow_runs import flow_files, parameters
from orchestrator.cli.flow_runs.flow_files import FlowFile
from orchestrator.cli.flow_runs.interrupts import EXIT_INTERRUPTED, stopping_on_interrupt
from orchestrator.cli.flow_runs.run_options import RunOptions
from orchestrator.cli.flow_runs.watching import watching
from orchestrator.cli.rendering import output
from orchestrator.cli.rendering.flow_summary import describe, summarize
from orchestrator.cli.settings import RunSettings, place
from orchestrator.errors import StoppedError
from orchestrator.ledger import Hold, Ledger
from orchestrator.mapping import Run
from orchestrator.mapping.flows import new_id
from orchestrator.records import FileRun, FlowRun, Logs, RerunChoice

_EXIT_CODES = {"success": 0, "failed": 1, "interrupted": EXIT_INTERRUPTED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to run, and how.

    Attributes:
        file: The flow and its file.
        texts: Its parameters as they were typed.
        on_cluster: On the configured cluster, else in this process.
        fresh: Use no result that another flow run recorded.
        again: Which instances run again though a success of theirs is recorded, by node and
            key; with them runs what depends on them. None stands for none.
        choice: How these were chosen.
        rerun_of: The flow run of which this runs a part again.
        resumed: The flow run that goes on; None for a new one.
    """

    file: FlowFile
    texts: Mapping[str, str]
    on_cluster: bool
    fresh: bool = False
    again: Callable[[str, str], bool] | None = None
    choice: RerunChoice | None = None
    rerun_of: str | None = None
    resumed: FlowRun | None = None

    def origin(self, logs: Logs) -> FileRun:
        """Return what is kept with the flow run, so that it can be run again."""
        clear, secret = parameters.to_keep(self.texts)
        return FileRun(
            file=str(self.file.file.resolve()),
            flow=self.file.name,
            digest=self.file.digest,
            params=clear,
            secret_params=secret,
            cluster=self.on_cluster,
            fresh=self.fresh,
            rerun_of=self.rerun_of,
            choice=self.choice,
            logs=logs,
        )


def run_file(
    address: str, given: Sequence[str], manner: RunOptions, *, on_cluster: bool, fresh: bool
) -> int:
    """Run the flow of a file; gives the exit code."""
    request = Request(
        file=flow_files.load(address),
        texts=parameters.split(given),
        on_cluster=on_cluster,
        fresh=fresh,
    )
    return carry_out(request, manner)


def carry_out(request: Request, manner: RunOptions) -> int:
    """Run a flow and report how it went; gives the exit code."""
    where = place(manner.config, grace=manner.grace, keep_logs=manner.keep_logs)
    if not where.has_logs and request.file.flow.logs is not None:
        where = replace(where, logs=request.file.flow.logs)
    arguments = parameters.typed(request.file.flow, request.texts)
    with Ledger.open(where.ledger) as ledger:
        with output.stdout_for_report_only(when=manner.as_json):
            run = _drive(request, arguments, where, ledger, manner)
        if run.unkept_logs:
            output.say(
                f"what {_attempts(run.unkept_logs)} printed or logged was not kept (logs: keep "
                f"{where.logs.keep}); --logs shows it, --keep-logs all keeps it"
            )
        if manner.as_json:
            output.as_json(describe(run.flow_run, ledger))
        else:
            summarize(run.flow_run, ledger)
    return _EXIT_CODES[run.state]


def _attempts(number: int) -> str:
    return "1 attempt" if number == 1 else f"{number:,} attempts"


def _drive(
    request: Request,
    arguments: Mapping[str, Any],
    where: RunSettings,
    ledger: Ledger,
    manner: RunOptions,
) -> Run:
    """Be the flow's one driver, and run it."""
    flow_run, name = request.resumed.id if request.resumed else new_id(), request.file.flow.name
    with ledger.holding(name, flow_run, force=manner.force, say=output.say) as hold:
        left = ledger.flow_runs.left_unfinished(name)
        if left is not None and left.id != flow_run:
            output.say(
                f"flow run {left.id} is unfinished; `orchestrator resume {left.id}` continues it. "
                'This is a new one: only tasks with cache="runs" use recorded results'
            )
        return _run(request, arguments, where, ledger, manner, hold=hold, flow_run=flow_run)


def _run(
    request: Request,
    arguments: Mapping[str, Any],
    where: RunSettings,
    ledger: Ledger,
    manner: RunOptions,
    *,
    hold: Hold,
    flow_run: str,
) -> Run:
    file = request.file
    cluster = where.cluster if request.on_cluster else clusters.Cluster(kind="inline")
    with stopping_on_interrupt(where.grace) as stop, clusters.connect(cluster) as client:
        if stop():
            raise StoppedError
        if client is not None and cluster.dashboard and client.dashboard_link:
            output.say(f"Dask's dashboard: {client.dashboard_link}")
        if client is not None and not clusters.find_kind(cluster).traits.same_environment:
            for difference in clusters.require_ready(client, cluster, clusters.Needs()):
                output.say(difference)
        with (
            watching(manner, f"flow {file.flow.name}", where.ledger) as observer,
            flow_files.blaming(file.file),
        ):
            return file.flow.run(
                client,
                ledger.recorder(),
                flow_run_id=flow_run,
                resumed=request.resumed,
                origin=request.origin(where.logs),
                logs=where.logs,
                on_log=output.show_log if manner.shows_logs(inline=client is None) else None,
                observer=observer,
                stop=hold.guarded(stop),
                grace=where.grace,
                rerun_of=request.rerun_of,
                again=_everything if request.fresh else request.again,
                **arguments,
            )


def _everything(_node: str, _key: str) -> bool:
    """What runs again when everything does."""
    return True
