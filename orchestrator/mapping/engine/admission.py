"""Admission: which call's instances may start next, and how many, under the limits of a flow run.

Urgency alone decides the turn of a call without limits. A call with limits waits in each of their
groups, and gets a turn when it comes to the front and there is room. So calls share free room,
whatever their order in the flow, and no call waits for another call's limit.

Touches no library; pure; used by the engine; runs on the driver.
"""

import math
from collections.abc import Mapping, Sequence

from orchestrator.mapping.authoring.limit_groups import Group
from orchestrator.mapping.engine.instance_options import urgency
from orchestrator.mapping.engine.limits import FlowLimits, Pool
from orchestrator.mapping.engine.node_state import NodeState
from orchestrator.mapping.engine.queues import Turns


class Admission:
    """The calls from which something may start.

    Args:
        nodes: The engine's calls, by number.
        pools: The flow's pools, by name.
    """

    def __init__(self, nodes: Sequence[NodeState], pools: Mapping[str, Pool]) -> None:
        self._nodes, self._limits, self._turns = nodes, FlowLimits(pools), Turns()

    def __bool__(self) -> bool:
        """Whether any call has a turn."""
        return bool(self._turns)

    def enter(self, state: NodeState) -> None:
        """Add a new call."""
        settings = state.node.task.settings
        if (settings.max_active, settings.pool, settings.rate) != (None, None, None):
            state.uses = self._limits.uses_of(state, self._above(state))

    def require_pool(self, task: str, pool: str | None) -> None:
        """Refuse a call whose pool the flow does not have.

        Raises:
            FlowError: The flow does not have the pool.
        """
        self._limits.require_pool(task, pool)

    def offer(self, state: NodeState) -> None:
        """Give a call a turn, or revoke it, after its instances or their limits have changed."""
        if not state.uses:
            self._turn(state)
            return
        priority = -urgency(state)[1]
        for use in state.uses:
            if len(state.ready):
                use.group.wait(state.number, priority)
            else:
                use.group.leave(state.number, priority)
        self._turns.remove(state.number)
        for use in state.uses:
            self._serve(use.group)

    def first(self) -> NodeState | None:
        """The call whose instances start next; None where there is none."""
        while self._turns:
            state = self._nodes[self._turns.first()]
            if state.room > 0:
                return state
            self._turns.remove(state.number)  # another call took the room
            for use in state.uses:
                self._serve(use.group)
        return None

    def take(self, state: NodeState, room: int) -> Sequence[int]:
        """Start at most `room` instances of a call that has its turn."""
        most = state.room
        for use in state.uses:
            if use.room < math.inf:  # share free room with the calls that wait
                most = min(most, max(1, use.room // max(1, len(use.group))))
        taken = state.ready.pop(room if most == math.inf else min(room, int(most)))
        state.count_running(len(taken))
        if state.uses:
            priority = -urgency(state)[1]
            for use in state.uses:
                use.group.allowed -= len(taken)
                use.group.leave(state.number, priority)
        self.offer(state)
        return taken

    def left(self, state: NodeState, count: int, *, unused: bool = False) -> None:
        """Note that instances of a call no longer run.

        Args:
            state: The call.
            count: The number of instances.
            unused: Whether nothing was started for them, so that they do not count for the rate.
        """
        state.count_running(-count)
        if unused:
            for use in state.uses:
                use.group.allowed += count

    def rated(self) -> list[Group]:
        """The groups that have a rate."""
        return self._limits.rated()

    def allow(self, group: Group, starts: int) -> None:
        """Set the number of starts that a group's rate allows now."""
        more = starts > group.allowed
        group.allowed = starts
        if more:
            self._serve(group)

    def lift_one(self) -> NodeState | None:
        """Lift the limits of one waiting coordinator, if coordinators wait for each other."""
        for state in self._nodes:
            if state.uses and len(state.ready) and state.node.task.coordinates:
                state.lifted = True
                self._turn(state)
                return state
        return None

    def _turn(self, state: NodeState) -> None:
        if not len(state.ready) or state.room <= 0:
            self._turns.remove(state.number)
        elif state.number not in self._turns:
            self._turns.add(state.number, urgency(state))

    def _serve(self, group: Group) -> None:
        """Give a turn to the call that has waited longest, of those that have room.

        When it has started something, or turns out to have no room, the next one is served.
        """
        for number in group.in_turn():
            state = self._nodes[number]
            if state.room > 0:
                self._turns.add(number, urgency(state))
                return

    def _above(self, state: NodeState) -> list[NodeState]:
        """The coordinators a call belongs to."""
        above, parent = [], state.node.parent
        while parent is not None:
            above.append(self._nodes[parent.node])
            parent = above[-1].node.parent
        return above
