"""Calls of several nodes in one batch, for the many small maps of coordinators.

Inside the executor an instance has one number that includes its node. So the code that follows
calls on the cluster need not know their nodes; events that leave the executor are split by node
again. Touches no library; takes and gives `Calls` and events. Runs on the driver.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace

from orchestrator.mapping.execution.executor import Calls, Ended, Event, Lost

_ANY_NODE = -1
_BITS = 40
"""Bits of an instance's number for its index; the rest are for its node."""

_PLAIN = frozenset({type(None), bool, int, float, str, bytes})

_LEAST_INDEX = -1
"""The index of a plain call."""


def numbered(calls: Calls) -> Calls:
    """The same calls, their instances numbered across nodes."""
    return replace(calls, node=_ANY_NODE, indices=numbers(calls.node, calls.indices))


def numbers(node: int, indices: Sequence[int]) -> list[int]:
    """The numbers of a node's instances inside the executor."""
    first = (node << _BITS) - _LEAST_INDEX
    return [first + index for index in indices]


def shared(calls: Calls) -> Hashable:
    """The common part of calls beside their placement; equal if they could belong to one node.

    Constants count by value where they are plain. Others may be changed before another node's
    calls are made, so those calls have nothing in common.
    """
    plain = all(type(value) in _PLAIN for value in calls.constants.values())
    constants = tuple((name, type(value), value) for name, value in calls.constants.items())
    node = calls.indices[0] >> _BITS
    return id(calls.function), calls.retry_on, constants if plain else node


def alike(calls: Calls, others: Calls) -> bool:
    """Whether calls could belong to one node: they differ only in arguments."""
    return (
        calls.name == others.name
        and calls.columns.keys() == others.columns.keys()
        and calls.placement == others.placement
        and calls.suspect == others.suspect
        and shared(calls) == shared(others)
    )


def together(parts: Sequence[Calls]) -> Calls:
    """Merge calls that are alike."""
    first, *others = parts
    if not others:
        return first
    return replace(
        first,
        indices=[index for part in parts for index in part.indices],
        columns={
            name: [value for part in parts for value in part.columns[name]]
            for name in first.columns
        },
        keys=[key for part in parts for key in part.keys],
        tries=_tries(parts),
    )


def _tries(parts: Sequence[Calls]) -> list[int]:
    """The numbers of the calls' attempts; empty where all are the first."""
    if not any(part.tries for part in parts):
        return []
    return [each for part in parts for each in part.tries or [1] * len(part.indices)]


def by_node(event: Event) -> Iterator[Event]:
    """Split an event by node, with its instances by map index again."""
    positions: dict[int, list[int]] = {}
    for position, number in enumerate(event.indices):
        positions.setdefault(number >> _BITS, []).append(position)
    for node, some in positions.items():
        yield _of_node(event, node, some)


def _of_node(event: Event, node: int, positions: Sequence[int]) -> Event:
    indices = [_index(event.indices[position]) for position in positions]
    if isinstance(event, Ended):
        whole = len(positions) == len(event.indices)
        performed = event.performed if whole else event.performed.at(positions)
        return replace(event, node=node, indices=indices, performed=performed)
    if isinstance(event, Lost):
        culprit = None if event.culprit is None else _index(event.culprit)
        return replace(event, node=node, indices=indices, culprit=culprit)
    return replace(event, node=node, indices=indices)


def _index(number: int) -> int:
    return (number & ((1 << _BITS) - 1)) + _LEAST_INDEX
