"""The state of one node and its instances: the engine's memory of a node.

Touches no library; pure; runs on the driver.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator import keys
from orchestrator.mapping.authoring.limit_groups import Use
from orchestrator.mapping.authoring.nodes import Node
from orchestrator.mapping.authoring.product import Product
from orchestrator.mapping.authoring.sequences import Lazy, Origin
from orchestrator.mapping.authoring.trigger_rules import Rule, UpstreamCounts
from orchestrator.mapping.engine.queues import Ready
from orchestrator.mapping.execution.invoke import settle
from orchestrator.mapping.outcomes import CODES, Columns, Names, Outcomes
from orchestrator.records import State

WHOLE_ITEM = "**"
"""The column of `expand_kwargs`: each value is a dict of arguments."""

RUNNING = CODES[State.RUNNING]

_GOOD = frozenset({State.SUCCESS, State.CACHED})
_BAD = frozenset({State.FAILED, State.UPSTREAM_FAILED})
_ENDED = _GOOD | _BAD | {State.SKIPPED}


def _tally_of(state: State) -> UpstreamCounts:
    if state not in _ENDED:
        return UpstreamCounts(waiting=1)
    return UpstreamCounts(
        success=int(state in _GOOD), failed=int(state in _BAD), skipped=int(state is State.SKIPPED)
    )


_TALLIES = tuple(_tally_of(state) for state in CODES)
"""The counts an instance adds for instances made of it, by the code of its state."""


@dataclass(slots=True)
class NodeState:
    """The state of one node.

    Attributes:
        node: The node of the graph.
        number: Its number in the engine; later nodes have higher ones.
        rule: When its instances run; None for the default of each of its upstreams.
        wholes: Numbers of the nodes it waits for as a whole.
        sources: Numbers of the mapped nodes whose instances its items are made of, one by one.
        picked: By number, of those of which it takes single instances only: their keys.
        followers: The nodes that wait for this one as a whole.
        consumers: The nodes whose items are made of this one's instances.
        items: The sequence it is mapped over, once known; None before, and for a plain call.
        item_names: The names of its items, where they are made of several mapped nodes' instances.
        length: The number of its instances; None until it is known.
        closed: The end state of a node that ended without any instance.
        reason: The reason why it was closed.
        dependents: By instance of a source, the own instances made of it; None where it is
            always the one of the same index.
        judged: The verdicts given, one byte each: one for every instance where there are
            sources, else a single one for all.
        ready: The instances that may start.
        running: The number of running instances.
        uses: The limits of the flow run that its instances keep.
        lifted: Whether they no longer need to, since coordinators waited for each other.
        columns: The states of its instances.
        listed: The items of a plain call's value, once a node is mapped over them.
        counts: Instances by state, of those that have ended.
        chosen: Keys that a `key` option gave, by index.
        ordinal: The number of earlier calls of this node by its coordinator.
        constants: The last known arguments that all instances share.
        constants_are_final: Whether they cannot change any more.
        superseded: Whether an attempt of its coordinator called it that was repeated since.
        suspects: Instances lost with a worker before.
        lost: The number of workers each of them has lost.
    """

    node: Node
    number: int
    rule: Rule | None
    wholes: tuple[int, ...] = ()
    sources: tuple[int, ...] = ()
    picked: dict[int, tuple[str, ...]] = field(default_factory=dict)
    followers: list[int] = field(default_factory=list)
    consumers: list[int] = field(default_factory=list)
    items: Lazy | None = None
    item_names: Sequence[str | None] | None = None
    length: int | None = None
    closed: State | None = None
    reason: str = ""
    dependents: dict[Origin, list[int]] | None = None
    judged: bytearray = field(default_factory=bytearray)
    ready: Ready = field(default_factory=Ready)
    running: int = 0
    uses: tuple[Use, ...] = ()
    lifted: bool = False
    columns: Columns = field(default_factory=Columns)
    listed: Lazy | None = None
    counts: dict[State, int] = field(default_factory=dict)
    chosen: dict[int, str] = field(default_factory=dict)
    ordinal: int = 0
    constants: dict[str, Any] = field(default_factory=dict)
    constants_are_final: bool = False
    superseded: bool = False
    suspects: set[int] = field(default_factory=set)
    lost: dict[int, int] = field(default_factory=dict)

    @property
    def mapped(self) -> bool:
        """Whether it is an expansion rather than a plain call."""
        return self.node.items is not None

    @property
    def keyed(self) -> bool:
        """Whether a `key` option names its instances, each when it may start."""
        return self.node.items is not None and self.node.task.settings.key is not None

    @property
    def room(self) -> float:
        """The number of its instances that may still start now."""
        most = self.node.task.settings.max_active_per_call
        room = math.inf if most is None else most - self.running
        if self.uses and not self.lifted:
            room = min(room, *(use.room for use in self.uses))
        return room

    @property
    def ended(self) -> int:
        """The number of instances that have ended."""
        return sum(self.counts.values())

    @property
    def done(self) -> bool:
        """Whether its state is final."""
        return self.closed is not None or (self.length is not None and self.ended == self.length)

    @property
    def names(self) -> Names:
        """The keys of its instances."""
        chosen = self.chosen if self.keyed else None
        return Names(self.node.prefix, self.items, chosen, self.length or 0, self.ordinal)

    @property
    def outcomes(self) -> Outcomes:
        """The current outcomes of its instances, for a reduce or a person."""
        return Outcomes(self.names, self.items, self.columns)

    @property
    def value(self) -> Any:
        """The value a plain call has returned; None without one."""
        return self.columns.values[0] if self.columns.values else None

    def value_at(self, index: int) -> Any:
        """The value an instance has returned; None without one."""
        values = self.columns.values
        return values[index] if index < len(values) else None

    def index_of(self, key: str) -> int | None:
        """The instance with a key; a coordinator's own prefix may be left out."""
        names = self.names
        wanted = {keys.part(key), keys.below(self.node.prefix, keys.part(key))}
        wanted |= {key, keys.below(self.node.prefix, key)}
        return next(
            (i for i, name in enumerate(names.at(range(len(names)))) if name in wanted), None
        )

    def unended(self) -> list[int]:
        """The instances that have not ended."""
        ended = {CODES[state] for state in _ENDED}
        known = [i for i, code in enumerate(self.columns.states) if code not in ended]
        return [*known, *range(len(self.columns.states), self.length or 0)]

    def count_running(self, change: int) -> None:
        """Note that more of its instances run, or fewer."""
        self.running += change
        for use in self.uses:
            use.group.running += change

    def set(self, indices: Sequence[int], state: State) -> None:
        """Note the state of some instances."""
        self.columns.set(indices, state)
        if state in _ENDED:
            self.counts[state] = self.counts.get(state, 0) + len(indices)

    def columns_of(self, indices: Sequence[int]) -> dict[str, list[Any]]:
        """The arguments that differ between instances, one list for each name, not settled yet."""
        if self.items is None:
            return {}
        if isinstance(self.items, Product):
            return self.items.columns(indices)
        return {WHOLE_ITEM: [self.items[index] for index in indices]}

    def item(self, index: int) -> dict[str, Any]:
        """The differing arguments of one instance, in the form its task receives."""
        item = {} if self.items is None else settle(self.items[index])
        return {name: settle(part) for name, part in item.items()}

    def arguments(self, index: int) -> dict[str, Any]:
        """All arguments of one instance, in the form its task receives."""
        return {**self.constants, **self.item(index)}

    def tally(self) -> UpstreamCounts:
        """The counts that the node as a whole adds for nodes that wait for it.

        Failures of a map that `min_success` and `max_failures` tolerate count as successes.
        """
        if self.closed is not None:
            return _TALLIES[CODES[self.closed]]
        if self.length is None:
            return UpstreamCounts(waiting=1)
        success, failed, skipped = (
            sum(self.counts.get(state, 0) for state in states)
            for states in (_GOOD, _BAD, (State.SKIPPED,))
        )
        waiting = self.length - success - failed - skipped
        if self._has_tolerance and not waiting:
            tolerated = self._tolerates(success, failed)
            success, failed = (success + failed, 0) if tolerated else (success, max(failed, 1))
        elif self._has_tolerance:  # only the last end decides whether failures are tolerated
            failed = 0
        return UpstreamCounts(waiting, success, failed, skipped)

    def tally_of(self, index: int) -> UpstreamCounts:
        """The counts that one instance adds for instances made of it."""
        states = self.columns.states
        return _TALLIES[states[index] if index < len(states) else 0]

    @property
    def _has_tolerance(self) -> bool:
        settings = self.node.task.settings
        limited = settings.min_success is not None or settings.max_failures is not None
        return limited and self.mapped

    def _tolerates(self, success: int, failed: int) -> bool:
        settings, total = self.node.task.settings, self.length or 0
        enough = settings.min_success is None or success >= _number(settings.min_success, total)
        few = settings.max_failures is None or failed <= _number(settings.max_failures, total)
        return enough and few


def _number(limit: float, total: int) -> float:
    """A limit given as a number, or as a share: a float of at most 1."""
    return limit * total if isinstance(limit, float) and limit <= 1 else limit
