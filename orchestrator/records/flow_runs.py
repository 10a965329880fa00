"""Flow runs and their instances: `FlowRun` -> `InstanceRecord`, with the states of an instance.

A flow run says what it is a run of: `ExperimentRun`, `FileRun` or `ErasureRun`, each of which holds
what is needed to resume or repeat it.

Touches no library; driver and workers. All times are seconds since the epoch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from orchestrator.records.logs import Logs


class State(StrEnum):
    """The states of an instance; docs/mapping.md describes their transitions."""

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
class ExperimentRun:
    """A flow run of an experiment.

    Attributes:
        snapshot: The id of the snapshot it works on.
        config: The configuration file it was started with; None where there was none.
        settings: That file's content, without secrets and lists; None where there was no file.
        fresh: Whether it uses no result that another flow run recorded.
        spread: The studies whose trials are spread over the workers, by customer and model.
        cleared: Digests of the metrics and lists that had passed every check when it began.
        logs: The rule for keeping tasks' prints, logs and warnings.
    """

    snapshot: str
    config: str | None = None
    settings: Mapping[str, Any] | None = None
    fresh: bool = False
    spread: tuple[tuple[str, str], ...] = ()
    cleared: tuple[str, ...] = ()
    logs: Logs = field(default_factory=Logs)


@dataclass(frozen=True, slots=True, kw_only=True)
class RerunChoice:
    """The choice of instances to run again: without any option, those that failed.

    Attributes:
        task: Only calls of this task.
        state: Only those in this state.
        key: Only those with keys like this pattern.
    """

    task: str | None = None
    state: State | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRun:
    """A flow run of a flow that a Python file defines.

    Attributes:
        file: The file's absolute path.
        flow: The flow's name in the file.
        digest: A hash of the file's content when the flow run began.
        params: The flow's parameters, as typed.
        secret_params: Parameters that are secret: the names of the environment variables in them.
        cluster: Whether it runs on the configured cluster, else in the driver's process.
        fresh: Whether it uses no result that another flow run recorded.
        rerun_of: The flow run of which it repeats a part; None for a whole flow run.
        choice: The chosen part.
        logs: The rule for keeping tasks' prints, logs and warnings.
    """

    file: str
    flow: str
    digest: str
    params: Mapping[str, str] = field(default_factory=dict)
    secret_params: Mapping[str, str] = field(default_factory=dict)
    cluster: bool = False
    fresh: bool = False
    rerun_of: str | None = None
    choice: RerunChoice | None = None
    logs: Logs = field(default_factory=Logs)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureRun:
    """The record that a customer was removed; it does not name the customer.

    Attributes:
        removed: The number of removed rows, by table.
    """

    removed: Mapping[str, int] = field(default_factory=dict)


RunOrigin = ExperimentRun | FileRun | ErasureRun
"""The source of a flow run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRun:
    """One execution of a flow.

    Attributes:
        id: Unique, sortable by start time.
        flow: The flow's name.
        state: `running` until it ended, then `success` or `failed` (or `interrupted`).
        params: The flow's parameters, as JSON where they are JSON, else their repr.
        counts: Instances by state, once it ended.
        origin: Its source; None where a program called `run` itself.
    """

    id: str
    flow: str
    state: Literal["running", "success", "failed", "interrupted"] = "running"
    params: Mapping[str, Any] = field(default_factory=dict)
    started: float = 0.0
    ended: float | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    origin: RunOrigin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRecord:
    """The end of one instance of a flow run, for a recorder.

    Attributes:
        flow_run: The flow run's id.
        node: The node's name in the flow.
        key: The instance's lasting name; "" for a task that is not mapped.
        index: Its map index, for display only; -1 for a task that is not mapped.
        state: An ended state.
        tries: Attempts made; 0 when it never ran.
        started, ended: Epoch seconds; None when it never ran.
        worker: The worker on which it ran last.
        error: Type and message, then the traceback; None unless it failed.
        arguments: Its arguments, shortened for people.
        fingerprint: Hash of code and arguments (law 4); None when it must not be reused.
        scope: The flow run in which alone the fingerprint counts; None where it counts in all.
        value: The value it returned; recorders store it if it is small enough.
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
    scope: str | None = None
    value: Any = None

    @property
    def is_to_be_kept(self) -> bool:
        """Whether a recorder keeps its value under its fingerprint.

        That is a success, including one taken over from the flow run of which this one runs a
        part again, so that this one can be rerun, too.
        """
        if self.fingerprint is None:
            return False
        taken_over = self.state is State.CACHED and self.scope is not None
        return self.state is State.SUCCESS or taken_over


def own_fingerprint(flow_run: str, fingerprint: str) -> str:
    """Return the fingerprint that counts for the instances of one flow run only."""
    return f"{flow_run}:{fingerprint}"
