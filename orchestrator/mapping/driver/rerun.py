"""The instances that a flow run runs again despite a recorded success.

These are the chosen instances, the instances they coordinate, and those that depend on any of
them. Values that a coordinator passes from one of its maps to the next are not seen as a
dependency: there a changed argument decides, as usual.

Touches no library; asked by the journal as instances start, upstreams first; runs on the driver.
"""

from collections import defaultdict
from collections.abc import Callable

from orchestrator.mapping.engine.engine import Engine
from orchestrator.mapping.engine.node_state import NodeState

Chosen = Callable[[str, str], bool]
"""Whether an instance, given by its node's name and its key, is to run again."""


class Again:
    """Decides which instances of one flow run run again.

    Args:
        engine: The engine that runs the instances.
        chosen: Selects the instances to begin with.
    """

    def __init__(self, engine: Engine, chosen: Chosen) -> None:
        self._engine, self._chosen = engine, chosen
        self._again: dict[int, set[int]] = defaultdict(set)
        self._above: dict[int, set[int]] = defaultdict(set)

    def includes(self, state: NodeState, index: int) -> bool:
        """Whether an instance that is about to start runs again."""
        if not (
            index in self._again.get(state.number, ())
            or self._chosen(state.node.name, state.names[index])
            or self._is_coordinated(state)
            or self._depends(state, index)
        ):
            return False
        self._again[state.number].add(index)
        self._note_above(state)
        return True

    def _is_coordinated(self, state: NodeState) -> bool:
        parent = state.node.parent
        return parent is not None and parent.instance in self._again.get(parent.node, ())

    def _depends(self, state: NodeState, index: int) -> bool:
        """Whether an instance its arguments are made of ran again."""
        items = state.items
        if items is not None and any(self._ran(*origin) for origin in items.origins(index)):
            return True
        return any(number in self._again or number in self._above for number in state.wholes)

    def _ran(self, number: int, index: int) -> bool:
        return index in self._again.get(number, ()) or index in self._above.get(number, ())

    def _note_above(self, state: NodeState) -> None:
        """Note that the coordinators above depend on it; their other calls need not run again."""
        parent = state.node.parent
        while parent is not None:
            self._above[parent.node].add(parent.instance)
            parent = self._engine.nodes[parent.node].node.parent
