"""The seam where instances are carried out: `Calls` in, `Ended`, `Lost` and `Withdrawn` out.

Touches no library. Executors: `inline` (this process) and `dask` (a cluster). Both perform calls
by `orchestrator.mapping.execution.invoke.perform`. Runs on the driver.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from orchestrator.mapping.execution.capture import Callers, Hearing
from orchestrator.mapping.execution.invoke import Performed

PATIENCE = "orchestrator.patience"
"""The key of Dask's configuration for the seconds that calls wait for a worker."""

PATIENCE_SECONDS = 300.0
"""Where the configuration says nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where and how a call wants to run; calls of equal placement may share a batch.

    Attributes:
        priority: Higher goes first; Dask's meaning.
        resources: Of a worker, e.g. `{"GPU": 1}`, as sorted pairs.
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
    """Calls of one node, as columns and not as objects, since there may be a million.

    Attributes:
        node: The engine's number of the node.
        name: The node's name, for messages.
        function: What to call.
        constants: Arguments that are equal for all calls.
        indices: The instances, by map index.
        columns: Arguments by name, one value an instance. Items may be `Deferred` or `Zipped`,
            and both constants and columns may hold or be a `Kept`.
        keys: The instances' keys, which they can ask for themselves.
        tries: Which attempt each call is; empty where all are the first.
        hearing: What is heard of what they say.
        retry_on: Exceptions after which another attempt may be made.
        placement: Where to run.
        suspect: They were lost with their worker before: run them apart from others, and tell
            who was running when a worker dies again.
    """

    node: int
    name: str
    function: Callable[..., Any]
    constants: Mapping[str, Any]
    indices: Sequence[int]
    columns: Mapping[str, Sequence[Any]]
    keys: Sequence[str]
    tries: Sequence[int] = ()
    hearing: Hearing = field(default_factory=Hearing)
    retry_on: tuple[type[BaseException], ...] = (Exception,)
    placement: Placement = field(default_factory=Placement)
    suspect: bool = False

    @property
    def callers(self) -> Callers:
        """Whose calls they are."""
        return Callers(hearing=self.hearing, node=self.name, keys=self.keys, tries=self.tries)

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
        performed: How they ended; one entry for each of `indices`.
        worker: Where they ran.
    """

    node: int
    indices: Sequence[int]
    performed: Performed
    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Instances whose worker died before they ended; it may or may not have been their fault.

    Attributes:
        node: The node's number.
        indices: Those that were with the worker.
        culprit: The one that was surely running when the worker died; None where unknown.
        reason: What is known of the death, for people.
    """

    node: int
    indices: Sequence[int]
    culprit: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """Instances that had not begun when the executor was asked to give up such ones."""

    node: int
    indices: Sequence[int]


Event = Ended | Lost | Withdrawn


class Kept(ABC):
    """A value too large for the driver: its address. An executor makes its own kind."""

    @abstractmethod
    def fetch(self) -> Any:
        """The value itself, brought here."""

    def __owned__(self, own: Callable[[Any], Any]) -> Any:
        """The value, where a call that runs here takes it, wherever in an argument."""
        return own(self.fetch())


class Executor(Protocol):
    """Carries out calls.

    The contract: every instance submitted ends up in exactly one `Ended`, `Lost` or `Withdrawn`,
    unless it is cancelled first; after a `Lost` it may be submitted again. A call that exceeds its
    timeout, or arguments or results that cannot be pickled, end in an `Ended` with a `Failure` that
    says so; batch mates are unharmed. Anything raised is a failure of the machinery.
    """

    def room(self) -> int:
        """How many more calls it wants at present; keeps what is in flight bounded."""
        ...

    def submit(self, calls: Calls) -> None:
        """Take some calls; returns at once, or, in process, when they are done."""
        ...

    def wait(self, timeout: float | None) -> Sequence[Event]:
        """What has happened since the last time; waits for the first at most `timeout` seconds."""
        ...

    def cancel(self, node: int, indices: Sequence[int]) -> None:
        """Give up these calls; no event comes for them any more."""
        ...

    def withdraw(self) -> None:
        """Give up what has not begun: it is `Withdrawn`, at once or as soon as that is known.

        What runs goes on; nothing is submitted any more.
        """
        ...

    def close(self) -> None:
        """Give up whatever is in flight and let go of the cluster, which is left as it was."""
        ...
