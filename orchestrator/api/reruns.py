"""Chosen instances of an earlier flow run, to be run again with their dependents.

All other instances use their values from the ledger if these are stored. Touches no library itself;
takes a flow run's id and a choice; gives a `FileRequest`; driver.
"""

from collections.abc import Callable

from orchestrator.api import flow_files, parameters
from orchestrator.api.file_runs import FileRequest
from orchestrator.api.flow_files import FlowFile
from orchestrator.errors import UsageError
from orchestrator.ledger import Ledger
from orchestrator.records import FileRun, FlowRun, RerunChoice, State


def chosen_instances(
    choice: RerunChoice, ledger: Ledger, flow_run: str
) -> frozenset[tuple[str, str]]:
    """Return the chosen instances of a flow run, by node and key."""
    state = State.FAILED if choice == RerunChoice() else choice.state
    found = ledger.flow_runs.instances(
        flow_run, task=choice.task, state=state, key_pattern=choice.key, limit=None
    )
    return frozenset((one.node, one.key) for one in found)


def rerun_request(
    ledger: Ledger,
    flow_run: str,
    choice: RerunChoice,
    *,
    on_cluster: bool | None,
    say: Callable[[str], None],
) -> FileRequest:
    """Return the request to run a part of a flow run again.

    Args:
        ledger: The ledger that has recorded the flow run.
        flow_run: Its id, a prefix of the id, or `latest`.
        choice: The criteria of the instances to run again.
        on_cluster: Run on the configured cluster, else in this process; None repeats the earlier
            flow run's choice.
        say: Called with sentences about what else runs again.

    Raises:
        UsageError: There is nothing to run again, or the flow's file is gone.
    """
    old = ledger.flow_runs.get(flow_run)
    chosen = chosen_instances(choice, ledger, old.id)
    not_stored = ledger.flow_runs.not_stored(old.id)
    origin = _file_run(old)
    file = _file_of(old, origin, say)
    if not chosen:
        raise UsageError(
            f"flow run {old.id}: no instance is chosen; `orchestrator instances {old.id}` lists "
            "them, and --task, --key and --state choose"
        )
    say(f"again: {len(chosen):,} of flow run {old.id}, and what depends on them")
    if not_stored:
        say(f"as well, since their values are not stored: {', '.join(not_stored)}")
    return FileRequest(
        file=file,
        texts=parameters.kept(origin),
        on_cluster=origin.cluster if on_cluster is None else on_cluster,
        again=lambda node, key: (node, key) in chosen,
        choice=choice,
        rerun_of=old.id,
    )


def _file_run(old: FlowRun) -> FileRun:
    if not isinstance(old.origin, FileRun):
        raise UsageError(
            f"flow run {old.id} of {old.flow} was not started from a FILE; start the same command "
            "again: it runs what has not succeeded"
        )
    return old.origin


def _file_of(old: FlowRun, origin: FileRun, say: Callable[[str], None]) -> FlowFile:
    """Return the flow of the current file, and report if the file has changed."""
    found = flow_files.load(f"{origin.file}:{origin.flow}")
    if found.digest != origin.digest:
        say(
            f"the code of {found.file} has changed since flow run {old.id}: the current code "
            "runs, without instances that it no longer has; changed tasks run again, too"
        )
    return found
