"""The summary at the end of a flow run: text for people, a dict for machines.

Touches no library itself; takes a `FlowRun` and the ledger; driver.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from orchestrator.cli.rendering import output
from orchestrator.ledger import Ledger
from orchestrator.records import FlowRun, InstanceRecord, State
from orchestrator.redaction import without_secrets

_FAILURES_READ = 10_000
_REASONS_SHOWN = 10
_KEYS_SHOWN = 5


def summarize(flow_run: FlowRun, ledger: Ledger) -> None:
    """Print the state, counts, failures by reason, and the command for details."""
    took = output.duration((flow_run.ended or flow_run.started) - flow_run.started)
    output.report(f"flow run {flow_run.id} of {flow_run.flow}: {flow_run.state} in {took}")
    output.report(f"instances: {output.counts(flow_run.counts)}")
    failures = list(_failures(flow_run, ledger).items())
    for why, keys in failures[:_REASONS_SHOWN]:
        more = f" and {len(keys) - _KEYS_SHOWN:,} more" if len(keys) > _KEYS_SHOWN else ""
        output.report(f"  {len(keys):,} failed: {why}")
        output.report(f"    {', '.join(keys[:_KEYS_SHOWN])}{more}")
    if left := failures[_REASONS_SHOWN:]:
        number = sum(len(keys) for _, keys in left)
        output.report(f"  and {number:,} failed for {len(left):,} rarer reasons; --json has them")
    if failed := flow_run.counts.get(State.FAILED):
        output.say(f"for details: orchestrator instances {flow_run.id} --state failed")
    if flow_run.state == "failed":
        output.complain(f"the flow run failed: {failed or 0:,} instances failed", 1)
    if flow_run.state == "interrupted":
        output.say(f"continue with: orchestrator resume {flow_run.id}")


def describe(flow_run: FlowRun, ledger: Ledger) -> dict[str, Any]:
    """Return the same summary as JSON values."""
    return {
        "id": flow_run.id,
        "flow": flow_run.flow,
        "state": flow_run.state,
        "started": flow_run.started,
        "ended": flow_run.ended,
        "params": without_secrets(flow_run.params),
        "counts": dict(flow_run.counts),
        "failures": [
            {"reason": why, "instances": keys} for why, keys in _failures(flow_run, ledger).items()
        ],
    }


_LONGEST_REASON = 300


def reason(error: str | None) -> str:
    """Return the reason of a failure on one line, shortened; `instances` shows all of it."""
    first = (error or "").strip().partition("\n")[0]
    return first if len(first) <= _LONGEST_REASON else f"{first[:_LONGEST_REASON]}..."


def title(instance: InstanceRecord) -> str:
    """Return the display name of an instance: `add[2/5]`, or `report` for a plain call."""
    return f"{instance.node}[{instance.key}]" if instance.key else instance.node


def _failures(flow_run: FlowRun, ledger: Ledger) -> Mapping[str, list[str]]:
    """Return the failed instances by reason, the most frequent reason first."""
    if not flow_run.counts.get(State.FAILED):
        return {}
    failed = ledger.flow_runs.instances(flow_run.id, state=State.FAILED, limit=_FAILURES_READ)
    by_reason: dict[str, list[str]] = defaultdict(list)
    for instance in failed:
        by_reason[reason(instance.error)].append(title(instance))
    return dict(sorted(by_reason.items(), key=lambda item: -len(item[1])))
