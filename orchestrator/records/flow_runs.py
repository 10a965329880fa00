"""What runs: `FlowRun` -> `InstanceRecord`, and the states of an instance.

Touches no library; driver and workers. All times are seconds since the epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal


class State(StrEnum):
    """The states of an instance; see docs/mapping.md for how one leads to another."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"
    UPSTREAM_FAILED = "upstream_failed"
    UP_FOR_RETRY = "up_for_retry"
    REMOVED = "removed"
    CACHED = "cached"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRun:
    """One execution of a flow.

    Attributes:
        id: Unique, sortable by start time.
        flow: The flow's name.
        state: `running` until it ended, then `success` or `failed` (or `interrupted`).
        params: The flow's parameters, as JSON where they are JSON, else their repr.
        counts: Instances by state, once it ended.
        context: Free JSON: snapshot id, configuration, where to look.
    """

    id: str
    flow: str
    state: Literal["running", "success", "failed", "interrupted"] = "running"
    params: Mapping[str, Any] = field(default_factory=dict)
    started: float = 0.0
    ended: float | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRecord:
    """How one instance of a flow run ended, as a recorder is told of it.

    Attributes:
        flow_run: The flow run's id.
        node: The node's name in the flow.
        key: The instance's lasting name; "" for a task that is not mapped.
        index: Its map index, for display only; -1 for a task that is not mapped.
        state: An ended state.
        tries: Attempts made; 0 when it never ran.
        started, ended: Epoch seconds; None when it never ran.
        worker: Where it ran last.
        error: Type and message, then the traceback; None unless it failed.
        arguments: Its arguments in short, for people.
        fingerprint: Hash of code and arguments (law 4); None when it must not be reused.
        value: What it returned; recorders store it where small enough.
    """

    flow_run: str
    node: str
    key: str
    index: int
    state: State
    tries: int = 0
    started: float | None = None
    ended: float | None = None
    worker: str = ""
    error: str | None = None
    arguments: str = ""
    fingerprint: str | None = None
    value: Any = None

    @property
    def is_to_be_kept(self) -> bool:
        """Whether a recorder keeps its value under its fingerprint.

        That is a success; and one that was taken over from the flow run of which this one runs a
        part again, so that this one can be rerun in its turn.
        """
        if self.fingerprint is None:
            return False
        is_own = self.fingerprint.startswith(own_prefix(self.flow_run))
        return self.state is State.SUCCESS or (self.state is State.CACHED and is_own)


def own_prefix(flow_run: str) -> str:
    """How the fingerprints begin that count for the instances of one flow run only."""
    return f"{flow_run}:"
