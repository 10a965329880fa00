"""A flow of a file, run: connected, recorded, watched, interruptible.

Touches Dask through `clusters`; takes a flow file and its parameters; gives a `Run`; driver.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Unpack

from orchestrator import clusters
from orchestrator.api import flow_files, parameters
from orchestrator.api.flow_files import FlowFile
from orchestrator.api.run_settings import RunSettings
from orchestrator.api.watching import Watching
from orchestrator.errors import StoppedError
from orchestrator.ledger import Ledger
from orchestrator.mapping import Run
from orchestrator.records import FileRun, FlowRun, Logs, RerunChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRequest:
    """The request to run the flow of a file.

    Attributes:
        file: The flow and its file.
        texts: Its parameters as typed, by name.
        on_cluster: Run on the configured cluster, else in this process.
        fresh: Use no result that another flow run recorded.
        again: A predicate of node and key that selects instances to run again although their
            success is recorded; their dependents run again as well. None selects none.
        choice: The criteria by which these instances were chosen.
        rerun_of: The earlier flow run, if this runs a part of it again.
        resumed: The flow run to continue; None for a new one.
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
        """Return the record that is stored with the flow run, so that it can be run again."""
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

    def cluster(self, where: RunSettings) -> clusters.Cluster:
        """Return the cluster on which its tasks run."""
        return where.cluster if self.on_cluster else clusters.Cluster(kind="inline")

    def logs(self, where: RunSettings) -> Logs:
        """Return the settings of its tasks' logs: the configured ones, or else the flow's."""
        return where.logs if where.has_logs else self.file.flow.logs or where.logs


def run_file(
    request: FileRequest,
    where: RunSettings,
    ledger: Ledger,
    *,
    force: bool = False,
    **watching: Unpack[Watching],
) -> Run:
    """Run the flow of a file as its one driver.

    Args:
        request: The flow, its parameters and options.
        where: The cluster and the other settings.
        ledger: The open ledger.
        force: Take the place of another driver of the flow.
        **watching: See `Watching`.

    Raises:
        UsageError: The file's own code fails, or a parameter is wrong.
        HeldError: Another driver runs the flow; nothing was started.
        StoppedError: `stop` said yes before anything was started.
        MachineryError: The cluster or the ledger failed.
    """
    flow, stop = request.file.flow, watching.get("stop")
    say = watching.get("say", _silently)
    arguments = parameters.typed(flow, request.texts)
    _mention_unfinished(request, ledger, say)
    cluster, logs = request.cluster(where), request.logs(where)
    with clusters.connect(cluster) as client:
        if stop is not None and stop():
            raise StoppedError
        if client is not None and cluster.dashboard and client.dashboard_link:
            say(f"Dask's dashboard: {client.dashboard_link}")
        if client is not None and not clusters.find_kind(cluster).traits.same_environment:
            for difference in clusters.require_ready(client, cluster, clusters.Needs()):
                say(difference)
        with flow_files.blaming(request.file.file):
            return flow.run(
                params=arguments,
                client=client,
                ledger=ledger,
                resumed=request.resumed,
                origin=request.origin(logs),
                logs=logs,
                on_log=watching.get("on_log"),
                observer=watching.get("observer"),
                stop=stop,
                grace=where.grace,
                rerun_of=request.rerun_of,
                again=_everything if request.fresh else request.again,
                force=force,
                say=say,
            )


def _mention_unfinished(request: FileRequest, ledger: Ledger, say: Callable[[str], None]) -> None:
    """Mention an unfinished earlier flow run if the request begins a new one."""
    left = ledger.flow_runs.left_unfinished(request.file.name)
    own = request.resumed is not None and left is not None and left.id == request.resumed.id
    if left is not None and left.state != "running" and not own:
        say(
            f"flow run {left.id} is unfinished; `orchestrator resume {left.id}` continues it. "
            'This is a new one: only tasks with cache="runs" use recorded results'
        )


def _everything(_node: str, _key: str) -> bool:
    """Select every instance to run again."""
    return True


def _silently(_sentence: str) -> None:
    """Say nothing."""
