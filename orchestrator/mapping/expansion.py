"""Expansion: what a node's items are, once the nodes it maps over are known.

    sources_of    which nodes a node maps over, and which it waits for as a whole
    obstacle      why it cannot be expanded: not yet, or never
    expand        binds its items, counts and checks them

Touches no library; pure; takes and fills `NodeState`; runs on the driver.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from orchestrator.errors import FlowError
from orchestrator.mapping.calling import Deferred
from orchestrator.mapping.node_state import NodeState
from orchestrator.mapping.nodes import Node, OneItem, Reference, references
from orchestrator.mapping.product import Product
from orchestrator.mapping.rules import Tally
from orchestrator.mapping.sequences import Items, Lazy, Mapped, Origin, lazy
from orchestrator.mapping.tasks import check_item
from orchestrator.records import State

StateOf = Callable[[Node], NodeState]


class Instances(Lazy):
    """A mapped node's values as something to map over: item by item, under the same keys."""

    def __init__(self, source: NodeState) -> None:
        self._source = source

    def __len__(self) -> int:
        return self._source.length or 0

    def __getitem__(self, index: int) -> object:
        values = self._source.columns.values
        return values[index] if index < len(values) else None

    def at(self, indices: Iterable[int]) -> list[Any]:
        """The values of some instances; None for those that have none yet."""
        values = self._source.columns.values
        known = len(values)
        return [values[index] if index < known else None for index in indices]

    @property
    def named(self) -> bool:
        """Whether the instances below have names."""
        items = self._source.items
        return self._source.keyed or (items is not None and items.named)

    def name(self, index: int) -> str | None:
        """The key of the instance below, without the coordinator's."""
        if self._source.keyed:
            return self._source.names.own(index)
        return None if self._source.items is None else self._source.items.name(index)

    def origins(self, index: int) -> tuple[Origin, ...]:
        """The instance itself."""
        return (Origin(self._source.number, index),)

    def __reduce__(self) -> tuple[object, ...]:
        """On a worker: the values and their names, without the engine behind them."""
        names = [self.name(index) or str(index) for index in range(len(self))]
        return Items, (list(self), names if self.named else None)


def wholes_of(node: Node) -> list[Node]:
    """The nodes whose value it takes as a whole: as an argument, as a list, or as one item."""
    arguments = [r.node for value in node.constants.values() for r in references(value)]
    return arguments + [of for of, whole in _mapped_over(node) if whole]


def sources_of(node: Node) -> list[Node]:
    """The mapped nodes whose instances it follows one by one."""
    return [of for of, whole in _mapped_over(node) if not whole]


def obstacle(node: Node, state_of: StateOf) -> tuple[Literal["wait"] | State, str] | None:
    """Why a node cannot be expanded; None if it can.

    A plain call whose list it maps over must have succeeded, a mapped node must know its length;
    where that has become impossible the node ends as a whole, whatever its rule.
    """
    found = {_standing(state_of(of), whole=whole): of.name for of, whole in _mapped_over(node)}
    for verdict in ("wait", State.UPSTREAM_FAILED, State.SKIPPED):
        if verdict in found:
            return verdict, f"{found[verdict]!r}, which it maps over, did not succeed"
    return None


def _mapped_over(node: Node) -> Iterator[tuple[Node, bool]]:
    """The nodes it maps over, and whether it needs the value of the whole."""
    for leaf in _leaves(node):
        if isinstance(leaf, OneItem):
            yield leaf.reference.node, True
        elif isinstance(leaf, Reference):
            yield leaf.node, leaf.node.items is None


def _standing(source: NodeState, *, whole: bool) -> Literal["wait", "fine"] | State:
    """What mapping over a source would come to now."""
    known = source.done if whole else source.closed is not None or source.length is not None
    if not known:
        return "wait"
    tally = Tally() if source.mapped and source.closed is None else source.tally()
    if tally.failed:
        return State.UPSTREAM_FAILED
    return State.SKIPPED if tally.skipped else "fine"


def expand(state: NodeState, state_of: StateOf, longest: int) -> None:
    """Find out a node's items.

    Raises:
        FlowError: What it maps over cannot be mapped over, or is too long.
    """
    if state.node.items is None:
        state.length, state.judged = 1, bytearray(1)
        return
    items = state.node.items.bound(lambda leaf: _known(leaf, state_of))
    length = len(items)
    if length > longest:
        raise FlowError(too_long(state.node.name, length, longest))
    if not isinstance(items, Product):
        _check(state.node, items)
    items.require_distinct_names()
    if state.sources and not _is_one_to_one(items):
        state.dependents = {}
        for index in range(length):
            for origin in items.origins(index):
                state.dependents.setdefault(origin, []).append(index)
    state.items, state.length = items, length
    state.judged = bytearray(length if state.sources else 1)


def too_long(name: str, length: int, limit: int) -> str:
    """The message for an expansion that is too long."""
    return (
        f"{name!r} would have {length:,} instances, more than max_map_length = {limit:,}; "
        "raise it with @flow(max_map_length=...)"
    )


def _leaves(node: Node) -> list[Lazy]:
    return [] if node.items is None else list(node.items.leaves())


def _known(leaf: Lazy, state_of: StateOf) -> Lazy:
    """What a leaf of a mapped sequence has become."""
    if isinstance(leaf, OneItem):
        source = state_of(leaf.reference.node)
        return Items([source.outcomes if source.mapped else source.value])
    if not isinstance(leaf, Reference):
        return leaf
    source = state_of(leaf.node)
    return Instances(source) if source.mapped else lazy(source.value)


def _check(node: Node, items: Lazy) -> None:
    """Refuse dicts that cannot be arguments, before any of them is started."""
    for index in range(len(items)):
        item = items[index]
        if not items.origins(index) and not isinstance(item, Deferred):
            place = f"item {index}"
            check_item(node.task, item, node.constants, strict=node.strict, place=place)


def _is_one_to_one(items: Lazy) -> bool:
    """Whether instance i follows instance i of the one mapped node below, and nothing else."""
    if isinstance(items, Product) and len(items.axes) == 1:
        return _is_one_to_one(next(iter(items.axes.values())))
    if isinstance(items, Mapped):
        return _is_one_to_one(items.inner)
    return isinstance(items, Instances)
