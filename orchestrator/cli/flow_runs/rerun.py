"""Runs chosen instances of an earlier flow run again, and what depends on them.

Everything else is taken from the ledger where its value is stored. Touches no library itself;
takes a flow run's id and a choice; gives an exit code; driver.
"""

from orchestrator.cli.flow_runs import flow_files, parameters
from orchestrator.cli.flow_runs.flow_files import FlowFile
from orchestrator.cli.flow_runs.run_file import Request, carry_out
from orchestrator.cli.flow_runs.run_options import RunOptions
from orchestrator.cli.rendering import output
from orchestrator.cli.settings import place
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


def rerun_part(
    flow_run: str, choice: RerunChoice, manner: RunOptions, *, on_cluster: bool | None
) -> int:
    """Run a part of a flow run again; gives the exit code.

    Args:
        flow_run: Its id, a beginning of it, or `latest`.
        choice: Which part.
        manner: How.
        on_cluster: Where; None means where it ran before.

    Raises:
        UsageError: There is nothing to run again, or the flow's file is gone.
    """
    where = place(manner.config)
    with Ledger.look(where.ledger) as ledger:
        old = ledger.flow_runs.get(flow_run)
        chosen = chosen_instances(choice, ledger, old.id)
        not_stored = ledger.flow_runs.not_stored(old.id)
    origin = _file_run(old)
    file = _file_of(old, origin)
    if not chosen:
        raise UsageError(
            f"flow run {old.id}: no instance is chosen; `orchestrator instances {old.id}` lists "
            "them, and --task, --key and --state choose"
        )
    output.say(f"again: {len(chosen):,} of flow run {old.id}, and what depends on them")
    if not_stored:
        output.say(f"as well, since their values are not stored: {', '.join(not_stored)}")
    request = Request(
        file=file,
        texts=parameters.kept(origin),
        on_cluster=origin.cluster if on_cluster is None else on_cluster,
        again=lambda node, key: (node, key) in chosen,
        choice=choice,
        rerun_of=old.id,
    )
    return carry_out(request, manner)


def _file_run(old: FlowRun) -> FileRun:
    if not isinstance(old.origin, FileRun):
        raise UsageError(
            f"flow run {old.id} of {old.flow} was not started from a FILE; start the same command "
            "again: it runs what has not succeeded"
        )
    return old.origin


def _file_of(old: FlowRun, origin: FileRun) -> FlowFile:
    """Return the flow that the file has now, and say where that has changed."""
    found = flow_files.load(f"{origin.file}:{origin.flow}")
    if found.digest != origin.digest:
        output.say(
            f"the code of {found.file} has changed since flow run {old.id}: as it is now it runs "
            "again, what it no longer has does not, and tasks that do something else now run too"
        )
    return found
