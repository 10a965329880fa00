"""The code on Dask workers: it runs a batch of calls, and splits its results.

Touches distributed; takes a `Batch` with its `Parcel`; gives a `Ran`. Nothing here runs on the
driver, but for the records themselves.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from dask.sizeof import sizeof
from distributed import Worker, get_worker
from distributed.utils import sync

from orchestrator.mapping.dask.attribution import NotRunError
from orchestrator.mapping.dask.gate import GATE
from orchestrator.mapping.dask.messages import CallBegan, written
from orchestrator.mapping.dask.serialization import unpack
from orchestrator.mapping.dask.worker_results import LARGE, pack_result
from orchestrator.mapping.execution.capture import CallCapture, Callers
from orchestrator.mapping.execution.invoke import Failure, Performed, failure_of, perform
from orchestrator.user_code import RaisedError, described, said, user_code

LOADING = -1
"""Stands for a position: the batch is with its worker, none of its calls has begun."""

LEFT = -2
"""Stands for a position: from now on this batch cannot be the cause of the worker's death."""

_TOLD_ONE_BY_ONE = 64
_REPORT_EVERY_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedCall:
    """The shared part of a node's calls.

    Attributes:
        function: The function to call.
        constants: Arguments equal for all calls.
        retry_on: Exceptions after which another attempt may be made.
    """

    function: Callable[..., Any]
    constants: Mapping[str, Any]
    retry_on: tuple[type[BaseException], ...]


class Parcel:
    """A node's `SharedCall`, pickled once on the driver and opened once on each worker.

    Args:
        blob: The pickled order.
    """

    def __init__(self, blob: bytes) -> None:
        self._blob = blob

    def open(self, kept: Sequence[Any]) -> SharedCall:
        """The order; `kept` are the values left out of it."""
        return unpack(self._blob, kept) if kept else self._opened

    @cached_property
    def _opened(self) -> SharedCall:
        order: SharedCall = unpack(self._blob, ())
        return order

    def __sizeof__(self) -> int:
        return len(self._blob)

    def __reduce__(self) -> tuple[Any, ...]:
        """Small ones are shared within a worker, so that they are opened once there."""
        return (_shared if len(self._blob) <= LARGE else Parcel), (self._blob,)


@lru_cache(maxsize=16)
def _shared(blob: bytes) -> Parcel:
    return Parcel(blob)


def deliver(parcel: Parcel) -> Parcel:
    """A large parcel as a task of its own: Dask brings its result to every worker that needs it."""
    return parcel


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some calls of one node.

    Attributes:
        number: The executor's number of the batch.
        name: The node's name, for messages.
        callers: The instances that make the calls.
        columns: Pickled arguments by name, one value a call.
        count: The number of calls.
        topic: The topic under which the executor receives begun calls.
        suspect: Whether one of the calls may kill its worker: then they run alone, and each is
            reported.
        timeout: Seconds a call may take; then each call is reported.
        kept_from: Bytes from which a result stays on the cluster.
    """

    number: int
    name: str
    callers: Callers
    columns: bytes
    count: int
    topic: str
    suspect: bool = False
    timeout: float | None = None
    kept_from: int = LARGE


@dataclass(slots=True, kw_only=True)
class Ran:
    """The result of a batch, ready for the driver.

    Attributes:
        performed: The ends of the calls; its values are unused.
        blobs: Each call's pickled value; None where it failed or is too large.
        worker: The worker it ran on.
        seconds: The time the calls took together; None if none was made.
        large: Positions whose values stay on the cluster.
        apart: Whether arguments could not be unpickled, perhaps of one call alone: no call was
            made, and each is to be made apart from the others.
    """

    performed: Performed
    blobs: list[bytes | None]
    worker: str
    seconds: float | None
    large: tuple[int, ...] = ()
    apart: bool = False


@dataclass(slots=True, kw_only=True)
class RanLarge:
    """A batch with values that stay here, by position, and the part that goes to the driver."""

    ran: Ran
    values: dict[int, Any] = field(default_factory=dict)

    def __sizeof__(self) -> int:
        """The size, so that Dask does not move this to another worker as if it were tiny."""
        return sum(map(sizeof, self.values.values()))


_NOT_BEGUN = frozenset({"waiting", "ready", "constrained", "fetch", "flight", "missing"})
"""States that Dask has for a task on a worker before it runs there."""


def begun(keys: Sequence[str], dask_worker: Worker) -> list[str]:
    """The tasks among some that run on this worker, or have run."""
    tasks = dask_worker.state.tasks
    return [key for key in keys if key in tasks and tasks[key].state not in _NOT_BEGUN]


def run_batch(
    batch: Batch, parcel: Parcel, for_parcel: Sequence[Any], for_columns: Sequence[Any]
) -> Ran | RanLarge:
    """Perform the calls of a batch.

    Args:
        batch: The calls.
        parcel: Their shared part.
        for_parcel: Kept values inside the parcel.
        for_columns: Kept values inside the columns.

    Raises:
        NotRunError: This worker failed to run it; errors of user code are inside the result.
    """
    try:
        return _performed(batch, parcel, for_parcel, for_columns)
    except BaseException as error:
        raise NotRunError(described(error)) from error


def _performed(
    batch: Batch, parcel: Parcel, for_parcel: Sequence[Any], for_columns: Sequence[Any]
) -> Ran | RanLarge:
    worker = get_worker()
    with _through_the_gate(batch, worker) as report:
        try:
            with user_code():
                order = parcel.open(for_parcel)
        except RaisedError as raised:
            return _none_begun(batch, raised.error, worker.address)
        try:
            with user_code():
                columns = unpack(batch.columns, for_columns)
        except RaisedError as raised:
            ran = _none_begun(batch, raised.error, worker.address)
            ran.apart = batch.count > 1  # the arguments of one may spoil those of others
            return ran
        with CallCapture(batch.callers, worker.local_directory, report) as captured:
            performed = perform(
                order.function,
                order.constants,
                columns,
                batch.count,
                retry_on=order.retry_on,
                before_each=captured.begin,
            )
        performed.said = captured.said
        if report is not None:
            report.now(batch.count)
        _fail_late_ones(performed, batch.timeout)
        return _split(performed, batch, worker.address)


def reports_each_call(count: int) -> bool:
    """Whether each call of a batch of this size is reported, not only one every 50 ms."""
    return count <= _TOLD_ONE_BY_ONE


def seconds_between(count: int) -> float:
    """Seconds that a call of a batch of this size may run before it is reported."""
    return 0.0 if reports_each_call(count) else _REPORT_EVERY_SECONDS


class _BeginReporter:
    """Reports to the executor which call begins; returns once the scheduler has received it.

    So the call is known even if it then kills the process, or holds Python's lock for ever. Each
    report takes 1-2 ms, so long batches report only some calls.
    """

    def __init__(self, batch: Batch, worker: Worker, *, alone: bool) -> None:
        self._batch, self._worker, self._alone = batch, worker, alone
        self._every, self._last = seconds_between(batch.count), float("-inf")

    def __call__(self, position: int) -> None:
        if time.monotonic() - self._last >= self._every:
            self.now(position)

    def now(self, position: int) -> None:
        """Report at once, regardless of the last report."""
        began = CallBegan(self._batch.number, position, self._alone, self._worker.address)
        sync(
            self._worker.loop,
            self._worker.scheduler.log_event,
            topic=self._batch.topic,
            msg=written(began),
        )
        self._last = time.monotonic()


@contextmanager
def _through_the_gate(batch: Batch, worker: Worker) -> Iterator[_BeginReporter | None]:
    if batch.suspect:
        with GATE.alone() as alone:
            report = _BeginReporter(batch, worker, alone=alone)
            report.now(LOADING)
            yield report
            report.now(LEFT)
    else:
        with GATE.passing():
            yield None if batch.timeout is None else _BeginReporter(batch, worker, alone=False)


def _fail_late_ones(performed: Performed, timeout: float | None) -> None:
    """Fail calls that ended too late, like those that never end."""
    if timeout is None:
        return
    for position, (started, ended) in enumerate(
        zip(performed.started, performed.ended, strict=True)
    ):
        if ended - started > timeout:
            performed.failures[position] = timed_out(timeout)


def timed_out(timeout: float, remark: str = "") -> Failure:
    """The failure of a call that took too long."""
    error = f"timed out after {timeout:g} s{remark}"
    return Failure(cause="timed_out", retryable=True, error=error)


def _split(performed: Performed, batch: Batch, worker: str) -> Ran | RanLarge:
    """Pickle results for the driver; keep large ones apart, turn bad ones into failures."""
    blobs: list[bytes | None] = []
    large: dict[int, Any] = {}
    for position, value in enumerate(performed.values):
        blob = None
        if position not in performed.failures:
            try:
                with user_code():
                    blob = pack_result(value, batch.kept_from)
            except RaisedError as raised:
                performed.failures[position] = _unpicklable(value, batch.name, raised.error)
            else:
                if blob is None:
                    large[position] = value
        blobs.append(blob)
    performed.values = []
    performed.said = batch.callers.capture.wanted(performed.said, performed.failures)
    seconds = performed.ended[-1] - performed.started[0]
    ran = Ran(performed=performed, blobs=blobs, worker=worker, seconds=seconds, large=tuple(large))
    return RanLarge(ran=ran, values=large) if large else ran


def _unpicklable(value: Any, name: str, error: BaseException) -> Failure:
    return Failure(
        error=f"{name} returned a {type(value).__name__} that cannot be pickled: {said(error)}; "
        "return plain data, or store it and return its address",
        traceback=failure_of(error).traceback,
    )


def _none_begun(batch: Batch, error: BaseException, worker: str) -> Ran:
    """The result if all calls failed: the function or arguments could not be unpickled here."""
    cure = "what pickles must unpickle"
    if isinstance(error, ImportError):
        cure = "install it on the workers too, or define the task in the flow's own file"
    failure = Failure(
        error=f"{batch.name} cannot be unpickled on worker {worker}: {described(error)}; {cure}",
        traceback=failure_of(error).traceback,
    )
    performed = Performed.failed([failure] * batch.count)
    return Ran(performed=performed, blobs=[None] * batch.count, worker=worker, seconds=None)


def summary(ran: Ran | RanLarge) -> Ran:
    """The part of a batch's result that goes to the driver."""
    return ran.ran if isinstance(ran, RanLarge) else ran


def take(ran: RanLarge, position: int) -> Any:
    """One large value, as Dask data of its own."""
    return ran.values[position]
