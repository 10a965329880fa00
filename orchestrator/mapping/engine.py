"""The engine: which instances may start, and what the end of one means for the others.

A pure state machine: events in, instructions out. No I/O, no clock, no Dask, no thread; the
driver loop (`run.py`) brings it events and carries out what it says.

    events          add, ended, lost, due, stop
    instructions    take() -> what to start; effects() -> what ended, failed for now, is given up

`distributed.worker_state_machine` is the model. Runs on the driver.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.errors import FlowError
from orchestrator.identity import derive_seed
from orchestrator.mapping.calling import Deferred, Failure, Performed, failure_of, settle
from orchestrator.mapping.node_state import NodeState
from orchestrator.mapping.nodes import Node, OneItem, Reference, references, resolved
from orchestrator.mapping.options import applied, value_for
from orchestrator.mapping.outcomes import CODES
from orchestrator.mapping.rules import Rule, Tally, Verdict, judge
from orchestrator.mapping.sequences import Items, Lazy, Mapped, Origin, Product, lazy
from orchestrator.mapping.tasks import check_item
from orchestrator.records import State

_LONGEST_DELAY = 600.0

_EAGER = frozenset({Rule.ONE_SUCCESS, Rule.ONE_FAILED, Rule.ONE_DONE})
"""Rules that may be satisfied before all upstreams have ended."""

WHOLE_ITEM = "**"
"""The column of `expand_kwargs`: each value is a dict of arguments."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An event: attempts of some instances of a node have ended.

    Attributes:
        node: Its number.
        indices: Which.
        performed: How; one entry for each of `indices`.
        worker: Where.
    """

    node: int
    indices: Sequence[int]
    performed: Performed
    worker: str


@dataclass(frozen=True, slots=True)
class Start:
    """An instruction: start these instances of a node."""

    node: int
    indices: Sequence[int]
    suspect: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """An instruction: tell the engine when so many seconds have passed (`due`)."""

    node: int
    index: int
    delay: float


@dataclass(slots=True)
class Effects:
    """What events have led to since the last time it was asked.

    Attributes:
        ended: Instances that have ended, by node: for the record.
        retries: Those to be tried again later.
        cancelled: Running ones that are no longer wanted.
        done: Nodes all of whose instances have ended.
    """

    ended: dict[int, list[int]] = field(default_factory=dict)
    retries: list[Retry] = field(default_factory=list)
    cancelled: dict[int, list[int]] = field(default_factory=dict)
    done: list[int] = field(default_factory=list)


class Engine:
    """The state of one flow run.

    Args:
        max_map_length: Most instances one expansion may have.
    """

    def __init__(self, max_map_length: int = 1_000_000) -> None:
        self.nodes: list[NodeState] = []
        self._max_map_length = max_map_length
        self._numbers: dict[Node, int] = {}
        self._open: set[int] = set()
        self._effects = Effects()
        self._stopped = False
        self._settling = False
        self._changed: list[int] = []
        self._touched: list[Origin] = []

    # -- events ------------------------------------------------------------------------------

    def add(self, nodes: Iterable[Node]) -> None:
        """Nodes were written down, in a flow or by a coordinator; they refer to earlier ones."""
        for node in nodes:
            self._changed.append(self._enter(node).number)
        self._settle()

    def ended(self, end: Ended) -> None:
        """Some running instances of a node have ended."""
        state = self.nodes[end.node]
        for position, index in enumerate(end.indices):
            if state.columns.state(index) is State.RUNNING:
                state.running -= 1
                self._end_attempt(state, index, end, position)
        self._reopen(state)
        self._after(state)

    def recalled(self, number: int, values: Mapping[int, Any]) -> None:
        """Instances that were about to start have a recorded success."""
        state = self.nodes[number]
        for index, value in values.items():
            state.running -= 1
            state.set(index, State.CACHED)
            state.columns.values[index] = value
            self._note_end(state, index)
        self._reopen(state)
        self._after(state)

    def lost(self, number: int, indices: Sequence[int], culprit: int | None, reason: str) -> None:
        """A worker died with these; they are started again, the culprit only so many times."""
        state = self.nodes[number]
        for index in indices:
            if state.columns.state(index) is not State.RUNNING:
                continue
            state.running -= 1
            blamed = index == culprit or (culprit is None and index in state.suspects)
            losses = state.lost[index] = state.lost.get(index, 0) + int(blamed)
            if losses > state.node.task.settings.max_lost:
                error = f"its worker died {losses} times while it was running: {reason}"
                self._end(state, index, State.FAILED, Failure(error=error))
            else:
                state.suspects.add(index)
                state.set(index, State.PENDING)
                state.ready.push(index)
        self._reopen(state)
        self._after(state)

    def due(self, number: int, index: int) -> None:
        """The delay of a retry is over."""
        state = self.nodes[number]
        if state.columns.state(index) is State.UP_FOR_RETRY:
            state.set(index, State.PENDING)
            state.ready.push(index)
            self._reopen(state)

    def stop(self) -> None:
        """Nothing more is to be started."""
        self._stopped = True

    # -- instructions ------------------------------------------------------------------------

    def take(self, room: int) -> list[Start]:
        """Start these: at most `room` instances, and coordinators once nothing else is ready.

        Nodes of higher priority go first, then later ones, so that what was begun is finished.
        """
        if self._stopped:
            return []
        starts: list[Start] = []
        for number in sorted(self._open, key=self._urgency):
            state = self.nodes[number]
            coordinates = state.node.task.coordinates
            if room <= 0 or (coordinates and starts):
                break
            taken = self._take_from(state, 1 if coordinates else room)
            room -= len(taken)
            suspects = [index for index in taken if index in state.suspects]
            others = [i for i in taken if i not in state.suspects] if suspects else taken
            if others:
                starts.append(Start(number, others))
            if suspects:
                starts.append(Start(number, suspects, suspect=True))
        return starts

    def effects(self) -> Effects:
        """What events have led to since the last time."""
        effects, self._effects = self._effects, Effects()
        return effects

    # -- questions ---------------------------------------------------------------------------

    @property
    def done(self) -> bool:
        """Whether every node is."""
        return all(state.done for state in self.nodes)

    @property
    def has_ready(self) -> bool:
        """Whether anything may start now."""
        return bool(self._open) and not self._stopped

    def state_of(self, node: Node) -> NodeState:
        """How a node stands."""
        return self.nodes[self._numbers[node]]

    def constants(self, state: NodeState) -> dict[str, Any]:
        """The arguments all instances of a node share, references replaced by values."""
        if state.constants is None:
            given = state.node.constants.items()
            state.constants = {name: resolved(value, self.value) for name, value in given}
        return state.constants

    def columns(self, state: NodeState, indices: Sequence[int]) -> dict[str, list[Any]]:
        """The arguments that differ, one list a name."""
        if state.items is None:
            return {}
        if isinstance(state.items, Product):
            return state.items.columns(indices)
        return {WHOLE_ITEM: [state.items[index] for index in indices]}

    def arguments(self, state: NodeState, index: int) -> dict[str, Any]:
        """All arguments of one instance, as its task will see them."""
        item = {} if state.items is None else settle(state.items[index])
        return {**self.constants(state), **{name: settle(part) for name, part in item.items()}}

    def value(self, reference: Reference) -> Any:
        """What a reference stands for now: a value, None without one, or a map's outcomes."""
        state = self.state_of(reference.node)
        if state.mapped:
            return state.outcomes
        return state.columns.values[0] if state.columns.values else None

    # -- entering and expanding --------------------------------------------------------------

    def _enter(self, node: Node) -> NodeState:
        number = self._numbers[node] = len(self.nodes)
        wholes = {
            self._numbers[reference.node]
            for value in node.constants.values()
            for reference in references(value)
        }
        sources = {self._numbers[leaf.node] for leaf in _references_of(node)}
        default = (
            Rule.NONE_FAILED_MIN_ONE_SUCCESS
            if any(self.nodes[whole].mapped for whole in wholes)
            else Rule.ALL_SUCCESS
        )
        state = NodeState(
            node=node,
            number=number,
            rule=node.task.settings.trigger_rule or default,
            wholes=tuple(sorted(wholes)),
            sources=tuple(sorted(sources)),
        )
        self.nodes.append(state)
        for whole in state.wholes:
            self.nodes[whole].followers.append(number)
        for source in state.sources:
            self.nodes[source].consumers.append(number)
        return state

    def _expand(self, state: NodeState) -> bool:
        """Find out the items; False while a source is not known yet, or when that closed it."""
        if not state.mapped:
            state.length = 1
            return True
        for source, pipelined in self._sources(state):
            verdict = _source_verdict(source, pipelined=pipelined)
            if verdict == "wait":
                return False
            if verdict != "run":
                reason = f"{source.node.name!r}, which it maps over, did not succeed"
                self._close(state, State(verdict), reason)
                return False
        try:
            self._bind(state)
        except FlowError as error:
            self._close(state, State.FAILED, str(error))
            return False
        if state.length == 0:
            self._close(state, State.SKIPPED, "there is nothing to map over")
            return False
        return True

    def _bind(self, state: NodeState) -> None:
        assert state.node.items is not None  # noqa: S101 - asked for mapped nodes only
        items = state.node.items.bound(self._known)
        length = len(items)
        if length > self._max_map_length:
            raise FlowError(too_long(state.node.name, length, self._max_map_length))
        state.items, state.length = items, length
        state.judged = bytearray(length) if self._pipelined(state) else bytearray()
        if not isinstance(items, Product):
            self._check_items(state)
        if self._pipelined(state) and not _is_one_to_one(items):
            state.dependents = {}
            for index in range(length):
                for origin in items.origins(index):
                    state.dependents.setdefault(origin, []).append(index)

    def _known(self, leaf: Lazy) -> Lazy:
        """What a leaf of a mapped sequence has become."""
        if isinstance(leaf, OneItem):
            return Items([self.value(leaf.reference)])
        if not isinstance(leaf, Reference):
            return leaf
        source = self.state_of(leaf.node)
        return Instances(source) if source.mapped else lazy(source.columns.values[0])

    def _check_items(self, state: NodeState) -> None:
        """Refuse dicts that cannot be arguments, before any of them is started."""
        assert state.items is not None  # noqa: S101 - they have just been bound
        for index in range(len(state.items)):
            if not state.items.origins(index) and not isinstance(state.items[index], Deferred):
                node, place = state.node, f"item {index}"
                item = state.items[index]
                check_item(node.task, item, node.constants, strict=node.strict, place=place)

    def _sources(self, state: NodeState) -> list[tuple[NodeState, bool]]:
        """The nodes it maps over, and whether it follows their instances one by one."""
        leaves = () if state.node.items is None else state.node.items.leaves()
        found = []
        for leaf in leaves:
            if isinstance(leaf, OneItem):
                found.append((self.state_of(leaf.reference.node), False))
            elif isinstance(leaf, Reference):
                source = self.state_of(leaf.node)
                found.append((source, source.mapped))
        return found

    def _pipelined(self, state: NodeState) -> bool:
        return any(pipelined for _, pipelined in self._sources(state))

    def _close(self, state: NodeState, end: State, reason: str) -> None:
        """End a mapped node without any instance."""
        state.closed, state.reason, state.length = end, reason, 0
        self._effects.ended.setdefault(state.number, []).append(-1)
        self._after(state)

    # -- judging -----------------------------------------------------------------------------

    def _settle(self) -> None:
        """Follow every change to its last consequence; a loop, since chains may be long."""
        if self._settling:
            return
        self._settling = True
        while self._changed or self._touched:
            if self._touched:
                self._judge_dependents(self._touched.pop())
                continue
            state = self.nodes[self._changed.pop()]
            if state.done or (state.length is None and not self._expand(state)):
                continue
            self._judge(state)
            for consumer in state.consumers:  # they may learn its length now
                if self.nodes[consumer].length is None:
                    self._changed.append(consumer)
        self._settling = False

    def _judge(self, state: NodeState) -> None:
        whole = self._whole_tally(state)
        if state.judged:
            for index in range(state.length or 0):
                self._judge_instance(state, index, whole)
            return
        verdict = judge(state.rule, whole)
        if verdict == "wait" or state.opened:
            return
        state.opened = True
        if verdict == "run":
            self._open_all(state)
        else:
            for index in range(state.length or 0):
                self._end(state, index, State(verdict), None)
            self._after(state)

    def _judge_dependents(self, origin: Origin) -> None:
        for consumer in self.nodes[origin.node].consumers:
            state = self.nodes[consumer]
            if not state.judged:
                continue
            whole = self._whole_tally(state)
            if state.dependents is None:
                self._judge_instance(state, origin.instance, whole)
            else:
                for index in state.dependents.get(origin, ()):
                    self._judge_instance(state, index, whole)

    def _judge_instance(self, state: NodeState, index: int, whole: Tally) -> None:
        """One instance of a pipelined map; without a value of its own upstream it cannot run."""
        if state.judged[index] or state.items is None:
            return
        own = Tally()
        for origin in state.items.origins(index):
            own += self.nodes[origin.node].tally_of(origin.instance)
        if own.waiting:
            return
        verdict = judge(state.rule, whole + own)
        if verdict == "run" and (own.failed or own.skipped):
            verdict = State.UPSTREAM_FAILED if own.failed else State.SKIPPED
        if verdict == "wait":
            return
        state.judged[index] = True
        if verdict == "run":
            self._make_ready(state, index)
        else:
            self._end(state, index, State(verdict), None)
            self._after(state)

    def _whole_tally(self, state: NodeState) -> Tally:
        tally = Tally()
        for whole in state.wholes:
            tally += self.nodes[whole].tally()
        return tally

    def _open_all(self, state: NodeState) -> None:
        settings = state.node.task.settings
        if settings.key is None and not callable(settings.priority):
            state.ready.open(state.length or 0)
        else:
            for index in range(state.length or 0):
                self._make_ready(state, index)
        self._reopen(state)

    def _make_ready(self, state: NodeState, index: int) -> None:
        """Name an instance and put it where `take` finds it."""
        settings = state.node.task.settings
        try:
            if settings.key is not None and state.mapped:
                self._name(state, index)
            priority = 0.0
            if callable(settings.priority):
                priority = float(value_for(settings.priority, self.arguments(state, index)))
        except Exception as error:  # noqa: BLE001 - an option is the user's function
            failure = failure_of(error)
            end = State.SKIPPED if failure.skipped else State.FAILED
            self._end(state, index, end, failure)
            self._after(state)
            return
        state.ready.push(index, priority)
        self._reopen(state)

    def _name(self, state: NodeState, index: int) -> None:
        key, arguments = state.node.task.settings.key, self.arguments(state, index)
        name = str(applied(key, arguments)) if callable(key) else str(key).format(**arguments)
        other = state.holders.setdefault(name, index)
        if other != index:
            raise FlowError(
                f"two items of {state.node.name!r} have the key {name!r}: "
                f"{self.arguments(state, other)!r} and {arguments!r}"
            )
        state.chosen[index] = name

    # -- starting and ending -----------------------------------------------------------------

    def _urgency(self, number: int) -> tuple[bool, float, int]:
        task = self.nodes[number].node.task
        priority = task.settings.priority
        return task.coordinates, 0.0 if callable(priority) else -float(priority), -number

    def _take_from(self, state: NodeState, room: int) -> list[int]:
        most = state.node.task.settings.max_active
        taken = state.ready.pop(room if most is None else min(room, most - state.running))
        if taken:
            state.columns.reach(max(taken))
            for index in taken:
                state.columns.states[index] = CODES[State.RUNNING]
            state.running += len(taken)
        self._reopen(state)
        return taken

    def _reopen(self, state: NodeState) -> None:
        """Keep the set of nodes from which something may be taken."""
        most = state.node.task.settings.max_active
        if len(state.ready) and (most is None or state.running < most):
            self._open.add(state.number)
        else:
            self._open.discard(state.number)

    def _end_attempt(self, state: NodeState, index: int, end: Ended, position: int) -> None:
        columns, performed = state.columns, end.performed
        columns.started[index] = performed.started[position]
        columns.ended[index] = performed.ended[position]
        columns.workers[index] = columns.number_of(end.worker)
        failure = performed.failures.get(position)
        if failure is None:
            columns.values[index] = performed.values[position]
            self._end(state, index, State.SUCCESS, None)
        elif failure.skipped:
            self._end(state, index, State.SKIPPED, failure)
        elif failure.retryable and self._may_retry(state, index):
            self._retry(state, index, failure)
        else:
            self._end(state, index, State.FAILED, failure)
            if state.node.task.settings.fail_fast:
                self._cancel_siblings(state, index)

    def _may_retry(self, state: NodeState, index: int) -> bool:
        retries = state.node.task.settings.retries
        if callable(retries):
            retries = value_for(retries, self.arguments(state, index))
        return bool(state.columns.tries.get(index, 1) <= retries)

    def _retry(self, state: NodeState, index: int, failure: Failure) -> None:
        attempt = state.columns.tries.get(index, 1)
        state.columns.tries[index] = attempt + 1
        state.set(index, State.UP_FOR_RETRY, failure)
        delay = _delay(state, attempt, state.names[index])
        self._effects.retries.append(Retry(state.number, index, delay))

    def _end(self, state: NodeState, index: int, end: State, failure: Failure | None) -> None:
        if end in {State.SUCCESS, State.CACHED}:
            state.columns.failures.pop(index, None)  # of an earlier attempt
        state.set(index, end, failure)
        self._note_end(state, index)

    def _note_end(self, state: NodeState, index: int) -> None:
        self._effects.ended.setdefault(state.number, []).append(index)
        if state.consumers:
            self._touched.append(Origin(state.number, index))

    def _after(self, state: NodeState) -> None:
        """Something of the node ended: tell those that wait for all of it."""
        if state.done and not state.told:
            state.told = True
            self._effects.done.append(state.number)
            self._changed.extend(state.consumers)
        if state.done or any(self.nodes[f].rule in _EAGER for f in state.followers):
            self._changed.extend(state.followers)
        self._settle()

    def _cancel_siblings(self, state: NodeState, culprit: int) -> None:
        failure = Failure(error=f"cancelled: {state.names[culprit]!r} failed, and fail_fast is set")
        for index in range(state.length or 0):
            if state.has_ended(index):
                continue
            if state.columns.state(index) is State.RUNNING:
                state.running -= 1
                self._effects.cancelled.setdefault(state.number, []).append(index)
            self._end(state, index, State.SKIPPED, failure)
        for _ in state.ready.clear():
            pass
        if state.judged:
            state.judged = bytearray(b"\x01") * len(state.judged)


class Instances(Lazy):
    """A mapped node's values as something to map over: item by item, under the same keys."""

    def __init__(self, source: NodeState) -> None:
        self._source = source

    def __len__(self) -> int:
        return self._source.length or 0

    def __getitem__(self, index: int) -> Any:
        return self._source.columns.values[index]

    def name(self, index: int) -> str | None:
        """The key of the instance below, without the coordinator's."""
        chosen = self._source.chosen.get(index)
        if chosen is not None or self._source.items is None:
            return chosen
        return self._source.items.name(index)

    def origins(self, index: int) -> tuple[Origin, ...]:
        """The instance itself."""
        return (Origin(self._source.number, index),)


def too_long(name: str, length: int, limit: int) -> str:
    """The message for an expansion that is too long."""
    return (
        f"{name!r} would have {length:,} instances, more than max_map_length = {limit:,}; "
        "raise it with @flow(max_map_length=...)"
    )


def _references_of(node: Node) -> list[Reference]:
    """The references a node is mapped over."""
    if node.items is None:
        return []
    leaves = node.items.leaves()
    found = (leaf.reference if isinstance(leaf, OneItem) else leaf for leaf in leaves)
    return [leaf for leaf in found if isinstance(leaf, Reference)]


def _source_verdict(source: NodeState, *, pipelined: bool) -> Verdict:
    """Whether what a node maps over is there; a source that did not succeed ends it."""
    if pipelined and source.closed is None:
        return "run" if source.length is not None else "wait"
    if not source.done:
        return "wait"
    tally = source.tally()
    if tally.failed and not source.mapped:
        return State.UPSTREAM_FAILED
    if source.closed is not None:
        return State.UPSTREAM_FAILED if tally.failed else State.SKIPPED
    return State.SKIPPED if tally.skipped and not source.mapped else "run"


def _is_one_to_one(items: Lazy) -> bool:
    """Whether instance i follows instance i of the one mapped node below, and nothing else."""
    if isinstance(items, Product) and len(items.axes) == 1:
        return _is_one_to_one(next(iter(items.axes.values())))
    if isinstance(items, Mapped):
        return _is_one_to_one(items.inner)
    return isinstance(items, Instances)


def _delay(state: NodeState, attempt: int, key: str) -> float:
    """Seconds before a retry: doubled for each attempt, and spread so that items do not crowd.

    The spread (0.5 to 1.5) follows from key and attempt, so that a flow run can be repeated.
    """
    delay = state.node.task.settings.retry_delay
    if callable(delay):
        return max(0.0, float(delay(attempt)))
    spread = 0.5 + derive_seed(attempt, state.node.name, key) / 2**32
    return float(min(delay * 2 ** (attempt - 1) * spread, _LONGEST_DELAY))
