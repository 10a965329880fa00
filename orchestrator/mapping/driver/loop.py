"""The driver loop: the only place that joins engine, executor, coordinators, record and clock.

Touches no library; takes the nodes of a flow; gives the engine in its final state; driver.
"""

import heapq
import logging
import math
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orchestrator.errors import MachineryError
from orchestrator.mapping.authoring.options import placement, value_for
from orchestrator.mapping.authoring.tasks import check_item
from orchestrator.mapping.driver.coordinators import Coordinators, here
from orchestrator.mapping.driver.journal import Journal
from orchestrator.mapping.driver.pacing import Pacer
from orchestrator.mapping.driver.progress import Observer, progress
from orchestrator.mapping.driver.task_logs import LogCollector
from orchestrator.mapping.engine.engine import Engine
from orchestrator.mapping.engine.events import Start
from orchestrator.mapping.engine.node_state import WHOLE_ITEM, NodeState
from orchestrator.mapping.execution.capture import CallCapture, Callers
from orchestrator.mapping.execution.executor import (
    Calls,
    Ended,
    Event,
    Executor,
    Placement,
    Withdrawn,
)
from orchestrator.mapping.execution.invoke import Failure, Performed, failure_of, perform
from orchestrator.user_code import RaisedError, interruptible, user_code

logger = logging.getLogger(__name__)

_OBSERVED_EVERY = 0.1
_LONGEST_WAIT = 0.25
"""Seconds without looking at the record and at `stop`."""

_DRIVER = "driver"


class DriverLoop:
    """Runs an engine's nodes to their end.

    Args:
        engine: With the flow's nodes added.
        executor: Runs the instances that run on the cluster.
        said: Receives what instances print and log.
        journal: Records ends; None records nothing.
        observer: Receives progress, at most ten times a second.
        stop: Polled often; once it returns true, nothing more is started.
        grace: Seconds that running calls then have to end; those that take longer are abandoned.
        used_until: The time until which an earlier process of this flow run started instances, by
            the monotonic clock; None for a new flow run.
    """

    def __init__(
        self,
        engine: Engine,
        executor: Executor,
        *,
        said: LogCollector,
        journal: Journal | None = None,
        observer: Observer | None = None,
        stop: Callable[[], bool] | None = None,
        grace: float = math.inf,
        used_until: float | None = None,
    ) -> None:
        self._engine, self._executor, self._journal = engine, executor, journal
        self._observer, self._stop, self._grace = observer, stop, grace
        self._stopping_since: float | None = None
        self._said = said
        self._coordinators = Coordinators(engine, said)
        self._pacer = Pacer(engine, used_until)
        self._delays: list[tuple[float, int, int]] = []
        self._places: dict[int, Placement | None] = {}
        self._in_flight = 0
        self._observed = 0.0

    def run(self) -> bool:
        """Run to the end; False if it was stopped before."""
        with interruptible():
            try:
                is_done = self._until_done()
            finally:
                self._coordinators.close()
                if self._journal is not None:
                    self._journal.flush()
        if is_done:
            self._observe(force=True)
        return is_done

    def _until_done(self) -> bool:
        while not self._engine.done:
            self._start_ready()
            self._follow_up()
            if self._engine.done:
                break
            if self._has_stopped():
                return False
            self._keep_up()
            self._wait()
            self._follow_up()
            self._observe(force=False)
        return True

    def _has_stopped(self) -> bool:
        """Whether it is to stop, and the running calls have ended or used up their grace."""
        if not self._is_to_stop() or self._stopping_since is None:
            return False
        return not self._in_flight or time.monotonic() - self._stopping_since > self._grace

    def _is_to_stop(self) -> bool:
        """Whether it is to stop; from then on nothing is started."""
        if self._stopping_since is None and self._stop is not None and self._stop():
            self._stopping_since = time.monotonic()
            self._engine.stop()
            self._executor.withdraw()
        return self._stopping_since is not None

    # -- starting ------------------------------------------------------------------------------

    def _start_ready(self) -> None:
        self._start_while_there_is_room()
        while self._coordinators.resume_next():
            self._follow_up()
            self._start_while_there_is_room()
            self._keep_up()

    def _start_while_there_is_room(self) -> None:
        """Start what is ready; recalled results take no room, so this may pass all of it."""
        self._pacer.refresh()
        while (
            (room := self._executor.room()) > 0
            and self._engine.has_ready
            and not self._is_to_stop()
        ):
            starts = self._engine.take(room)
            if not starts:
                return
            for start in starts:
                self._start(self._engine.nodes[start.node], start)
            self._follow_up()
            self._observe(force=False)

    def _start(self, state: NodeState, start: Start) -> None:
        indices = self._without_recalled(state, start.indices)
        self._pacer.started(state, len(indices))
        if state.node.task.coordinates:
            for index in indices:
                self._coordinators.start(state, index)
            return
        if state.number not in self._places and not self._is_alike(state):
            for place, some in self._by_placement(state, indices).items():
                self._send(state, some, place, suspect=start.suspect)
        elif indices:
            self._send(state, indices, self._places[state.number], suspect=start.suspect)

    def _is_alike(self, state: NodeState) -> bool:
        """Whether all instances of a node have one placement, which is then computed once."""
        settings = state.node.task.settings
        if settings.vary:
            return False
        place = None if settings.runs_on == _DRIVER else placement(settings, {})
        self._places[state.number] = place
        return True

    def _without_recalled(self, state: NodeState, indices: Sequence[int]) -> Sequence[int]:
        """The instances without a recorded success."""
        if self._journal is None:
            return indices
        recalled = self._journal.recall(state, indices)
        if not recalled:
            return indices
        own = self._journal.own(state, recalled)
        self._engine.recalled(state.number, recalled, own)
        return [index for index in indices if index not in recalled]

    def _by_placement(
        self, state: NodeState, indices: Sequence[int]
    ) -> dict[Placement | None, list[int]]:
        """Instances grouped by placement; None is the driver."""
        settings = state.node.task.settings
        groups: dict[Placement | None, list[int]] = {}
        for index in indices:
            try:
                with user_code():
                    arguments = state.arguments(index)
                    runs_on = value_for("runs_on", settings.runs_on, arguments)
                    place = None if runs_on == _DRIVER else placement(settings, arguments)
            except RaisedError as error:
                failure = failure_of(error, settings.retry_on)
                self._end_here(state, [index], _all_failed(1, failure))
            else:
                groups.setdefault(place, []).append(index)
        return groups

    def _send(
        self, state: NodeState, indices: Sequence[int], place: Placement | None, *, suspect: bool
    ) -> None:
        """Perform instances here if they have no placement, else send them to the executor."""
        task = state.node.task
        constants, columns = state.constants, state.columns_of(indices)
        function = _WholeItem(state) if WHOLE_ITEM in columns else task.function
        keys, tries = state.names.at(indices), state.columns.tries_of(indices)
        if place is None:
            self._perform_here(state, indices, function, columns)
            return
        self._in_flight += len(indices)
        self._executor.submit(
            Calls(
                node=state.number,
                name=state.node.name,
                function=function,
                constants=constants,
                indices=indices,
                columns=columns,
                keys=keys,
                tries=tries,
                capture=self._said.capture,
                retry_on=task.settings.retry_on,
                placement=place,
                suspect=suspect,
            )
        )

    def _perform_here(
        self,
        state: NodeState,
        indices: Sequence[int],
        function: Callable[..., Any],
        columns: Mapping[str, Sequence[Any]],
    ) -> None:
        """Perform instances on the driver, with their arguments fetched here."""
        if self._journal is not None:
            self._journal.flush()  # a task on the driver may read the record
        try:
            constants = here(state.constants)
            columns = {name: [here(item) for item in column] for name, column in columns.items()}
        except RaisedError as error:
            if len(indices) > 1:  # perhaps by what one of them takes
                for position, index in enumerate(indices):
                    one = {
                        name: column[position : position + 1] for name, column in columns.items()
                    }
                    self._perform_here(state, [index], function, one)
            else:
                failure = failure_of(error, state.node.task.settings.retry_on)
                self._end_here(state, indices, _all_failed(1, failure))
            return
        callers = Callers(
            capture=self._said.capture,
            node=state.node.name,
            keys=state.names.at(indices),
            tries=state.columns.tries_of(indices),
        )
        with CallCapture(callers) as captured:
            performed = perform(
                function,
                constants,
                columns,
                len(indices),
                retry_on=state.node.task.settings.retry_on,
                before_each=captured.begin,
            )
        performed.said = callers.capture.wanted(captured.said, performed.failures)
        self._end_here(state, indices, performed)

    # -- ending --------------------------------------------------------------------------------

    def _wait(self) -> None:
        """Wait for the first of: an event, a retry or a start that is due, the record."""
        due = self._pacer.seconds_to_next()
        waits = [_LONGEST_WAIT if due is None else due]
        if self._delays:
            waits.append(self._delays[0][0] - time.monotonic())
        until = max(0.0, min(*waits, _LONGEST_WAIT))
        if self._in_flight or self._engine.has_ready:
            for event in self._executor.wait(until):
                self._take_in(event)
        elif self._delays or due is not None:
            time.sleep(until)  # nothing is under way that an executor could report
        else:
            self._free_the_stuck()
        while self._delays and self._delays[0][0] <= time.monotonic():
            _, number, index = heapq.heappop(self._delays)
            self._engine.due(number, index)

    def _free_the_stuck(self) -> None:
        """Let a coordinator exceed its limit if coordinators hold what others of them need.

        Raises:
            MachineryError: Nothing can start for another reason.
        """
        lifted = self._engine.lift_limit()
        if lifted is None:
            raise MachineryError(
                "the flow cannot continue, though not all of it has ended: "
                + ", ".join(s.node.name for s in self._engine.nodes if not s.done)
            )
        logger.warning(
            "%s: coordinators wait for each other within max_active; one more is started",
            lifted.node.name,
        )

    def _take_in(self, event: Event) -> None:
        self._in_flight -= len(event.indices)
        state = self._engine.nodes[event.node]
        if isinstance(event, Ended):
            self._end(state, event)
        elif isinstance(event, Withdrawn):
            self._engine.withdrawn(event.node, event.indices)
        else:
            self._engine.lost(event.node, event.indices, event.culprit, event.reason)

    def _end(self, state: NodeState, ended: Ended) -> None:
        if ended.performed.said:
            self._said.take(state, ended.indices, ended.performed)
        self._engine.ended(ended)

    def _end_here(self, state: NodeState, indices: Sequence[int], performed: Performed) -> None:
        number = state.number
        ended = Ended(node=number, indices=indices, performed=performed, worker=_DRIVER)
        self._end(state, ended)

    def _follow_up(self) -> None:
        """Carry out the engine's instructions after events."""
        while self._engine.has_effects:
            effects = self._engine.effects()
            if self._journal is not None:
                self._journal.ended(effects.ended)
            now = time.monotonic()
            for retry in effects.retries:
                heapq.heappush(self._delays, (now + retry.delay, retry.node, retry.index))
            for number, indices in effects.cancelled:
                self._cancel(self._engine.nodes[number], indices)
            if effects.done:
                self._coordinators.done(effects.done)

    def _keep_up(self) -> None:
        """Record what is overdue, once everything that can start has started."""
        if self._journal is not None:
            self._journal.keep_up()

    def _cancel(self, state: NodeState, indices: Sequence[int]) -> None:
        if state.node.task.coordinates:
            self._coordinators.cancel(state.number, indices)
        else:
            self._executor.cancel(state.number, indices)
            self._in_flight -= len(indices)

    def _observe(self, *, force: bool) -> None:
        if self._observer is None:
            return
        now = time.monotonic()
        if force or now - self._observed > _OBSERVED_EVERY:
            self._observed = now
            self._observer(progress(self._engine))


class _WholeItem:
    """Calls a task with an item of `expand_kwargs`, a dict of arguments, checked again.

    The result of a `.map` function is known only where it is applied, on the worker.
    """

    def __init__(self, state: NodeState) -> None:
        self._function = state.node.task.function
        self._strict = state.node.strict
        self._task = state.node.task

    def __call__(self, /, **arguments: Any) -> Any:
        item = arguments.pop(WHOLE_ITEM)
        check_item(self._task, item, arguments, strict=self._strict, place="an item")
        return self._function(**{**arguments, **item})


def _all_failed(count: int, failure: Failure) -> Performed:
    now = array("d", [time.time()] * count)
    return Performed([None] * count, dict.fromkeys(range(count), failure), now, now)
