"""Runs chosen instances of an earlier flow run again, and what depends on them.

Everything else is taken from the ledger where its value is stored. Touches no library itself;
takes a flow run's id and a choice; gives an exit code; driver.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.cli.flow_runs import flow_files, parameters
from orchestrator.cli.flow_runs.flow_files import FlowFile
from orchestrator.cli.flow_runs.run_file import Request, carry_out
from orchestrator.cli.flow_runs.run_options import RunOptions
from orchestrator.cli.rendering import output
from orchestrator.cli.settings import place
from orchestrator.errors import UsageError
from orchestrator.ledger import Ledger
from orchestrator.records import FlowRun, State


@dataclass(frozen=True, slots=True, kw_only=True)
class RerunChoice:
    """Which instances run again: those that failed, where nothing is said."""

    task: str | None = None
    state: State | None = None
    key: str | None = None

    @classmethod
    def of_context(cls, kept: Mapping[str, Any]) -> "RerunChoice":
        """The choice as it was kept with a flow run."""
        state = None if kept["state"] is None else State(kept["state"])
        return cls(task=kept["task"], state=state, key=kept["key"])

    def of(self, ledger: Ledger, flow_run: str) -> frozenset[tuple[str, str]]:
        """The chosen instances of a flow run, by node and key."""
        nothing_said = self.task is None and self.state is None and self.key is None
        state = State.FAILED if nothing_said else self.state
        found = ledger.flow_runs.instances(
            flow_run, task=self.task, state=state, key_pattern=self.key, limit=None
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
        chosen = choice.of(ledger, old.id)
        not_stored = ledger.flow_runs.not_stored(old.id)
    file = _file_of(old)
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
        texts=parameters.kept(old.context),
        on_cluster=old.context["cluster"] if on_cluster is None else on_cluster,
        again=lambda node, key: (node, key) in chosen,
        choice=asdict(choice),
        rerun_of=old.id,
    )
    return carry_out(request, manner)


def _file_of(old: FlowRun) -> FlowFile:
    """The flow as its file has it now; where that has changed, it is said."""
    context: Mapping[str, Any] = old.context
    if "digest" not in context:
        raise UsageError(
            f"flow run {old.id} of {old.flow} was not started from a FILE; start the same command "
            "again: it runs what has not succeeded"
        )
    found = flow_files.load(f"{context['file']}:{context['flow']}")
    if found.digest != context["digest"]:
        output.say(
            f"the code of {found.file} has changed since flow run {old.id}: as it is now it runs "
            "again, what it no longer has does not, and tasks that do something else now run too"
        )
    return found
