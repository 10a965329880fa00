"""Flows: functions that describe a graph of tasks, and its execution.

Touches no library; `Flow.run` joins all parts of this package; driver.
"""

import inspect
import json
import math
import os
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import CodeType
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

from orchestrator.errors import FlowError
from orchestrator.mapping.authoring.nodes import Node, Reference, Scope
from orchestrator.mapping.authoring.tasks import Task
from orchestrator.mapping.driver.coordinators import TaskFailedError
from orchestrator.mapping.driver.journal import Journal
from orchestrator.mapping.driver.lease import LeasedLedger, driving
from orchestrator.mapping.driver.loop import DriverLoop
from orchestrator.mapping.driver.progress import Observer
from orchestrator.mapping.driver.recorder import Recorder
from orchestrator.mapping.driver.rerun import Again, Chosen
from orchestrator.mapping.driver.task_logs import Listener, LogCollector, print_log
from orchestrator.mapping.engine.engine import Engine
from orchestrator.mapping.engine.expansion import too_long
from orchestrator.mapping.engine.limits import Pool, require_pool
from orchestrator.mapping.engine.node_state import NodeState
from orchestrator.mapping.execution.capture import LogCapture, capturing
from orchestrator.mapping.execution.deferred import DeferredExecutor
from orchestrator.mapping.execution.executor import Executor
from orchestrator.mapping.execution.inline import InlineExecutor
from orchestrator.mapping.flow_run import Run
from orchestrator.records import FlowRun, KeptLogs, Logs, RunOrigin, State
from orchestrator.user_code import RaisedError, user_code

if TYPE_CHECKING:
    from distributed import Client

_OWN_CODE = str(Path(__file__).parent)
"""Files of this package, which no flow function is to blame for."""

_End = Literal["success", "failed", "interrupted"]

Connect = Callable[[], "Client | None"]
"""Connects to a cluster; None means this process."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A graph of tasks, described by a function.

    Attributes:
        function: Calls tasks and returns the result.
        name: The name under which its flow runs are listed.
        max_map_length: Most instances one expansion may have.
        pools: The limits that tasks of a flow run share, by name.
        logs: The rule for keeping its tasks' logs, unless `run` sets another.
    """

    function: Callable[..., Any]
    name: str
    max_map_length: int = 1_000_000
    pools: Mapping[str, Pool] = field(default_factory=dict)
    logs: Logs | None = None

    def build(self, /, **params: Any) -> tuple[Scope, Any]:
        """The graph for these parameters, and what the function returned; nothing runs.

        Raises:
            FlowError: The graph, or a parameter, is wrong.
        """
        try:
            inspect.signature(self.function).bind(**params)
        except TypeError as error:
            raise FlowError(f"flow {self.name!r}: {error}") from None
        scope = Scope(f"flow {self.name!r}")
        try:
            with scope.entered(), user_code():
                returned = self.function(**params)
        except RaisedError as raised:
            if isinstance(raised.error, RecursionError):
                problem = _depth(raised.error, getattr(self.function, "__code__", None))
                raise FlowError(f"flow {self.name!r} {problem}") from None
            if isinstance(raised.error, Exception):
                raise raised.error from raised.error.__cause__  # the caller's own exception
            raise FlowError(f"flow {self.name!r} raised {raised}") from raised.error
        if inspect.iscoroutine(returned):
            returned.close()
            raise FlowError(f"flow {self.name!r} is an async def; only tasks may be: use def")
        scope.warn_of_unexpanded()
        for node in scope.nodes:
            self._require_short(node)
            require_pool(self.pools, node.name, node.task.settings.pool)
        return scope, returned

    def run(
        self,
        client: "Client | Connect | None" = None,
        ledger: Recorder | LeasedLedger | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        flow_run_id: str | None = None,
        resumed: FlowRun | None = None,
        origin: RunOrigin | None = None,
        observer: Observer | None = None,
        stop: Callable[[], bool] | None = None,
        grace: float = math.inf,
        rerun_of: str | None = None,
        again: Chosen | None = None,
        logs: Logs | None = None,
        on_log: Listener | None = None,
        force: bool = False,
        say: Callable[[str], None] = lambda _: None,
        **old: Any,
    ) -> "Run":
        """Run the flow to its end.

        Args:
            client: The Dask cluster to run on; None means in this process. A function that
                returns either is called when the first call needs a cluster, and never if
                every result is recalled from the ledger.
            ledger: Records the flow run and its instances, and recalls earlier results. A `Ledger`
                is held by this driver alone while the flow runs; a recorder is just used.
            params: The flow function's parameters, by name.
            flow_run_id: The id of the flow run; None makes a new one.
            resumed: An unfinished flow run to continue in place of a new one: coordinators run
                from the start, and recorded successes are not repeated.
            origin: The source of the flow, kept so that a command can resume or repeat it.
            observer: Receives progress.
            stop: Polled often; once it returns true nothing more is started, and the flow run
                ends `interrupted` when the running calls have ended.
            grace: Seconds that running calls then have to end; those that take longer are
                abandoned. A call in this process cannot be abandoned.
            rerun_of: A flow run of which this one runs a part again: results that `again` does
                not choose are taken from it, as far as it keeps them.
            again: Called with an instance's node and key; whether it runs again despite a
                recorded success. Instances that depend on it then run again, too.
            logs: The rule for what the ledger keeps of the tasks' prints, logs and warnings;
                None for the flow's own rule, or else the defaults.
            on_log: Receives each attempt's log after it has ended. Without it and a ledger,
                tasks in this process print as usual, and tasks on a cluster print under the
                instance's name.
            force: Take the place of another driver of the flow, dead or alive.
            say: Called with a sentence where another driver's lease has to be watched.
            **old: Parameters as keywords, as version 0.1 took them; deprecated.

        Raises:
            FlowError: The graph or a parameter is wrong; nothing was started.
            HeldError: Another driver runs the flow on this ledger; nothing was started.
            MachineryError: The cluster or the ledger failed.
        """
        params = _checked_parameters(self.name, client, params, old)
        scope, returned = self.build(**params)
        flow_run = FlowRun(
            id=resumed.id if resumed else flow_run_id or new_id(),
            flow=self.name,
            params={name: _jsonable(value) for name, value in params.items()},
            started=resumed.started if resumed else time.time(),
            origin=origin,
        )
        with driving(ledger, flow_run, stop, force=force, say=say) as (recorder, stop_or_lost):
            return self._drive(
                flow_run,
                scope,
                returned,
                client=client,
                recorder=recorder,
                resumed=resumed,
                observer=observer,
                stop=stop_or_lost,
                grace=grace,
                rerun_of=rerun_of,
                again=again,
                logs=logs,
                on_log=on_log,
            )

    def _drive(
        self,
        flow_run: FlowRun,
        scope: Scope,
        returned: Any,
        *,
        client: "Client | Connect | None",
        recorder: Recorder | None,
        resumed: FlowRun | None,
        observer: Observer | None,
        stop: Callable[[], bool] | None,
        grace: float,
        rerun_of: str | None,
        again: Chosen | None,
        logs: Logs | None,
        on_log: Listener | None,
    ) -> "Run":
        """Run the flow as its one driver."""
        engine = Engine(self.max_map_length, self.pools)
        rerun = Again(engine, again) if again is not None else None
        journal = None
        if recorder is not None:
            is_resumed = resumed is not None
            journal = Journal(
                flow_run, recorder, engine, rerun, resumed=is_resumed, rerun_of=rerun_of
            )
        try:
            executor = _executor(client)
        except BaseException:
            _finish(flow_run, engine, journal, "interrupted", {})
            raise
        if journal is None and on_log is None and client is not None:
            on_log = print_log
        capture = LogCapture(
            flow_run=flow_run.id,
            logs=logs or self.logs or Logs(),
            shown=on_log is not None,
            enabled=journal is not None or on_log is not None,
        )
        said = LogCollector(capture, None if journal is None else journal.said, on_log)
        loop = DriverLoop(
            engine,
            executor,
            said=said,
            journal=journal,
            observer=observer,
            stop=stop,
            grace=grace,
            used_until=None if resumed is None else _moment_of(resumed.ended),
        )
        try:
            engine.add(scope.fresh())
            with capturing(capture):
                state, left = _carry_out(loop, engine, journal)
        except BaseException:
            _finish(flow_run, engine, journal, "interrupted", {})
            raise
        finally:
            executor.close()
        ended = _finish(flow_run, engine, journal, state, left)
        return Run(ended, engine, returned, unkept_logs=said.unkept)

    def __call__(self, /, **params: Any) -> Any:
        """Inside another flow: its nodes become that flow's. Elsewhere: an error."""
        from orchestrator.mapping.authoring.nodes import current_scope

        if current_scope() is None:
            raise FlowError(f"flow {self.name!r} is not called but run: {self.name}.run(...)")
        return self.function(**params)

    def _require_short(self, node: Node) -> None:
        """Refuse a map that is too long before anything runs, if its length is known."""
        if node.items is None:
            return
        if any(isinstance(leaf, Reference) for leaf in node.items.leaves()):
            return
        length = len(node.items)
        if length > self.max_map_length:
            raise FlowError(f"task {too_long(node.name, length, self.max_map_length)}")


@overload
def flow(function: Callable[..., Any], /) -> Flow: ...
@overload
def flow(
    *,
    name: str | None = None,
    max_map_length: int = 1_000_000,
    pools: Mapping[str, int | str | Pool] | None = None,
    logs: Logs | Mapping[str, Any] | None = None,
) -> Callable[[Callable[..., Any]], Flow]: ...
def flow(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    max_map_length: int = 1_000_000,
    pools: Mapping[str, int | str | Pool] | None = None,
    logs: Logs | Mapping[str, Any] | None = None,
) -> Flow | Callable[[Callable[..., Any]], Flow]:
    """Make a flow of a function; used bare or with options.

    Args:
        function: Calls tasks and returns the result.
        name: The name under which its flow runs are listed; None for the function's own name.
        max_map_length: Most instances one expansion may have.
        pools: The limits that tasks share, `task(pool="api")`, over all calls of a flow run. By
            name, the number of slots (4), a rate ("10/s"), or both, `Pool(slots=4, rate="10/s")`.
        logs: The rule for what the ledger keeps of the tasks' prints, logs and warnings, as in the
            configuration: `{"keep": "all", "bytes": 65536}`. `run(logs=...)`, the configuration's
            `logs:` and `--keep-logs` take precedence, and each replaces it as a whole.

    Raises:
        FlowError: It is a task, or a pool or logs are wrong.
    """
    if function is None:
        return lambda function: _flow_of(function, name, max_map_length, pools or {}, logs)
    return _flow_of(function, name, max_map_length, pools or {}, logs)


def _flow_of(
    function: Callable[..., Any],
    name: str | None,
    max_map_length: int,
    pools: Mapping[str, Any],
    logs: Logs | Mapping[str, Any] | None,
) -> Flow:
    if isinstance(function, Task):
        raise FlowError(f"{function.name!r} is a task: call it inside a flow's function")
    name = name or function.__name__
    if not isinstance(pools, Mapping):
        raise FlowError(f"flow {name!r}: pools is a {type(pools).__name__}, not a dict")
    read = {of: Pool.read(name, of, given) for of, given in pools.items()}
    return Flow(function, name, max_map_length, read, _logs_of(name, logs))


def _logs_of(flow: str, given: Any) -> Logs | None:
    if given is None:
        return None
    try:
        logs = given if isinstance(given, Logs) else Logs(**given)
    except TypeError:
        logs = None
    valid = logs and logs.keep in get_args(KeptLogs) and type(logs.bytes) is int and logs.bytes >= 1
    if not valid:
        raise FlowError(
            f"flow {flow!r}: logs is {given!r}: give a dict such as "
            '{"keep": "failed", "bytes": 65536}; keep is one of '
            f"{', '.join(get_args(KeptLogs))}, bytes at least 1"
        )
    return logs


def _depth(error: RecursionError, own: CodeType | None) -> str:
    """The reason why building a flow went too deep.

    Args:
        error: Python's error.
        own: The code of the flow's function.
    """
    calls = Counter(frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__))
    if own is not None and calls[own] > 1:
        return "calls itself: a flow cannot have a cycle"
    users = {code: n for code, n in calls.items() if not code.co_filename.startswith(_OWN_CODE)}
    if users and (most := max(users.values())) > 1:
        code = next(code for code in users if users[code] == most)
        return (
            f"goes too deep: {code.co_name}() in {code.co_filename}, line {code.co_firstlineno}, "
            f"is called {most} times from within itself; end its recursion earlier, or use a loop"
        )
    return "goes too deep: an argument has too many lists, dicts or dataclasses inside each other"


def new_id() -> str:
    """A new flow run's id: sorts by the second of its start, then at random."""
    return f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{os.urandom(3).hex()}"


def _moment_of(ended: float | None) -> float:
    """A past time on the monotonic clock; None, for a process that was killed, means now."""
    ago = 0.0 if ended is None else max(0.0, time.time() - ended)
    return time.monotonic() - ago


def _checked_parameters(
    name: str, client: object, params: Mapping[str, Any] | None, old: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the parameters of a flow run, by name.

    Raises:
        FlowError: They, or the client, were not given as they should be.
    """
    if isinstance(client, Mapping) or not isinstance(params, Mapping | None):
        given = type(client if isinstance(client, Mapping) else params).__name__
        raise FlowError(f"flow {name!r}: give its parameters as run(params={{...}}), not a {given}")
    if client is not None and not inspect.isroutine(client) and not hasattr(client, "submit"):
        raise FlowError(f"flow {name!r}: client is a {type(client).__name__}, not a Dask client")
    if old:
        warnings.warn(
            f"flow {name!r}: give its parameters as run(params={{...}}); keywords are deprecated, "
            "since a parameter could have the name of an option",
            DeprecationWarning,
            stacklevel=3,
        )
    return {**old, **(params or {})}


def _executor(client: "Client | Connect | None") -> Executor:
    if client is None:
        return InlineExecutor()
    if inspect.isroutine(client):
        connect = client
        return DeferredExecutor(lambda: _executor(connect()))
    # late: distributed takes a second to import, which flows in this process do not need
    from orchestrator.mapping.dask.executor import DaskExecutor

    return DaskExecutor(client)


def _carry_out(
    loop: DriverLoop, engine: Engine, journal: Journal | None
) -> tuple[_End, Mapping[str, int]]:
    """Return the end state, and the recorded instances that are not the engine's, by state."""
    if not loop.run():
        return "interrupted", {}
    return _end_state(engine), {} if journal is None else journal.left()


def _end_state(engine: Engine) -> _End:
    """Airflow's rule: the leaves decide the state; a coordinator stands for its children."""
    own = (state for state in engine.counted if state.node.parent is None)
    leaves = (state for state in own if not state.followers and not state.consumers)
    return "failed" if any(_failed(state) for state in leaves) else "success"


def _failed(state: NodeState) -> bool:
    return state.tally().failed > 0


def _finish(
    flow_run: FlowRun,
    engine: Engine,
    journal: Journal | None,
    state: _End,
    left: Mapping[str, int],
) -> FlowRun:
    counts: Counter[str] = Counter(left)
    for node in engine.counted:
        counts.update({str(end): number for end, number in node.counts.items()})
        if node.closed is not None:
            counts[node.closed] += 1
        elif node.length is not None and node.ended < node.length:
            counts[State.PENDING] += node.length - node.ended
    ended = replace(flow_run, state=state, ended=time.time(), counts=dict(counts))
    if journal is not None:
        journal.finish(ended)
    return ended


def _jsonable(value: Any) -> Any:
    """A parameter in the form that is kept: itself if it is JSON, else its type."""
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return f"<{type(value).__name__}>"
    return value


__all__ = ["Flow", "Run", "TaskFailedError", "flow", "new_id"]
