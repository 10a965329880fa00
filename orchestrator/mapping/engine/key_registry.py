"""The keys of one flow run's instances: each names one instance of its node, in all its calls.

Two calls belong to one node if a coordinator calls a task that `grows`, or if the keys of two
coordinators have the same beginning. Their instances share rows of the ledger, so their keys must
differ.

Touches no library; pure; used by the engine; takes `NodeState`; runs on the driver.
"""

from collections import Counter
from dataclasses import dataclass, field

from orchestrator import keys
from orchestrator.errors import FlowError
from orchestrator.mapping.authoring.sequences import Origin
from orchestrator.mapping.engine.node_state import NodeState
from orchestrator.user_code import RaisedError, shown, user_code

_Maker = tuple[Origin | None, int]


@dataclass(slots=True)
class _Node:
    """The calls that are one node, and the instances that have a key.

    Attributes:
        calls: Its calls, in the order of the flow.
        prefixes: The number of calls by each coordinator, by the coordinator's key.
        makers: The coordinator's instance and its attempt, by the same key.
        above: The coordinators' keys, and all keys above them.
        together: Whether two calls may have the same keys.
        holders: The call and the map index of the instance that has a key, by key.
    """

    calls: list[NodeState] = field(default_factory=list)
    prefixes: Counter[str] = field(default_factory=Counter)
    makers: dict[str, _Maker] = field(default_factory=dict)
    above: set[str] = field(default_factory=set)
    together: bool = False
    holders: dict[str, tuple[NodeState, int]] = field(default_factory=dict)

    def made_by(self, prefix: str, maker: _Maker) -> None:
        """Drop the calls of an earlier attempt: the calls of a later one replace them."""
        if self.makers.setdefault(prefix, maker) == maker:
            return
        self.makers[prefix] = maker
        self.prefixes[prefix] = 0
        self.calls = [call for call in self.calls if call.node.prefix != prefix]
        left = set(map(id, self.calls))
        self.holders = {k: held for k, held in self.holders.items() if id(held[0]) in left}


class KeyRegistry:
    """The keys of a flow run's instances, and their holders."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}

    def enter(self, state: NodeState, attempt: int) -> None:
        """Add a call, before it has instances.

        Args:
            state: The call.
            attempt: The number of the coordinator's attempt that made it.
        """
        node = self._nodes.setdefault(state.node.name, _Node())
        prefix = state.node.prefix
        node.made_by(prefix, (state.node.parent, attempt))
        above = _prefixes_of(prefix)
        may_meet = prefix in node.above or any(each in node.prefixes for each in above)
        if may_meet and node.calls and not node.together:
            node.together = True
            for call in node.calls:
                self._claim_all(node, call)
        state.ordinal = node.prefixes[prefix]
        node.prefixes[prefix] += 1
        node.above.update(above)
        node.calls.append(state)

    def expanded(self, state: NodeState) -> None:
        """Add the instances of a call, whose number is now known.

        Raises:
            FlowError: An instance of another call has the key of one of them.
        """
        node = self._nodes[state.node.name]
        if node.together:
            self._claim_all(node, state)

    def claim(self, state: NodeState, index: int, name: str) -> None:
        """Give an instance the name that its `key` option gave.

        Raises:
            FlowError: Another instance has it.
        """
        _claim(self._nodes[state.node.name], state, index, keys.below(state.node.prefix, name))
        state.chosen[index] = name

    def _claim_all(self, node: _Node, state: NodeState) -> None:
        """Claim the keys of a call that follow from its items."""
        if state.length is None or state.keyed:  # unknown yet, or claimed one by one
            return
        names = state.names
        for index in range(state.length):
            _claim(node, state, index, names[index])


def _claim(node: _Node, state: NodeState, index: int, key: str) -> None:
    other, of_other = node.holders.setdefault(key, (state, index))
    if other is not state or of_other != index:
        raise FlowError(
            f"two items of {state.node.name!r} have the key {keys.readable(key)!r}: "
            f"{_shown(other, of_other)} and {_shown(state, index)}"
        )


def _shown(state: NodeState, index: int) -> str:
    try:
        with user_code():  # a `.map` function is applied here
            return shown(state.arguments(index))
    except RaisedError:
        return f"item {index}"


def _prefixes_of(prefix: str) -> list[str]:
    """A key and the keys above it; only itself in a flow."""
    parts = prefix.split("/")
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]
