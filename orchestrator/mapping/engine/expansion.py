"""Expansion: a node's items, once the nodes it maps over are known.

    sources_of    the nodes a node maps over
        obstacle      the reason why it cannot be expanded, yet or ever
        expand        binds, counts and checks its items

Touches no library; pure; takes and fills `NodeState`; runs on the driver.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from orchestrator import keys
from orchestrator.errors import FlowError
from orchestrator.mapping.authoring.nodes import (
    Listed,
    Node,
    Picked,
    Reference,
    references,
    resolved,
    taken_of,
)
from orchestrator.mapping.authoring.product import Product
from orchestrator.mapping.authoring.sequences import Items, Lazy, Mapped, Origin, lazy
from orchestrator.mapping.authoring.tasks import check_item
from orchestrator.mapping.authoring.trigger_rules import UpstreamCounts
from orchestrator.mapping.engine.node_state import NodeState
from orchestrator.mapping.execution.executor import Kept
from orchestrator.mapping.execution.invoke import Deferred, Entry, Gathered
from orchestrator.records import State

StateOf = Callable[[Node], NodeState]


class Instances(Lazy):
    """A mapped node's values as items to map over, under the same keys.

    Names are those of the first node up the chain that names its instances itself, which is found
    once for each node, so that a chain may be long.
    """

    def __init__(self, source: NodeState) -> None:
        self._source = source
        below = None if source.keyed else _followed(source.items)
        self.namer: NodeState = source if below is None else below.namer
        items = self.namer.items
        self._may_be_named = items is not None and items.named

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
    def label(self) -> str | None:
        """The name of the node."""
        return self._source.node.name.partition("@")[0]

    def require_distinct_names(self) -> None:
        """Do nothing: the node below ensures it."""

    @property
    def named(self) -> bool:
        """Whether the instances below have names."""
        return self.namer.keyed or self._may_be_named

    def name(self, index: int) -> str | None:
        """The key of the instance below, without the coordinator's."""
        namer, unnamed = self.namer, list[NodeState]()
        while namer.keyed and index not in namer.chosen:  # a loop, since chains may be long
            unnamed.append(namer)
            below = _followed(namer.items)
            if below is None:
                break
            namer = below.namer
        name = _name_in(namer, index)
        for each in reversed(unnamed):
            place = str(index) if name is None else name
            name = keys.unnamed(f"{each.ordinal}.{place}" if each.ordinal else place)
        return name

    @property
    def names_are_known(self) -> bool:
        """Whether the names are final, and are found without looking further down."""
        namer = self.namer
        return not namer.keyed and (
            not self._may_be_named or not namer.sources or namer.item_names is not None
        )

    def origins(self, index: int) -> tuple[Origin, ...]:
        """The instance itself."""
        return (Origin(self._source.number, index),)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the values and their names for a worker, without the engine behind them."""
        names = [self.name(index) or str(index) for index in range(len(self))]
        return Items, (list(self), names if self.named else None)


def _name_in(namer: NodeState, index: int) -> str | None:
    """The name that a node itself gives an instance."""
    if index in namer.chosen:
        return namer.chosen[index]
    if namer.item_names is not None:
        return namer.item_names[index]
    return None if namer.items is None else namer.items.name(index)


def wholes_of(node: Node) -> list[Node]:
    """The nodes whose value a node takes as a whole: as an argument, a list, or one item."""
    arguments = [r.node for value in node.constants.values() for r in references(value)]
    arguments += [reference.node for reference in node.task.follows]
    return arguments + [of for of, whole in _mapped_over(node) if whole]


def picks_of(node: Node) -> dict[Node, tuple[str, ...]]:
    """The mapped nodes of which a node's arguments take only single instances, and their keys."""
    whole = {of for of, is_whole in _mapped_over(node) if is_whole}
    whole |= {reference.node for reference in node.task.follows}
    picked: dict[Node, list[str]] = {}
    for taken in taken_of(node.constants):
        if isinstance(taken, Picked) and taken.reference.node.items is not None:
            picked.setdefault(taken.reference.node, []).append(taken.path[0])
        else:
            whole |= {reference.node for reference in references(taken)}
    return {of: tuple(some) for of, some in picked.items() if of not in whole}


def sources_of(node: Node) -> list[Node]:
    """The mapped nodes whose instances a node follows one by one."""
    return [of for of, whole in _mapped_over(node) if not whole]


def obstacle(node: Node, state_of: StateOf) -> tuple[Literal["wait"] | State, str] | None:
    """The reason why a node cannot be expanded; None if it can.

    A plain call whose list it maps over must have succeeded, a mapped node must know its length;
    if that has become impossible, the node ends as a whole, whatever its rule.
    """
    found = {_standing(state_of(of), whole=whole): of.name for of, whole in _mapped_over(node)}
    for verdict in ("wait", State.UPSTREAM_FAILED, State.SKIPPED):
        if verdict in found:
            return verdict, f"{found[verdict]!r}, which it maps over, did not succeed"
    return None


def _mapped_over(node: Node) -> Iterator[tuple[Node, bool]]:
    """The nodes it maps over, and whether it needs the value of the whole."""
    for leaf in _leaves(node):
        if isinstance(leaf, Listed):
            yield from ((reference.node, True) for reference in leaf.references)
        elif isinstance(leaf, Reference):
            yield leaf.node, leaf.node.items is None


def _standing(source: NodeState, *, whole: bool) -> Literal["wait", "fine"] | State:
    """The current obstacle of a source: wait for it, end in this state, or none."""
    known = source.done if whole else source.closed is not None or source.length is not None
    if not known:
        return "wait"
    tally = UpstreamCounts() if source.mapped and source.closed is None else source.tally()
    if tally.failed:
        return State.UPSTREAM_FAILED
    return State.SKIPPED if tally.skipped else "fine"


def expand(state: NodeState, state_of: StateOf, longest: int) -> None:
    """Bind a node's items, and count and check them.

    Raises:
        FlowError: It maps over a value that cannot be mapped over, or is too long.
        MachineryError: The value it maps over is lost with the cluster that kept it.
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
    if not state.keyed:
        items.require_distinct_names()
    if state.sources and _followed(items) is None:
        if items.named and all(_names_are_known(leaf) for leaf in items.leaves()):
            state.item_names = [items.name(index) for index in range(length)]
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


def argument(wanted: Lazy, state_of: StateOf) -> Any:
    """The value of a reference, or of a sequence made of references, as an argument.

    A plain call gives its value, or None without one; a mapped node its outcomes. A sequence made
    of them is settled where the argument is used.

    Raises:
        FlowError: A plain call's value cannot be mapped over, or no instance has the key.
    """
    if isinstance(wanted, Reference):
        source = state_of(wanted.node)
        return source.outcomes if source.mapped else source.value
    if isinstance(wanted, Picked):
        return _picked(wanted, state_of(wanted.reference.node))
    sources = [state_of(reference.node) for reference in references(wanted)]
    if any(not source.mapped and not source.tally().success for source in sources):
        return None
    items = wanted.bound(lambda leaf: _known(leaf, state_of))
    numbers = {source.number: source for source in sources}
    good = (
        index
        for index in range(len(items))
        if all(numbers[node].tally_of(of).success for node, of in items.origins(index))
    )
    return Gathered(tuple(items.at(good)))


def _picked(wanted: Picked, source: NodeState) -> Any:
    """One instance's value, or one entry of a plain call's, which is looked up where it is used."""
    value, path = source.value, wanted.path
    if source.mapped:
        index = source.index_of(path[0])
        if index is None:
            raise FlowError(f"{source.node.name!r} has no instance with the key {path[0]!r}")
        value, path = source.value_at(index), path[1:]
    if not path or value is None:
        return value
    return Deferred(value, tuple(Entry(key) for key in path))


def _known(leaf: Lazy, state_of: StateOf) -> Lazy:
    """The known items of a leaf of a mapped sequence."""
    if isinstance(leaf, Listed):
        return lazy(resolved(leaf.value, lambda wanted: argument(wanted, state_of)))
    if not isinstance(leaf, Reference):
        return leaf
    source = state_of(leaf.node)
    if source.mapped:
        return Instances(source)
    if source.listed is None:  # counted and named here, also a large one, and brought here once
        value = source.value
        source.listed = lazy(value.fetch() if isinstance(value, Kept) else value)
    return source.listed


def _names_are_known(leaf: Lazy) -> bool:
    return not isinstance(leaf, Instances) or leaf.names_are_known


def _check(node: Node, items: Lazy) -> None:
    """Refuse dicts that cannot be arguments, before any instance starts."""
    for index in range(len(items)):
        item = items[index]
        if not items.origins(index) and not isinstance(item, Deferred):
            place = f"item {index}"
            check_item(node.task, item, node.constants, strict=node.strict, place=place)


def _followed(items: Lazy | None) -> Instances | None:
    """The instances of the only mapped node that these items follow, if they follow just one."""
    while True:
        if isinstance(items, Product) and len(items.axes) == 1:
            items = items.parts[0]
        elif isinstance(items, Mapped):
            items = items.inner
        else:
            return items if isinstance(items, Instances) else None
