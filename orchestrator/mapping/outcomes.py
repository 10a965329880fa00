"""The results of instances, for users: `Outcome`, and the lazy sequence `Outcomes` of a node.

Touches no library; made by the engine's state of a node; goes to reduces, on workers too.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from typing import Any, overload

from orchestrator import keys
from orchestrator.mapping.execution.executor import Kept
from orchestrator.mapping.execution.invoke import Cause, Failure, Performed, settle
from orchestrator.mapping.execution.own_arguments import Copies, own
from orchestrator.records import State
from orchestrator.user_code import RaisedError, user_code

STATES = tuple(State)
"""States by the code that stands for them in a column."""

CODES = {state: code for code, state in enumerate(STATES)}

_GOOD = frozenset({CODES[State.SUCCESS], CODES[State.CACHED]})

_USED_AGAIN_OR_NOT = bytes.maketrans(bytes([CODES[State.CACHED]]), bytes([CODES[State.SUCCESS]]))
"""Makes one of the two states of success."""


@dataclass(slots=True)
class Columns:
    """The states of a node's instances, as columns: a million instances must fit in memory.

    Instances beyond the columns' end have not been reached yet; they are pending.
    """

    states: bytearray = field(default_factory=bytearray)
    values: list[Any] = field(default_factory=list)
    started: "array[float]" = field(default_factory=lambda: array("d"))
    ended: "array[float]" = field(default_factory=lambda: array("d"))
    failures: dict[int, Failure] = field(default_factory=dict)
    tries: dict[int, int] = field(default_factory=dict)
    workers: "array[int]" = field(default_factory=lambda: array("H"))
    worker_names: list[str] = field(default_factory=lambda: [""])

    def reach(self, length: int) -> None:
        """Extend the columns to at least this length."""
        missing = length - len(self.states)
        if missing == 1:  # as always in this process; this way is much faster
            self.states.append(0)
            self.values.append(None)
            self.started.append(0.0)
            self.ended.append(0.0)
            self.workers.append(0)
        elif missing > 1:
            self.states.extend(bytes(missing))
            self.values.extend([None] * missing)
            self.started.extend(array("d", bytes(8 * missing)))
            self.ended.extend(array("d", bytes(8 * missing)))
            self.workers.extend(array("H", bytes(2 * missing)))

    def set(self, indices: Sequence[int], state: State) -> None:
        """Note the state of some instances."""
        if not indices:
            return
        code = CODES[state]
        if len(indices) == 1:  # as all are in this process
            self.reach(indices[0] + 1)
            self.states[indices[0]] = code
            return
        self.reach(max(indices) + 1)
        if isinstance(indices, range) and indices.step == 1:
            self.states[indices.start : indices.stop] = bytes([code]) * len(indices)
            return
        for index in indices:
            self.states[index] = code

    def note(self, indices: Sequence[int], performed: Performed, worker: str) -> None:
        """Note attempts of some instances that were running: their values, times and place."""
        number = self._number_of(worker)
        if isinstance(indices, range) and indices.step == 1 and len(indices) > 1:
            run = slice(indices.start, indices.stop)
            self.values[run] = performed.values
            self.started[run], self.ended[run] = performed.started, performed.ended
            self.workers[run] = array("H", [number]) * len(indices)
            return
        for position, index in enumerate(indices):
            self.values[index] = performed.values[position]
            self.started[index] = performed.started[position]
            self.ended[index] = performed.ended[position]
            self.workers[index] = number

    def state(self, index: int) -> State:
        """The state of an instance."""
        return STATES[self.states[index]] if index < len(self.states) else State.PENDING

    def tries_of(self, indices: Sequence[int]) -> list[int]:
        """The number of the next attempt of each instance; empty where all are the first."""
        tries = self.tries
        return [tries.get(index, 1) for index in indices] if tries else []

    def worker(self, index: int) -> str:
        """The worker on which an instance ran last; "" if it never ran."""
        return self.worker_names[self.workers[index]] if index < len(self.states) else ""

    def _number_of(self, worker: str) -> int:
        """The number that stands for a worker in the column."""
        if worker not in self.worker_names:
            self.worker_names.append(worker)
        return self.worker_names.index(worker)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of one instance.

    Attributes:
        key: Its lasting name.
        index: Its map index; -1 for a task that is not mapped.
        args: The mapped arguments, in the form the task received them.
        state: Its end state.
        value: The value it returned; None where it has no value.
        error: The reason why it has no value, in one line; None where it has one.
        cause: Whether it raised, timed out or lost its workers; None where it has a value.
        traceback: The traceback of the error.
        tries: Attempts made; 0 when it never ran.
        started, ended: Epoch seconds; None when it never ran.
        worker: The worker on which it ran last.
    """

    key: str
    index: int
    args: Mapping[str, Any]
    state: State
    value: Any
    error: str | None
    cause: Cause | None
    traceback: str
    tries: int
    started: float | None
    ended: float | None
    worker: str


class Names(Sequence[str]):
    """The lasting keys of a node's instances, computed when asked for.

    Args:
        prefix: The key of the coordinator they belong to; empty in a flow.
        items: The sequence they are mapped over; None for a plain call.
        chosen: By index, the keys that a `key` option has given so far; None without one.
        length: The number of instances.
        ordinal: The number of earlier calls of the node by its coordinator.
    """

    def __init__(
        self,
        prefix: str,
        items: Any,
        chosen: Mapping[int, str] | None,
        length: int,
        ordinal: int = 0,
    ) -> None:
        self._prefix, self._items, self._chosen = prefix, items, chosen
        self._length, self._ordinal = length, ordinal

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return self.at(range(*index.indices(self._length)))
        if not 0 <= index < self._length:
            raise IndexError(f"instance {index} of {self._length}")
        if self._items is None:
            return self._prefix
        return keys.below(self._prefix, self.own(index))

    def own(self, index: int) -> str:
        """The key of an instance without its coordinator's.

        An instance whose `key` option failed, or was never evaluated, has a key that no name can
        equal.
        """
        if self._chosen is not None and index in self._chosen:
            return self._chosen[index]
        name = self._items.name(index)
        place = str(index) if name is None else name
        if self._chosen is None:
            return place
        return keys.unnamed(f"{self._ordinal}.{place}" if self._ordinal else place)

    def at(self, indices: Sequence[int]) -> list[str]:
        """The keys of some instances; fast where the keys are only indices."""
        if self._items is None or self._chosen is not None or self._items.named:
            return [self[index] for index in indices]
        before = keys.below(self._prefix, "")
        return [f"{before}{index}" for index in indices]


class Outcomes(Sequence[Any]):
    """The successful values of a mapped task, in item order, and the outcome of every instance.

    It is read-only and lazy: values kept on the cluster are fetched when they are looked at.
    """

    def __init__(self, names: Names, items: Any, columns: Columns) -> None:
        self._names, self._items, self._columns = names, items, columns
        self._copies: Copies | None = None
        self._good = [i for i, code in enumerate(columns.states) if code in _GOOD]

    def __len__(self) -> int:
        return len(self._good)

    @overload
    def __getitem__(self, position: int) -> Any: ...
    @overload
    def __getitem__(self, position: slice) -> list[Any]: ...
    def __getitem__(self, position: int | slice) -> Any:
        if isinstance(position, slice):
            return [self._value(index) for index in self._good[position]]
        return self._value(self._good[position])

    def __repr__(self) -> str:
        return f"<{len(self)} of {len(self._names)} outcomes are successes>"

    def items(self) -> Iterator[Outcome]:
        """Every instance's outcome, in item order."""
        return map(self._outcome, range(len(self._names)))

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The instances that failed, or could not run because something before them failed."""
        return self._in(State.FAILED, State.UPSTREAM_FAILED)

    @property
    def skipped(self) -> tuple[Outcome, ...]:
        """The instances that were skipped."""
        return self._in(State.SKIPPED)

    @property
    def by_key(self) -> Mapping[str, Outcome]:
        """Every outcome by its key; a name with special characters works as well."""
        return _ByKey((outcome.key, outcome) for outcome in self.items())

    def fingerprint_content(self) -> tuple[Any, ...]:
        """The content that results made of them depend on; not times, workers and attempts."""
        columns, names = self._columns, self._names
        failures = sorted((i, f.cause, f.error) for i, f in columns.failures.items())
        return (
            names.at(range(len(names))),
            self._items,
            columns.states.translate(_USED_AGAIN_OR_NOT),
            columns.values,
            failures,
        )

    def _in(self, *states: State) -> tuple[Outcome, ...]:
        codes = {CODES[state] for state in states}
        columns = self._columns.states
        return tuple(self._outcome(i) for i in range(len(columns)) if columns[i] in codes)

    def _value(self, index: int) -> Any:
        value = self._columns.values[index]
        value = value.fetch() if isinstance(value, Kept) else value
        return value if self._copies is None else own(value, self._copies)

    def __owned__(self, _own: Callable[[Any], Any]) -> "Outcomes":
        """The same for one call, which may change the values: each is copied on access."""
        mine = copy(self)
        mine._copies = {}  # noqa: SLF001 - its own
        return mine

    def _outcome(self, index: int) -> Outcome:
        columns = self._columns
        state = columns.state(index)
        failure = columns.failures.get(index)
        started = columns.started[index] if index < len(columns.states) else 0.0
        return Outcome(
            key=self._names[index],
            index=-1 if self._items is None else index,
            args={} if self._items is None else _settled_arguments(self._items[index]),
            state=state,
            value=self._value(index) if index < len(columns.states) else None,
            error=failure.error if failure else None,
            cause=failure.cause if failure else None,
            traceback=failure.traceback if failure else "",
            tries=columns.tries.get(index, 1 if started else 0),
            started=started or None,
            ended=columns.ended[index] if started else None,
            worker=columns.worker(index),
        )


class _ByKey(dict[str, Outcome]):
    """Outcomes by key, found by a name as the user wrote it as well, such as "eu/7"."""

    def __missing__(self, name: str) -> Outcome:
        written = keys.part(name)
        if written == name or not super().__contains__(written):
            raise KeyError(name)
        return self[written]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (
            isinstance(name, str) and super().__contains__(keys.part(name))
        )

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default  # noqa: SIM401 - this is how `get` works


def _settled_arguments(item: Any) -> Mapping[str, Any]:
    """The arguments an item stands for; empty if a `.map` function fails."""
    try:
        with user_code():
            settled = settle(item)
            return {name: settle(value) for name, value in settled.items()}
    except RaisedError:  # the instance failed with the same error, and reports it
        return {}
