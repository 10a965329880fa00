"""The seam where instances are executed: `Calls` in, `Ended`, `Lost` and `Withdrawn` out.

Touches no library. Executors: `inline` (this process) and `dask` (a cluster). Both perform calls
by `orchestrator.mapping.execution.invoke.perform`. Runs on the driver.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from orchestrator.mapping.execution.capture import Callers, LogCapture
from orchestrator.mapping.execution.invoke import Performed

PATIENCE = "orchestrator.patience"
"""The key of Dask's configuration for the seconds that calls wait for a worker."""

PATIENCE_SECONDS = 300.0
"""The default of that key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The requirements of a call; calls of equal placement may share a batch.

    Attributes:
        priority: Higher goes first; Dask's meaning.
        resources: Resources of a worker that it needs, e.g. `{"GPU": 1}`, as sorted pairs.
        workers: Addresses or names the call is restricted to; empty means any.
        timeout: Seconds an attempt may take; None for no limit.
        batch: Calls in one Dask task; None lets the executor learn it from observed durations.
        kept_from: Bytes from which a result stays on the cluster; None for the executor's own.
    """

    priority: float = 0
    resources: tuple[tuple[str, float], ...] = ()
    workers: tuple[str, ...] = ()
    timeout: float | None = None
    batch: int | None = None
    kept_from: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Calls of one node, as columns rather than objects, since there may be a million.

    Attributes:
        node: The engine's number of the node.
        name: The node's name, for messages.
        function: The function to call.
        constants: Arguments that are equal for all calls.
        indices: The instances, by map index.
        columns: Arguments by name, one value an instance. Items may be `Deferred` or `Zipped`,
            and both constants and columns may hold or be a `Kept`.
        keys: The instances' keys, available to them as `context.key`.
        tries: The number of each call's attempt; empty where all are the first.
        capture: The rule for capturing their output.
        retry_on: Exceptions after which another attempt may be made.
        placement: Their requirements.
        suspect: Whether they were lost with their worker before: then they run apart from others,
            and the executor reports which one was running if a worker dies again.
    """

    node: int
    name: str
    function: Callable[..., Any]
    constants: Mapping[str, Any]
    indices: Sequence[int]
    columns: Mapping[str, Sequence[Any]]
    keys: Sequence[str]
    tries: Sequence[int] = ()
    capture: LogCapture = field(default_factory=LogCapture)
    retry_on: tuple[type[BaseException], ...] = (Exception,)
    placement: Placement = field(default_factory=Placement)
    suspect: bool = False

    @property
    def callers(self) -> Callers:
        """The instances that make the calls."""
        return Callers(capture=self.capture, node=self.name, keys=self.keys, tries=self.tries)

    def part(self, run: slice) -> "Calls":
        """A run of the calls, by position."""
        return replace(
            self,
            indices=self.indices[run],
            columns={name: values[run] for name, values in self.columns.items()},
            keys=self.keys[run],
            tries=self.tries[run],
        )

    def at(self, positions: Sequence[int]) -> "Calls":
        """The calls at some positions."""
        return replace(
            self,
            indices=[self.indices[p] for p in positions],
            columns={name: [values[p] for p in positions] for name, values in self.columns.items()},
            keys=[self.keys[p] for p in positions],
            tries=[self.tries[p] for p in positions] if self.tries else (),
        )

    def without(self, indices: Container[int]) -> "Calls":
        """All calls but those of some instances."""
        return self.at([p for p, index in enumerate(self.indices) if index not in indices])


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """Attempts of some instances of a node have ended: an executor reports it, the engine takes it.

    Attributes:
        node: The node's number.
        indices: The instances.
        performed: Their ends; one entry for each of `indices`.
        worker: The worker they ran on.
    """

    node: int
    indices: Sequence[int]
    performed: Performed
    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Instances whose worker died before they ended, whether or not they caused it.

    Attributes:
        node: The node's number.
        indices: The instances that were with the worker.
        culprit: The instance that was surely running when the worker died; None where unknown.
        reason: The cause of the death as far as it is known, for people.
    """

    node: int
    indices: Sequence[int]
    culprit: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """Instances that had not begun when `withdraw` was called."""

    node: int
    indices: Sequence[int]


Event = Ended | Lost | Withdrawn


class Kept(ABC):
    """The address of a value too large for the driver. Each executor has its own sub-class."""

    @abstractmethod
    def fetch(self) -> Any:
        """The value itself, brought here."""

    def __owned__(self, own: Callable[[Any], Any]) -> Any:
        """The value, for a call that runs here and has it in an argument."""
        return own(self.fetch())


class Executor(Protocol):
    """Carries out calls.

    The contract: every instance submitted ends up in exactly one `Ended`, `Lost` or `Withdrawn`,
    unless it is cancelled first; after a `Lost` it may be submitted again. A call that exceeds its
    timeout, or arguments or results that cannot be pickled, end in an `Ended` with a `Failure` that
    says so; batch mates are unharmed. Anything raised is a failure of the machinery.
    """

    def room(self) -> int:
        """The number of further calls it can take now, which bounds the calls in flight."""
        ...

    def submit(self, calls: Calls) -> None:
        """Take some calls; returns at once, or, in process, when they are done."""
        ...

    def wait(self, timeout: float | None) -> Sequence[Event]:
        """The events since the last call; waits for the first at most `timeout` seconds."""
        ...

    def cancel(self, node: int, indices: Sequence[int]) -> None:
        """Cancel these calls; no event follows for them."""
        ...

    def withdraw(self) -> None:
        """Withdraw the calls that have not begun, at once or as soon as that is known.

        Running calls continue; nothing more is submitted.
        """
        ...

    def close(self) -> None:
        """Cancel all calls in flight and disconnect; the cluster itself keeps running."""
        ...
