"""The ends of instances and of nodes: noted, counted, and passed on to their followers.

Touches no library; pure; used by the engine; runs on the driver.
"""

from collections.abc import Sequence

from orchestrator.mapping.authoring.trigger_rules import CAN_BE_EARLY
from orchestrator.mapping.engine.events import Effects
from orchestrator.mapping.engine.node_state import NodeState
from orchestrator.mapping.execution.invoke import Failure
from orchestrator.records import State


class Ends:
    """Notes ends, and the nodes and instances to look at because of them.

    Args:
        nodes: The engine's nodes, by number.

    Attributes:
        unfinished: The number of nodes that have not ended.
        effects: The effects for the driver loop.
        look_at: Numbers of nodes whose upstreams have changed.
        follow: Ended instances that other nodes follow one by one.
    """

    def __init__(self, nodes: Sequence[NodeState]) -> None:
        self._nodes = nodes
        self.unfinished = 0
        self.effects = Effects()
        self.look_at: list[int] = []
        self.follow: list[tuple[NodeState, Sequence[int]]] = []

    def take_effects(self) -> Effects:
        """The effects since the last call."""
        effects, self.effects = self.effects, Effects()
        return effects

    def end(self, state: NodeState, indices: Sequence[int], end: State) -> None:
        """Note that instances have ended for good."""
        if not indices:
            return
        state.set(indices, end)
        self.effects.ended.append((state.number, indices))
        if state.consumers:
            self.follow.append((state, indices))
        if state.done:
            self._finish(state)
        elif any(self._nodes[follower].rule in CAN_BE_EARLY for follower in state.followers):
            self.look_at += state.followers

    def succeed(self, state: NodeState, indices: Sequence[int], end: State) -> None:
        """Note that instances have a value."""
        if state.columns.failures:  # failures of earlier attempts
            for index in indices:
                state.columns.failures.pop(index, None)
        self.end(state, indices, end)

    def fail(self, state: NodeState, index: int, failure: Failure) -> None:
        """Note that an instance has failed for good."""
        state.columns.failures[index] = failure
        self.end(state, [index], State.SKIPPED if failure.skipped else State.FAILED)

    def close(self, state: NodeState, end: State, reason: str) -> None:
        """End a map without any instance."""
        state.closed, state.reason, state.length = end, reason, 0
        self.effects.ended.append((state.number, (-1,)))
        self.look_at += state.consumers
        self._finish(state)

    def cancel(self, state: NodeState, reason: str) -> None:
        """End all unfinished instances of a node as skipped."""
        if state.done:
            return
        if state.length is None:
            self.close(state, State.SKIPPED, reason)
            return
        unended = state.unended()
        running = [i for i in unended if state.columns.state(i) is State.RUNNING]
        if running:
            self.effects.cancelled.append((state.number, running))
        state.count_running(-state.running)
        state.ready.clear()
        state.judged = bytearray(b"\x01") * len(state.judged)
        state.columns.failures.update(dict.fromkeys(unended, Failure(skipped=True, error=reason)))
        self.end(state, unended, State.SKIPPED)

    def _finish(self, state: NodeState) -> None:
        self.unfinished -= 1
        self.effects.done.append(state.number)
        self.look_at += state.followers
