"""The record of a flow run: ends go to the recorder, in bulk and soon.

It also recalls results of earlier flow runs (`cached`), and finds instances that have vanished
since (`removed`). Touches no library; takes instructions of the engine; runs on the driver.
"""

import logging
import reprlib
import time
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator import keys
from orchestrator.mapping.authoring.option_table import NEVER, RUNS
from orchestrator.mapping.authoring.options import applied
from orchestrator.mapping.authoring.sequences import Origin
from orchestrator.mapping.driver.event_log import log_begin, log_end, log_ends
from orchestrator.mapping.driver.fingerprints import (
    code_digest,
    code_digest_across_runs,
    fingerprint,
    fingerprints,
)
from orchestrator.mapping.driver.recorder import Recorder
from orchestrator.mapping.driver.rerun import Again
from orchestrator.mapping.engine.engine import Engine
from orchestrator.mapping.engine.node_state import NodeState
from orchestrator.mapping.execution.executor import Kept
from orchestrator.mapping.execution.invoke import Failure
from orchestrator.records import FlowRun, InstanceLog, InstanceRecord, State, own_fingerprint
from orchestrator.user_code import MOST_CHARACTERS, RaisedError, is_of_person, user_code, writable

logger = logging.getLogger(__name__)

_AT_LEAST_EVERY = 1.0
"""Seconds an ended instance may stay unrecorded."""

_AT_MOST = 20_000
"""Ended instances that may stay unrecorded."""

_AT_MOST_CHARACTERS = 8 * 1024**2
"""Bytes of instances' output that may stay unrecorded."""

_AHEAD = 100
"""Instances of a node that are looked up at once if an executor takes them one by one."""

_LONGEST_ARGUMENTS = 200

_LONG_MESSAGE = 1_000
"""The length of an error, in characters, from which its traceback no longer repeats it."""


class Journal:
    """Records one flow run, and recalls what is recorded.

    Successes count in their own flow run: when it is resumed, they are not repeated. Those of
    mapped tasks are recalled by later flow runs too, where their `cache` asks for that.

    Args:
        flow_run: The flow run to record.
        recorder: The recorder that stores it.
        engine: The engine that runs its instances.
        again: The instances that run again despite a recorded success; None for none.
        resumed: Whether the flow run was begun before: its successes do not run again.
        rerun_of: A flow run of which this one runs a part again and uses the rest.
    """

    def __init__(
        self,
        flow_run: FlowRun,
        recorder: Recorder,
        engine: Engine,
        again: Again | None = None,
        *,
        resumed: bool = False,
        rerun_of: str | None = None,
    ) -> None:
        self._flow_run, self._recorder, self._engine = flow_run, recorder, engine
        self._again, self._resumed, self._rerun_of = again, resumed, rerun_of
        self._repeated: Counter[str] = Counter()
        self._done: dict[str, frozenset[str]] = {}
        self._recorded_before: dict[int, set[int]] = {}
        self._lasting: dict[int, dict[int, str]] = {}
        self._own: dict[int, dict[int, str]] = {}
        self._looked: dict[int, set[int]] = {}
        self._ahead: dict[int, dict[int, Any]] = {}
        self._codes: dict[int, bytes | None] = {}
        self._lasting_codes: dict[int, bytes | None] = {}
        self._unrecorded: list[tuple[int, Sequence[int]]] = []
        self._waiting = 0
        self._said: list[InstanceLog] = []
        self._said_characters = 0
        self._recorded = time.monotonic()
        recorder.begin(flow_run)
        log_begin(flow_run)

    def recall(self, state: NodeState, indices: Sequence[int]) -> Mapping[int, Any]:
        """The values of the instances that have a recorded success."""
        again = self._run_again(state, indices)
        looked = self._looked.setdefault(state.number, set())
        ahead = self._ahead.setdefault(state.number, {})
        if not ahead and looked.issuperset(indices):
            looked.difference_update(indices)
            return {}
        if not self._has_name(state):
            return {}
        missing = [index for index in indices if index not in looked]
        if missing:
            soon = state.ready.soon(max(0, _AHEAD - len(missing)))
            missing += [index for index in soon if index not in looked]
            ahead.update(self._look_up(state, missing))
            looked.update(missing)
        looked.difference_update(indices)
        values = {index: ahead.pop(index) for index in indices if index in ahead}
        done = self._done_before(state, indices)
        recalled = {i: value for i, value in values.items() if i in done or i not in again}
        self._recorded_before.setdefault(state.number, set()).update(done & recalled.keys())
        return recalled

    def _look_up(self, state: NodeState, indices: Sequence[int]) -> Mapping[int, Any]:
        """The recorded values of instances that may start now or soon, by one query."""
        done = self._done_before(state, indices)
        lasting, own = self._names(state, indices)
        self._lasting.setdefault(state.number, {}).update(lasting)
        self._own.setdefault(state.number, {}).update(own)
        found: dict[str, list[int]] = {}
        for index, name in lasting.items():
            found.setdefault(name, []).append(index)
        for index, name in own.items():
            of = self._flow_run.id if index in done else self._rerun_of
            if of is not None:
                found.setdefault(own_fingerprint(of, name), []).append(index)
        values = self._recorder.recall([*found]) if found else {}
        recalled = {index: value for name, value in values.items() for index in found[name]}
        self._repeated[state.node.name] += len(done - recalled.keys())
        return recalled

    def own(self, state: NodeState, recalled: Iterable[int]) -> Sequence[int]:
        """The recalled instances that this flow run had recorded itself."""
        before = self._recorded_before.get(state.number, ())
        return [index for index in recalled if index in before]

    def ended(self, ended: Sequence[tuple[int, Sequence[int]]]) -> None:
        """Note that these instances have ended; -1 stands for a map that ended without any."""
        self._unrecorded += ended
        for _, indices in ended:
            self._waiting += len(indices)
        if self._waiting > _AT_MOST:
            self.flush()

    def said(self, log: InstanceLog) -> None:
        """Take the output of an attempt."""
        self._said.append(log)
        self._said_characters += len(log.text)
        if self._said_characters > _AT_MOST_CHARACTERS:
            self.flush()

    def keep_up(self) -> None:
        """Record what has been unrecorded for too long; writing to disk may take a while."""
        waited = time.monotonic() - self._recorded
        if (self._unrecorded or self._said) and waited > _AT_LEAST_EVERY:
            self.flush()

    def flush(self) -> None:
        """Record what is unrecorded."""
        unrecorded, self._unrecorded, self._waiting = self._unrecorded, [], 0
        if unrecorded:
            nodes = self._engine.nodes
            together = _by_node(unrecorded)
            records = (self._records(nodes[number], indices) for number, indices in together)
            ended = [record for some in records for record in some]
            self._recorder.record(ended)
            log_ends(ended)
        said, self._said, self._said_characters = self._said, [], 0
        if said:
            self._recorder.keep_logs(said)
        self._recorded = time.monotonic()

    def left(self) -> Counter[str]:
        """Count by state the recorded instances that this execution of the flow run did not have.

        They are those of the last flow run, and of this one before it was resumed or before a
        coordinator in it was retried. They are recorded as `removed`, unless it is unknown
        whether they still belong: then this flow run's own stay, and its successes count.
        """
        self.flush()
        names: dict[str, set[str]] = {}
        mapped: set[str] = set()
        for state in self._engine.counted:
            names.setdefault(state.node.name, set()).update(_recorded_names(state))
            if state.mapped:
                mapped.add(state.node.name)
        own = self._own_states()
        earlier = {
            node: self._recorder.last_keys(self._flow_run.flow, node) for node in sorted(mapped)
        }
        for node, states in own.items():
            earlier[node] = earlier.get(node, frozenset()) | states.keys()
        unknown = self._unknown()
        counts: Counter[str] = Counter()
        gone = []
        for node, known in earlier.items():
            for key in sorted(known - names.get(node, set())):
                if keys.is_lasting(key) and not _is_under(unknown, node, key):
                    gone.append(self._removed(node, key))
                elif keys.is_lasting(key) and own.get(node, {}).get(key) is State.SUCCESS:
                    counts[State.SUCCESS] += 1  # those that failed before have run again since
        if gone:
            self._recorder.record(gone)
            log_ends(gone)
            counts[State.REMOVED] = len(gone)
        return counts

    def _own_states(self) -> Mapping[str, Mapping[str, State]]:
        """The states this flow run recorded, by node and key; empty if it still has them all."""
        if not self._resumed and len(self._engine.counted) == len(self._engine.nodes):
            return {}
        run = self._flow_run.id
        return {node: self._recorder.states_of(run, node) for node in self._recorder.nodes_of(run)}

    def _removed(self, node: str, key: str) -> InstanceRecord:
        return InstanceRecord(
            flow_run=self._flow_run.id, node=node, key=key, index=-1, state=State.REMOVED
        )

    def _unknown(self) -> list[tuple[str, str]]:
        """The places whose instances are unknown, as ends of node names and beginnings of keys.

        Unknown are the instances of a map whose source gave nothing, the calls that an
        unsuccessful coordinator would have made, and, in a resumed flow run, the earlier calls of a
        coordinator that now had nothing left to call.
        """
        calling = {state.node.parent for state in self._engine.counted}
        return [
            place
            for state in self._engine.counted
            for place in _unknown(state, calling if self._resumed else None)
        ]

    def finish(self, flow_run: FlowRun) -> None:
        """Record that the flow run has ended."""
        self.flush()
        self._warn_of_repeated()
        self._recorder.finish(flow_run)
        log_end(flow_run)

    def _done_before(self, state: NodeState, indices: Sequence[int]) -> frozenset[int]:
        """The instances that succeeded in this flow run before it was resumed."""
        if not self._resumed:
            return frozenset()
        node = state.node.name
        if node not in self._done:
            self._done[node] = self._recorder.succeeded(self._flow_run.id, node)
        keys = zip(indices, state.names.at(indices), strict=True)
        return frozenset(index for index, key in keys if key in self._done[node])

    def _run_again(self, state: NodeState, indices: Sequence[int]) -> frozenset[int]:
        if self._again is None:
            return frozenset()
        return frozenset(index for index in indices if self._again.includes(state, index))

    def _has_name(self, state: NodeState) -> bool:
        """Whether its arguments identify its result."""
        task = state.node.task
        return not task.coordinates and task.settings.cache != NEVER and state.constants_are_final

    def _names(
        self, state: NodeState, indices: Sequence[int]
    ) -> tuple[dict[int, str], dict[int, str]]:
        """Return fingerprints by index: those that count in all flow runs, and in this one only.

        Instances of which a `cache` option says nothing, and tasks that nothing vouches for, have
        the latter.
        """
        code, cache = self._code(state), state.node.task.settings.cache
        if code is None:
            return {}, {}
        if not callable(cache) or not state.mapped:
            lasting = self._lasting_code(state) if state.mapped and cache == RUNS else None
            columns = state.columns_of(indices)
            names = fingerprints(lasting or code, state.constants, columns, len(indices))
            if lasting:
                return _named(indices, names), {}
            return {}, self._own_names(code, state, indices, names)
        found = [_cache_fingerprint(code, cache, state, index) for index in indices]
        missing = [index for index, name in zip(indices, found, strict=True) if name is None]
        if not missing:
            return _named(indices, found), {}
        names = fingerprints(code, state.constants, state.columns_of(missing), len(missing))
        return _named(indices, found), self._own_names(code, state, missing, names)

    def _own_names(
        self, code: bytes, state: NodeState, indices: Sequence[int], names: Sequence[str | None]
    ) -> dict[int, str]:
        """Return fingerprints that count for one instance of this flow run, and for no other."""
        node, of_instances = state.node.name, state.names.at(indices)
        return {
            index: own
            for index, key, name in zip(indices, of_instances, names, strict=True)
            if name and (own := fingerprint(code, (node, key, name)))
        }

    def _code(self, state: NodeState) -> bytes | None:
        if state.number not in self._codes:
            self._codes[state.number] = code_digest(state.node.task.function)
        return self._codes[state.number]

    def _lasting_code(self, state: NodeState) -> bytes | None:
        """The digest that identifies a task in later flow runs; None where it has none."""
        if state.number not in self._lasting_codes:
            digest = code_digest_across_runs(state.node.task.function)
            self._lasting_codes[state.number] = digest
        return self._lasting_codes[state.number]

    def _warn_of_repeated(self) -> None:
        """Warn of tasks that ran again in a resumed flow run despite earlier successes."""
        for node, number in sorted(self._repeated.items()):
            if number:
                logger.warning(
                    "task %r: %d instances that had succeeded before the interruption ran again: "
                    "its code or its arguments have changed since, or its results are of a kind "
                    "that is not kept, or were dropped when a later flow run ended well",
                    node,
                    number,
                )

    def _records(self, state: NodeState, indices: Sequence[int]) -> list[InstanceRecord]:
        if tuple(indices) == (-1,):
            return [self._closed(state)]
        before = self._recorded_before.get(state.number)
        if before:
            indices = [index for index in indices if index not in before]
        names, shorts = state.names.at(indices), _in_short(state, indices)
        return [
            self._record(state, index, name, short)
            for index, name, short in zip(indices, names, shorts, strict=True)
        ]

    def _closed(self, state: NodeState) -> InstanceRecord:
        """The record of a map that ended without any instance."""
        return InstanceRecord(
            flow_run=self._flow_run.id,
            node=state.node.name,
            key=_key_of_call(state),
            index=-1,
            state=state.closed or State.SKIPPED,
            error=state.reason,
        )

    def _record(self, state: NodeState, index: int, key: str, arguments: str) -> InstanceRecord:
        columns = state.columns
        failure, started = columns.failures.get(index), columns.started[index]
        # A value that stays on the cluster vanishes with it and cannot be reused.
        is_kept = isinstance(columns.values[index], Kept)
        name, scope = self._name_and_scope(state.number, index)
        return InstanceRecord(
            flow_run=self._flow_run.id,
            node=state.node.name,
            key=key,
            index=index if state.mapped else -1,
            state=columns.state(index),
            tries=columns.tries.get(index, 1 if started else 0),
            started=started or None,
            ended=columns.ended[index] or None,
            worker=columns.worker(index),
            error=None if failure is None else _whole(failure),
            arguments=arguments,
            fingerprint=None if is_kept else name,
            scope=None if is_kept else scope,
            value=None if is_kept else columns.values[index],
        )

    def _name_and_scope(self, number: int, index: int) -> tuple[str | None, str | None]:
        """Return an instance's fingerprint, and the flow run in which alone it counts, if any."""
        own = self._own.get(number, {}).pop(index, None)
        if own is not None:
            return own_fingerprint(self._flow_run.id, own), self._flow_run.id
        return self._lasting.get(number, {}).pop(index, None), None


def _named(indices: Sequence[int], names: Sequence[str | None]) -> dict[int, str]:
    return {index: name for index, name in zip(indices, names, strict=True) if name}


def _whole(failure: Failure) -> str:
    """An error with its traceback; a long message, which also ends it, is kept only in front."""
    error, frames = failure.error, failure.traceback
    if len(error) >= MOST_CHARACTERS:  # the kept part of the traceback is only the message's end
        return error
    if len(error) > _LONG_MESSAGE and frames.endswith(error):
        frames = frames.removesuffix(error).rpartition("\n")[0]
    return f"{error}\n{frames}".strip()


def _by_node(ended: Sequence[tuple[int, Sequence[int]]]) -> list[tuple[int, Sequence[int]]]:
    """Ends grouped by node; in this process they come one by one."""
    if len({number for number, _ in ended}) == len(ended):
        return list(ended)
    nodes: dict[int, list[int]] = {}
    for number, indices in ended:
        nodes.setdefault(number, []).extend(indices)
    return list(nodes.items())


def _key_of_call(state: NodeState) -> str:
    """The key of a whole call without instances; each further call of a node has its own."""
    prefix, ordinal = state.node.prefix, state.ordinal
    return keys.below(prefix, keys.unnamed(f"call {ordinal + 1}")) if ordinal else prefix


def _recorded_names(state: NodeState) -> Iterable[str]:
    """The keys under which the instances of a node are recorded, or the node without any."""
    return state.names if state.closed is None else (_key_of_call(state),)


def _unknown(
    state: NodeState, calling: Container[Origin | None] | None
) -> Iterator[tuple[str, str]]:
    """As `Journal._unknown`, for one node; `calling` are the coordinators that made calls."""
    if state.mapped and state.items is None:
        yield state.node.name, state.node.prefix
    if state.node.task.coordinates:
        names = state.names
        for index in range(state.length or 0):
            is_silent = calling is not None and Origin(state.number, index) not in calling
            if is_silent or not state.tally_of(index).success:
                yield f"@{state.node.name}", names[index]


def _is_under(places: Iterable[tuple[str, str]], node: str, key: str) -> bool:
    """Whether an instance is in one of the places that `_unknown` gives."""
    return any(node.endswith(of) and keys.is_under(key, at) for of, at in places)


def _cache_fingerprint(
    code: bytes, cache: Callable[..., Any], state: NodeState, index: int
) -> str | None:
    """The fingerprint of one instance by its `cache` option."""
    try:
        with user_code():
            depends_on = applied(cache, state.arguments(index))
    except RaisedError as error:
        # The call is made anyway, and a `.map` that fails here fails again there.
        logger.warning("%s is not looked up: its `cache` raised %s", state.names[index], error)
        return None
    return None if depends_on is None else fingerprint(code, depends_on)


def _in_short(state: NodeState, indices: Sequence[int]) -> list[str]:
    """The arguments that distinguish instances from their siblings."""
    if state.items is None:
        return [""] * len(indices)
    columns = [
        [f"{name}={_shown(value)}" for value in column]
        for name, column in state.columns_of(indices).items()
    ]
    return [", ".join(parts)[:_LONGEST_ARGUMENTS] for parts in zip(*columns, strict=True)]


def _shown(value: Any) -> str:
    if type(value) in {int, float, bool}:
        return repr(value)
    try:
        return writable(_SHORT.repr(value))
    except BaseException as error:
        if is_of_person(error):
            raise
        return f"{type(value).__name__}(...)"


class _Short(reprlib.Repr):
    """Like `repr`, but bounded in time and length whatever the value."""

    def repr_instance(self, x: Any, level: int) -> str:  # noqa: ARG002 - reprlib's signature
        """An object by its type, and its id if it has one: its own repr may take long."""
        name = getattr(x, "id", None)
        shown = repr(name) if isinstance(name, str | int) else "..."
        return repr(x) if isinstance(x, bool | None) else f"{type(x).__name__}({shown})"


_SHORT = _Short()
_SHORT.maxstring = _SHORT.maxother = 60
