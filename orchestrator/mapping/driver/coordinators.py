"""Coordinators: `async def` tasks on the driver, which await mapped calls and get their outcomes.

A coordinator is driven by `send`, not by asyncio: it may await only calls of tasks.
Touches no library; takes starts and ends from the driver loop; feeds the engine.
"""

import logging
import time
from array import array
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from orchestrator.errors import FlowError, MachineryError
from orchestrator.mapping.authoring.nodes import FirstEnded, Reference, Scope
from orchestrator.mapping.authoring.sequences import Origin
from orchestrator.mapping.driver.task_logs import LogCollector
from orchestrator.mapping.engine.engine import Engine
from orchestrator.mapping.engine.node_state import NodeState
from orchestrator.mapping.execution.capture import continuing, output_of
from orchestrator.mapping.execution.context import Attempt
from orchestrator.mapping.execution.executor import Ended, Kept
from orchestrator.mapping.execution.invoke import Failure, Performed, Skip, failure_of
from orchestrator.mapping.execution.own_arguments import own
from orchestrator.records import State
from orchestrator.user_code import RaisedError, is_of_person, user_code

logger = logging.getLogger(__name__)

WORKER = "driver"

Step = Callable[[], Any]
"""Runs a coroutine up to its next await, and returns what it awaits there."""


class TaskFailedError(Exception):
    """A task did not succeed, but was awaited, or its value was requested.

    Attributes:
        key: The instance: node, and key if it has one.
    """

    def __init__(self, key: str, error: str, trace: str = "") -> None:
        super().__init__(f"{key}: {error}" + (f"\n{trace}" if trace else ""))
        self.key, self.error, self.trace = key, error, trace

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from the parts."""
        return TaskFailedError, (self.key, self.error, self.trace)


@dataclass(slots=True, eq=False)
class _Running:
    """A coordinator under way."""

    state: NodeState
    index: int
    scope: Scope
    coroutine: Coroutine[Any, Any, Any]
    started: float
    attempt: Attempt
    children: list[NodeState] = field(default_factory=list)
    awaited: Any = None
    result: Performed | None = None


class Coordinators:
    """All coordinators of a flow run that are under way.

    Args:
        engine: Receives their ends.
        said: Receives their output.
    """

    def __init__(self, engine: Engine, said: LogCollector) -> None:
        self._engine, self._said = engine, said
        self._waiting: dict[int, dict[_Running, None]] = {}
        self._running: set[_Running] = set()
        self._next: dict[_Running, Step] = {}
        self._called_before: dict[Origin, list[NodeState]] = {}

    def __len__(self) -> int:
        return len(self._running)

    def start(self, state: NodeState, index: int) -> None:
        """Start one and run it to its first unfinished await."""
        started = time.time()
        for child in self._called_before.pop(Origin(state.number, index), ()):
            child.superseded = True  # this attempt calls for itself
        try:
            with user_code():  # an argument's `.map` runs here, too
                arguments = own(here(state.arguments(index)))
                coroutine = state.node.task.function(**arguments)
        except RaisedError as error:
            if isinstance(error.error, MachineryError):
                raise error.error from None
            self._end(state, index, _performed(started, failure=failure_of(error)))
            return
        name = state.node.name
        scope = Scope(f"task {name!r}", prefix=state.names[index], of=name)
        attempt = self._said.capture.attempt(
            name, state.names[index], state.columns.tries.get(index, 1)
        )
        running = _Running(state, index, scope, coroutine, started, attempt)
        self._running.add(running)
        self._advance(running, partial(coroutine.send, None))

    def done(self, numbers: Sequence[int]) -> None:
        """Continue the coordinators that wait for these nodes, which have ended."""
        for number in numbers:
            for running in self._waiting.pop(number, ()):
                if running not in self._running:  # it has been cancelled
                    continue
                if running in self._next:  # it waited for several and has its answer
                    continue
                if running.result is not None:
                    self._finish(running)
                elif (step := self._answer(running)) is not None:
                    self._advance(running, step)

    def resume_next(self) -> bool:
        """Continue one that need not wait; False when there is none.

        The calls it has made are started before it continues: it may take long to make its next
        call, and workers would idle.
        """
        while self._next:
            running = next(iter(self._next))
            step = self._next.pop(running)
            if running in self._running:  # it was not cancelled meanwhile
                self._advance(running, step)
                return True
        return False

    def cancel(self, number: int, indices: Sequence[int]) -> None:
        """Cancel these, and their calls."""
        unwanted = [r for r in self._running if r.state.number == number and r.index in indices]
        for running in unwanted:
            self._running.discard(running)
            _close(running.coroutine)
            for child in running.children:
                reason = f"cancelled with {running.state.names[running.index]!r}, which called it"
                self._engine.cancel(child.number, reason)

    def close(self) -> None:
        """Close the coroutines that are under way."""
        for running in self._running:
            _close(running.coroutine)
        self._running.clear()

    def _advance(self, running: _Running, step: Step | None) -> None:
        """Run it until it has called something, awaits something unfinished, or has ended."""
        while step is not None:
            called = len(running.children)
            self._take(running, step)
            if running.result is not None:
                self._finish(running)
                return
            step = self._answer(running)
            if step is not None and len(running.children) > called:
                self._next[running] = step
                return

    def _take(self, running: _Running, step: Step) -> None:
        """Run it up to its next await."""
        try:
            with running.scope.entered(), continuing(running.attempt):
                running.awaited = step()
        except StopIteration as stop:
            running.result = _performed(running.started, value=stop.value)
        except BaseException as error:
            if is_of_person(error):
                raise
            self._fail(running, error)
        try:
            self._add_children(running)
        except FlowError as error:
            _close(running.coroutine)
            self._fail(running, error)

    def _answer(self, running: _Running) -> Step | None:
        """The step that sends it the awaited result; None while it has to wait."""
        awaited, coroutine = running.awaited, running.coroutine
        calls = awaited.references if isinstance(awaited, FirstEnded) else (awaited,)
        if not calls or not all(map(self._is_call, calls)):
            return partial(coroutine.throw, self._refusal(running, awaited))
        states = [self._engine.state_of(call.node) for call in calls]
        ended = next((n for n, state in enumerate(states) if state.done), None)
        if ended is None:
            for state in states:
                self._waiting.setdefault(state.number, {})[running] = None
            return None
        if isinstance(awaited, FirstEnded):
            return partial(coroutine.send, calls[ended])
        try:
            return partial(coroutine.send, value_of(states[ended]))
        except (TaskFailedError, Skip) as error:
            return partial(coroutine.throw, error)
        except RaisedError as error:  # by a value that is fetched here
            return partial(coroutine.throw, error.error)

    def _is_call(self, awaited: Any) -> bool:
        """Whether this is a call of this flow run."""
        return isinstance(awaited, Reference) and self._engine.knows(awaited.node)

    def _fail(self, running: _Running, error: BaseException) -> None:
        retry_on = running.state.node.task.settings.retry_on
        running.result = _performed(running.started, failure=failure_of(error, retry_on))

    def _refusal(self, running: _Running, awaited: Any) -> TypeError:
        name = running.state.node.name
        return TypeError(
            f"task {name!r} awaited {_described(awaited)}: a coordinator is not run by asyncio; "
            "it can await calls of tasks, such as `await evaluate.expand(x=...)`"
        )

    def _add_children(self, running: _Running) -> None:
        fresh = running.scope.fresh()
        for node in fresh:
            node.parent = Origin(running.state.number, running.index)
        self._engine.add(fresh)
        running.children += [self._engine.state_of(node) for node in fresh]

    def _finish(self, running: _Running) -> None:
        """End it once all its calls, awaited or not, have ended."""
        unfinished = next((child for child in running.children if not child.done), None)
        if unfinished is not None:
            self._waiting.setdefault(unfinished.number, {})[running] = None
            return
        try:
            with user_code():
                running.scope.warn_of_unexpanded()
        except RaisedError as error:  # where warnings are errors, they fail this coordinator
            self._fail(running, error)
        self._running.discard(running)
        assert running.result is not None  # noqa: S101 - that is what finishing means
        said = output_of(running.attempt)
        if said is not None:
            running.result.said = self._said.capture.wanted({0: said}, running.result.failures)
        if running.children and running.result.failures:
            self._called_before[Origin(running.state.number, running.index)] = running.children
        self._end(running.state, running.index, running.result)

    def _end(self, state: NodeState, index: int, performed: Performed) -> None:
        if performed.said:
            self._said.take(state, (index,), performed)
        self._engine.ended(
            Ended(node=state.number, indices=(index,), performed=performed, worker=WORKER)
        )


def _close(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Close a coroutine; an error it raises while it closes affects no other."""
    try:
        with user_code():
            coroutine.close()
    except RaisedError as error:
        logger.warning("a cancelled coordinator raised %s", error)


def _described(awaited: Any) -> str:
    if isinstance(awaited, FirstEnded):
        return "the first of none, or of calls that are not all of this flow run"
    if isinstance(awaited, Reference):
        return f"{awaited!r}, which belongs to another flow run"
    return type(awaited).__name__


def value_of(state: NodeState) -> Any:
    """The value of a node: a plain call's own value, or a map's outcomes.

    Raises:
        TaskFailedError: The node failed, or could not run.
        Skip: The node is a plain call that was skipped.
    """
    if state.closed in {State.FAILED, State.UPSTREAM_FAILED}:
        raise TaskFailedError(state.node.name, state.reason)
    if state.mapped:
        return own(state.outcomes)
    end = state.columns.state(0)
    failure = state.columns.failures.get(0)
    if end in {State.FAILED, State.UPSTREAM_FAILED}:
        name = "/".join(part for part in (state.node.prefix, state.node.name) if part)
        error = failure.error if failure else "something before it failed"
        raise TaskFailedError(name, error, failure.traceback if failure else "")
    if end is State.SKIPPED:
        raise Skip(failure.error if failure else f"{state.node.name!r} was skipped")
    return own(here(state.columns.values[0]))


def here(value: Any) -> Any:
    """A value, fetched to the driver where it is kept on the cluster."""
    if isinstance(value, Kept):
        return value.fetch()
    if type(value) is dict:
        return {name: here(part) for name, part in value.items()}
    return value


def _performed(started: float, *, value: Any = None, failure: Failure | None = None) -> Performed:
    return Performed(
        values=[value],
        failures={} if failure is None else {0: failure},
        started=array("d", [started]),
        ended=array("d", [time.time()]),
    )
