"""How the instances of one node stand: the engine's memory of a node.

Touches no library; pure; runs on the driver.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from orchestrator.mapping.calling import Failure
from orchestrator.mapping.nodes import Node
from orchestrator.mapping.outcomes import CODES, Columns, Names, Outcomes
from orchestrator.mapping.rules import Rule, Tally
from orchestrator.mapping.sequences import Lazy, Origin
from orchestrator.records import State

_ENDED = frozenset(
    {State.SUCCESS, State.CACHED, State.FAILED, State.SKIPPED, State.UPSTREAM_FAILED}
)


class Ready:
    """Instances that may start: a range not yet begun, and single ones by priority.

    A product of a billion is a range, so that it costs nothing until it is taken from.
    """

    def __init__(self) -> None:
        self._next: int = 0
        self._stop: int = 0
        self._heap: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return self._stop - self._next + len(self._heap)

    def open(self, count: int) -> None:
        """All instances from the first to this many may start, in order."""
        self._stop = count

    def push(self, index: int, priority: float = 0.0) -> None:
        """One more may start."""
        heapq.heappush(self._heap, (-priority, index))

    def pop(self, limit: int) -> list[int]:
        """At most so many, those that were pushed first."""
        taken = [heapq.heappop(self._heap)[1] for _ in range(min(limit, len(self._heap)))]
        more = min(limit - len(taken), self._stop - self._next)
        taken.extend(range(self._next, self._next + more))
        self._next += more
        return taken

    def clear(self) -> Iterator[int]:
        """Everything that was waiting, which will not be started."""
        while self:
            yield from self.pop(10_000)


@dataclass(slots=True)
class NodeState:
    """How one node stands.

    Attributes:
        node: What was written down.
        number: Its number in the engine; later nodes have higher ones.
        wholes: Numbers of the nodes it waits for as a whole.
        sources: Numbers of the nodes whose instances its items are made of.
        items: What it is mapped over, once that is known; None before, and for a plain call.
        length: How many instances it has; None until that is known.
        closed: For a node that ended without any instance: how.
        reason: Why it was closed.
        columns: How its instances stand.
        chosen: Keys that a `key` option gave, by index.
        counts: Instances by state, of those that have ended.
        running: How many are.
        followers: Nodes that wait for this one as a whole.
        consumers: Nodes whose items are made of this one's instances.
        dependents: By instance of a source, the own instances made of it; None where that is
            simply the one of the same index.
        constants: The arguments all instances share, once they are asked for.
        judged: Instances that were given a verdict, one byte each; empty until the first.
        opened: Whether a verdict that holds for all instances was given.
        told: Whether those that wait for it know that it is done.
        holders: By key that a `key` option gave, the instance that has it.
        suspects: Lost with a worker before.
        lost: How many workers each instance has lost.
    """

    node: Node
    number: int
    rule: Rule
    wholes: tuple[int, ...] = ()
    sources: tuple[int, ...] = ()
    items: Lazy | None = None
    length: int | None = None
    closed: State | None = None
    reason: str = ""
    columns: Columns = field(default_factory=Columns)
    chosen: dict[int, str] = field(default_factory=dict)
    counts: dict[State, int] = field(default_factory=dict)
    running: int = 0
    ready: Ready = field(default_factory=Ready)
    followers: list[int] = field(default_factory=list)
    consumers: list[int] = field(default_factory=list)
    dependents: dict[Origin, list[int]] | None = None
    constants: dict[str, Any] | None = None
    judged: bytearray = field(default_factory=bytearray)
    opened: bool = False
    told: bool = False
    holders: dict[str, int] = field(default_factory=dict)
    suspects: set[int] = field(default_factory=set)
    lost: dict[int, int] = field(default_factory=dict)

    @property
    def mapped(self) -> bool:
        """Whether it is more than a plain call."""
        return self.node.items is not None

    @property
    def ended(self) -> int:
        """How many instances have ended."""
        return sum(self.counts.values())

    @property
    def done(self) -> bool:
        """Whether nothing of it can change any more."""
        return self.closed is not None or (self.length is not None and self.ended == self.length)

    @property
    def names(self) -> Names:
        """The keys of its instances."""
        return Names(self.node.prefix, self.items, self.chosen, self.length or 0)

    @property
    def outcomes(self) -> Outcomes:
        """How its instances stand now, for a reduce or a person."""
        return Outcomes(self.names, self.items, self.columns)

    def has_ended(self, index: int) -> bool:
        """Whether an instance has."""
        return self.columns.state(index) in _ENDED

    def set(self, index: int, state: State, failure: Failure | None = None) -> None:
        """Note an instance's state, and why."""
        columns = self.columns
        columns.reach(index)
        columns.states[index] = CODES[state]
        if failure is not None:
            columns.failures[index] = failure
        if state in _ENDED:
            self.counts[state] = self.counts.get(state, 0) + 1

    def tally(self) -> Tally:
        """What the node as a whole means to those that wait for it."""
        if self.closed is not None:
            did_fail = self.closed in {State.FAILED, State.UPSTREAM_FAILED}
            return Tally(failed=1) if did_fail else Tally(skipped=1)
        if self.length is None:
            return Tally(waiting=1)
        count = self.counts.get
        success = count(State.SUCCESS, 0) + count(State.CACHED, 0)
        failed = count(State.FAILED, 0) + count(State.UPSTREAM_FAILED, 0)
        skipped = count(State.SKIPPED, 0)
        waiting = self.length - success - failed - skipped
        if not waiting and self._has_tolerance:
            failed = 0 if self._tolerates(success, failed) else max(failed, 1)
        return Tally(waiting, success, failed, skipped)

    def tally_of(self, index: int) -> Tally:
        """What one instance means to those made of it."""
        state = self.columns.state(index)
        if state in {State.SUCCESS, State.CACHED}:
            return Tally(success=1)
        if state in {State.FAILED, State.UPSTREAM_FAILED}:
            return Tally(failed=1)
        return Tally(skipped=1) if state is State.SKIPPED else Tally(waiting=1)

    @property
    def _has_tolerance(self) -> bool:
        settings = self.node.task.settings
        return settings.min_success is not None or settings.max_failures is not None

    def _tolerates(self, success: int, failed: int) -> bool:
        settings, total = self.node.task.settings, self.length or 0
        enough = settings.min_success is None or success >= _number(settings.min_success, total)
        few = settings.max_failures is None or failed <= _number(settings.max_failures, total)
        return enough and few


def _number(limit: float, total: int) -> float:
    """A limit given as a number, or as a share: a float of at most 1."""
    return limit * total if isinstance(limit, float) and limit <= 1 else limit
