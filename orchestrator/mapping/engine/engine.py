"""The engine: decides which instances may start, and how the end of one affects others.

A pure state machine: events in, instructions out. No I/O, no clock, no Dask, no thread; the
driver loop (`driver.loop`) feeds it events and carries out its instructions.

    events          add, ended, recalled, lost, withdrawn, due, cancel, stop
    instructions    take() -> what to start; effects() -> ends, retries, cancelled instances

`expansion` has a node's items, `transitions` the consequences of an end, `trigger_verdicts` its
effect on other nodes, `instance_options` a task's options for one instance.
`distributed.worker_state_machine` is the model. Runs on the driver.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orchestrator.errors import FlowError, MachineryError
from orchestrator.mapping.authoring.limit_groups import Group
from orchestrator.mapping.authoring.nodes import Node, resolved
from orchestrator.mapping.authoring.sequences import Lazy, Origin
from orchestrator.mapping.engine.admission import Admission
from orchestrator.mapping.engine.events import Effects, Retry, Start
from orchestrator.mapping.engine.expansion import (
    argument,
    expand,
    obstacle,
    picks_of,
    sources_of,
    wholes_of,
)
from orchestrator.mapping.engine.instance_options import (
    delay_of_retry,
    name_of,
    priority_of,
    starts_of,
)
from orchestrator.mapping.engine.key_registry import KeyRegistry
from orchestrator.mapping.engine.limits import Pool
from orchestrator.mapping.engine.node_state import RUNNING, NodeState
from orchestrator.mapping.engine.transitions import Ends
from orchestrator.mapping.engine.trigger_verdicts import made_of, shared_verdict, verdicts
from orchestrator.mapping.execution.executor import Ended
from orchestrator.mapping.execution.invoke import Failure, failure_of
from orchestrator.records import State
from orchestrator.user_code import RaisedError, said, user_code


class Engine:
    """The state of one flow run.

    Args:
        max_map_length: Most instances one expansion may have.
        pools: The limits that tasks share, by name.
    """

    def __init__(
        self, max_map_length: int = 1_000_000, pools: Mapping[str, Pool] | None = None
    ) -> None:
        self.nodes: list[NodeState] = []
        self._max_map_length = max_map_length
        self._numbers: dict[Node, int] = {}
        self._stopped = False
        self._admission = Admission(self.nodes, pools or {})
        self._keys = KeyRegistry()
        self._ends = Ends(self.nodes)

    # -- events ------------------------------------------------------------------------------

    def add(self, nodes: Sequence[Node]) -> None:
        """Add nodes of a flow or a coordinator; they refer to earlier ones.

        Raises:
            FlowError: One refers to a node of another flow run; none was added.
        """
        self._require_known(nodes)
        for node in nodes:
            self._ends.look_at.append(self._enter(node).number)
        self._settle()

    def ended(self, end: Ended) -> None:
        """Attempts of some instances have ended; ends of cancelled ones are ignored."""
        state, indices, performed = self.nodes[end.node], end.indices, end.performed
        wanted = [p for p, i in enumerate(indices) if state.columns.states[i] == RUNNING]
        if len(wanted) < len(indices):
            indices, performed = [indices[p] for p in wanted], performed.at(wanted)
        self._admission.left(state, len(indices))
        state.columns.note(indices, performed, end.worker)
        failures = {indices[p]: failure for p, failure in performed.failures.items()}
        good = [i for i in indices if i not in failures] if failures else indices
        self._ends.succeed(state, good, State.SUCCESS)
        failed = [i for i, failure in failures.items() if self._failed(state, i, failure)]
        if failed and state.node.task.settings.fail_fast:
            culprit = state.names[failed[0]]
            self._ends.cancel(state, f"cancelled: {culprit!r} failed, and fail_fast is set")
        self._offer(state)
        self._settle()

    def recalled(self, number: int, values: Mapping[int, Any], own: Sequence[int] = ()) -> None:
        """Instances that were about to start have a recorded success.

        Args:
            number: The number of their node.
            values: The values they returned, by index.
            own: The ones that succeeded in this flow run itself, before it was resumed.
        """
        state = self.nodes[number]
        self._admission.left(state, len(values), unused=True)
        for index, value in values.items():
            state.columns.values[index] = value
        known = frozenset(own)
        self._ends.succeed(state, own, State.SUCCESS)
        self._ends.succeed(state, [i for i in values if i not in known], State.CACHED)
        self._offer(state)
        self._settle()

    def lost(self, number: int, indices: Sequence[int], culprit: int | None, reason: str) -> None:
        """A worker died with these instances; they start again, without using up a retry.

        The culprit starts again at most `max_lost` times. If it is unknown, no instance is blamed
        the first time, and instances lost again are.
        """
        state = self.nodes[number]
        for index in indices:
            if state.columns.states[index] != RUNNING:
                continue
            self._admission.left(state, 1)
            blamed = index == culprit or (culprit is None and index in state.suspects)
            losses = state.lost[index] = state.lost.get(index, 0) + int(blamed)
            if losses > state.node.task.settings.max_lost:
                error = f"its worker died {losses} times while it was running: {reason}"
                self._ends.fail(state, index, Failure(cause="lost", error=error))
            else:
                state.suspects.add(index)
                self._again(state, index)
        self._offer(state)
        self._settle()

    def withdrawn(self, number: int, indices: Sequence[int]) -> None:
        """These instances will not run, since nothing more is to be started."""
        state = self.nodes[number]
        given_up = [index for index in indices if state.columns.states[index] == RUNNING]
        self._admission.left(state, len(given_up), unused=True)
        state.set(given_up, State.PENDING)

    def due(self, number: int, index: int) -> None:
        """The delay of a retry is over."""
        state = self.nodes[number]
        if state.columns.state(index) is State.UP_FOR_RETRY:
            self._again(state, index)
            self._offer(state)
            self._settle()

    def cancel(self, number: int, reason: str) -> None:
        """Cancel the instances of a node that have not ended."""
        self._ends.cancel(self.nodes[number], reason)
        self._offer(self.nodes[number])
        self._settle()

    def stop(self) -> None:
        """Nothing more is to be started."""
        self._stopped = True

    # -- instructions ------------------------------------------------------------------------

    def take(self, room: int) -> list[Start]:
        """The instances to start: at most `room`, or one coordinator once nothing else is ready.

        Nodes of higher priority go first, then later ones, so that what was begun is finished.
        """
        starts: list[Start] = []
        while room > 0 and self.has_ready:
            state = self._admission.first()
            if state is None:
                break
            coordinates = state.node.task.coordinates
            if coordinates and starts:
                break
            taken = self._take_from(state, 1 if coordinates else room)
            starts += starts_of(state, taken)
            room = 0 if coordinates else room - len(taken)
        return starts

    def allow(self, group: Group, starts: int) -> None:
        """An event: the rate of a group allows this many starts now."""
        self._admission.allow(group, starts)

    def lift_limit(self) -> NodeState | None:
        """Let a coordinator exceed its limits, if all that could free them wait for it.

        Returns:
            Its node; None if nothing can start for another reason.
        """
        return self._admission.lift_one()

    @property
    def has_effects(self) -> bool:
        """Whether events have had effects since the last call of `effects`."""
        return bool(self._ends.effects)

    def effects(self) -> Effects:
        """The effects of events since the last call."""
        return self._ends.take_effects()

    # -- questions ---------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether every node is done."""
        return not self._ends.unfinished

    @property
    def has_ready(self) -> bool:
        """Whether anything may start now."""
        return bool(self._admission) and not self._stopped

    def rated(self) -> list[Group]:
        """The groups of instances whose starts a rate limits."""
        return self._admission.rated()

    @property
    def counted(self) -> list[NodeState]:
        """The nodes that count: all but those of repeated attempts of coordinators."""
        gone: set[int] = set()
        counted = []
        for state in self.nodes:  # a coordinator's number is lower than those of its calls
            parent = state.node.parent
            if state.superseded or (parent is not None and parent.node in gone):
                gone.add(state.number)
            else:
                counted.append(state)
        return counted

    def knows(self, node: Node) -> bool:
        """Whether it is a node of this flow run."""
        return node in self._numbers

    def state_of(self, node: Node) -> NodeState:
        """The state of a node."""
        return self.nodes[self._numbers[node]]

    # -- following what has changed ------------------------------------------------------------

    def _require_known(self, nodes: Sequence[Node]) -> None:
        known = set(nodes)
        for node in nodes:
            self._admission.require_pool(node.task.name, node.task.settings.pool)
            for other in (*wholes_of(node), *sources_of(node)):
                if other not in self._numbers and other not in known:
                    raise FlowError(
                        f"task {node.name!r} is given the result of {other.name!r}, which belongs "
                        "to another flow run; call both in one flow"
                    )

    def _enter(self, node: Node) -> NodeState:
        number = self._numbers[node] = len(self.nodes)
        wholes = sorted({self._numbers[whole] for whole in wholes_of(node)})
        sources = sorted({self._numbers[source] for source in sources_of(node)})
        state = NodeState(
            node=node,
            number=number,
            rule=node.task.settings.trigger_rule,
            wholes=tuple(wholes),
            sources=tuple(sources),
            picked={self._numbers[of]: keys for of, keys in picks_of(node).items()},
        )
        self.nodes.append(state)
        self._admission.enter(state)
        self._keys.enter(state, self._attempt_of(node.parent))
        self._ends.unfinished += 1
        for whole in wholes:
            self.nodes[whole].followers.append(number)
        for source in sources:
            self.nodes[source].consumers.append(number)
        return state

    def _attempt_of(self, parent: Origin | None) -> int:
        """The number of a coordinator's present attempt; 1 in a flow."""
        if parent is None:
            return 1
        return self.nodes[parent.node].columns.tries.get(parent.instance, 1)

    def _settle(self) -> None:
        """Follow every change to its last consequence; a loop, since chains may be long."""
        while self._ends.follow or self._ends.look_at:
            if self._ends.follow:
                source, indices = self._ends.follow.pop()
                for consumer in source.consumers:
                    state = self.nodes[consumer]
                    if state.length is not None and state.closed is None:
                        self._judge_some(state, made_of(state, source, indices))
            else:
                state = self.nodes[self._ends.look_at.pop()]
                if not state.done and (state.length is not None or self._expanded(state)):
                    self._judge(state)

    def _expanded(self, state: NodeState) -> bool:
        """Expand a node; False while that is impossible, or if it turns out to have no items."""
        hindered = obstacle(state.node, self.state_of)
        if hindered is not None:
            verdict, reason = hindered
            if verdict != "wait":
                self._ends.close(state, verdict, reason)
            return False
        try:
            with user_code():  # items may be instances of users' classes
                expand(state, self.state_of, self._max_map_length)
                self._keys.expanded(state)
        except RaisedError as raised:
            if isinstance(raised.error, MachineryError):
                raise raised.error from None
            reason = said(raised.error) if isinstance(raised.error, FlowError) else str(raised)
            self._ends.close(state, State.FAILED, reason)
            return False
        if state.length == 0:
            self._ends.close(state, State.SKIPPED, "there is nothing to map over")
            return False
        self._ends.look_at += state.consumers
        return True

    def _judge(self, state: NodeState) -> None:
        """Look at all instances that have no verdict yet."""
        everyone = range(state.length or 0)
        if state.sources:
            self._judge_some(state, everyone)
        elif not state.judged[0]:
            verdict = shared_verdict(state, self.nodes)
            if verdict != "wait":
                state.judged[0] = True
                self._carry_out(state, verdict, everyone)

    def _judge_some(self, state: NodeState, indices: Iterable[int]) -> None:
        for verdict, some in verdicts(state, indices, self.nodes).items():
            for index in some:
                state.judged[index] = True
            self._carry_out(state, verdict, some)

    def _carry_out(self, state: NodeState, verdict: str, indices: Sequence[int]) -> None:
        if verdict != "run":
            self._ends.end(state, indices, State(verdict))
            return
        try:
            self._bind_constants(state)
        except FlowError as error:
            for index in indices:
                self._ends.fail(state, index, Failure(error=str(error)))
            return
        except RaisedError as raised:  # by a value that is fetched here
            for index in indices:
                self._ends.fail(state, index, failure_of(raised))
            return
        settings = state.node.task.settings
        if settings.key is None and not callable(settings.priority) and not state.sources:
            state.ready.open(len(indices))
        else:
            for index in indices:
                self._make_ready(state, index)
        self._offer(state)

    def _bind_constants(self, state: NodeState) -> None:
        """Replace references by their current values, until these are final."""
        if not state.constants_are_final:
            given = state.node.constants.items()
            state.constants = {name: resolved(value, self._argument) for name, value in given}
            state.constants_are_final = all(self.nodes[whole].done for whole in state.wholes)

    def _argument(self, wanted: Lazy) -> Any:
        return argument(wanted, self.state_of)

    def _make_ready(self, state: NodeState, index: int) -> None:
        """Name an instance and queue it for `take`."""
        try:
            with user_code():
                if state.keyed:
                    self._keys.claim(state, index, name_of(state, index))
                priority = priority_of(state, index)
            state.ready.push(index, priority)
        except RaisedError as error:
            self._ends.fail(state, index, failure_of(error))

    # -- starting and ending -----------------------------------------------------------------

    def _offer(self, state: NodeState) -> None:
        """Update the set of nodes from which instances may be taken."""
        self._admission.offer(state)

    def _take_from(self, state: NodeState, room: int) -> Sequence[int]:
        taken = self._admission.take(state, room)
        state.set(taken, State.RUNNING)
        return taken

    def _again(self, state: NodeState, index: int) -> None:
        """An instance may start once more."""
        state.set([index], State.PENDING)
        try:
            with user_code():
                priority = priority_of(state, index)
            state.ready.push(index, priority)
        except RaisedError as error:
            self._ends.fail(state, index, failure_of(error))

    def _failed(self, state: NodeState, index: int, failure: Failure) -> bool:
        """Handle an attempt without a value; return whether the instance has failed for good."""
        try:
            with user_code():
                delay = delay_of_retry(state, index) if failure.retryable else None
        except RaisedError as error:
            delay, failure = None, failure_of(error)
        if delay is None:
            self._ends.fail(state, index, failure)
            return not failure.skipped
        state.columns.tries[index] = state.columns.tries.get(index, 1) + 1
        state.columns.failures[index] = failure
        state.set([index], State.UP_FOR_RETRY)
        self._ends.effects.retries.append(Retry(state.number, index, delay))
        return False
