"""The executor for a Dask cluster: calls in batches, large values kept there, deaths survived.

Touches distributed; takes `Calls`; gives `Report` and `Lost`. Runs on the driver; what it sends
to workers is in `dask_worker`, what it places on the scheduler in `dask_scheduler`.

All that Dask tells arrives in one queue, which `wait` empties; nothing else happens in Dask's
threads, so that everything here is done by the one thread that drives the flow.
"""

import heapq
import pickle
import time
import uuid
from asyncio import CancelledError as AsyncCancelledError
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any

from distributed import Client, Future
from distributed.scheduler import KilledWorker

from orchestrator.errors import MachineryError
from orchestrator.mapping.calling import Failure, Performed, failure_of
from orchestrator.mapping.dask_kept import KeptValue
from orchestrator.mapping.dask_pace import Pace
from orchestrator.mapping.dask_packing import LARGE, pack
from orchestrator.mapping.dask_scheduler import Watch
from orchestrator.mapping.dask_worker import (
    Batch,
    Order,
    Parcel,
    Ran,
    deliver,
    run_batch,
    summary,
    take,
)
from orchestrator.mapping.executing import Calls, Event, Lost, Report

_HANDSHAKE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Sent:
    """A node's parcel, ready to go with every batch, and what it was made of."""

    calls: Calls
    parcel: Parcel | Future
    kept: tuple[KeptValue, ...]

    def serves(self, calls: Calls) -> bool:
        """Whether these calls share function and constants with those it was made for."""
        mine, theirs = self.calls.constants, calls.constants
        return (
            self.calls.function is calls.function
            and mine.keys() == theirs.keys()
            and all(mine[name] is theirs[name] for name in mine)
        )


@dataclass(slots=True)
class _Running:
    """A batch that Dask has: its calls, its future, and what must not be let go before it ends."""

    calls: Calls
    future: Future
    needs: tuple[Any, ...]
    cancelled: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Ended:
    """A batch's future is done."""

    number: int
    ran: Ran | None
    error: BaseException | None


class DaskExecutor:
    """Carries out calls on a Dask cluster.

    Args:
        client: A connected client; it stays usable, also while the executor lives.

    Raises:
        MachineryError: The scheduler does not answer.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._topic = f"orchestrator-{uuid.uuid4().hex[:12]}"
        self._news: SimpleQueue[Any] = SimpleQueue()
        self._pace = Pace()
        self._workers: dict[str, list[Any]] = {}
        self._numbers = count()
        self._backlog: list[tuple[float, int, Calls]] = []
        self._waiting = 0
        self._running: dict[int, _Running] = {}
        self._in_dask = 0
        self._parcels: dict[int, _Sent] = {}
        self._ready: list[Event] = []
        self._listen()

    def room(self) -> int:
        """How many more calls it wants at present."""
        return max(0, self._pace.most_calls() - self._waiting - self._in_dask)

    def submit(self, calls: Calls) -> None:
        """Take some calls; as many batches as the cluster needs begin at once."""
        self._put_back(calls)
        self._fill()

    def wait(self, timeout: float | None) -> Sequence[Event]:
        """What has happened; waits for the first at most `timeout` seconds.

        Raises:
            MachineryError: The connection to the scheduler is lost.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._ready:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                self._hear(self._news.get(timeout=left))
            except Empty:
                break
            while not self._news.empty():
                self._hear(self._news.get())
            self._fill()
        events, self._ready = self._ready, []
        return events

    def cancel(self, node: int, indices: Sequence[int]) -> None:
        """Give up these calls; one that runs already runs to its end, and is not heard of."""
        gone = frozenset(indices)
        self._backlog = [
            (priority, number, _without(calls, gone) if calls.node == node else calls)
            for priority, number, calls in self._backlog
        ]
        self._backlog = [entry for entry in self._backlog if entry[2].indices]
        heapq.heapify(self._backlog)
        self._waiting = sum(len(calls.indices) for _, _, calls in self._backlog)
        for number, running in list(self._running.items()):
            if running.calls.node == node:
                running.cancelled.update(gone.intersection(running.calls.indices))
                if len(running.cancelled) == len(running.calls.indices):
                    self._client.cancel([running.future])
                    self._drop(number)

    def close(self) -> None:
        """Give up what is in flight; values still held by someone stay on the cluster."""
        if self._client.status == "running":
            self._client.unsubscribe_topic(self._topic)
            self._client.unregister_scheduler_plugin(self._topic)
            self._client.cancel([running.future for running in self._running.values()])
        self._running.clear()
        self._parcels.clear()
        self._backlog.clear()

    # Towards the cluster

    def _put_back(self, calls: Calls) -> None:
        heapq.heappush(self._backlog, (-calls.placement.priority, next(self._numbers), calls))
        self._waiting += len(calls.indices)

    def _fill(self) -> None:
        """Begin batches until Dask has enough of them."""
        while self._backlog and len(self._running) < self._pace.most_batches():
            priority, number, calls = heapq.heappop(self._backlog)
            size = calls.placement.batch or self._pace.batch(calls.node, self._waiting)
            rest = _part(calls, size, len(calls.indices))
            if rest.indices:
                heapq.heappush(self._backlog, (priority, number, rest))
            calls = _part(calls, 0, size)
            self._waiting -= len(calls.indices)
            self._begin(calls)

    def _begin(self, calls: Calls) -> None:
        """Send one batch; what cannot be pickled fails, and the others of the batch go on."""
        try:
            sent = self._parcel(calls)
        except Exception as error:  # noqa: BLE001 - whatever pickling raises
            shared = {"function": calls.function, **calls.constants}
            failure = _unpicklable(calls.name, shared, error)
            self._fail(calls, dict.fromkeys(range(len(calls.indices)), failure))
            return
        try:
            columns = pack(dict(calls.columns), calls.function)
        except Exception:  # noqa: BLE001 - as above; the guilty are looked for one by one
            calls = self._without_unpicklable(calls)
            if not calls.indices:
                return
            columns = pack(dict(calls.columns), calls.function)
        batch = Batch(name=calls.name, columns=columns.blob, count=len(calls.indices))
        number = next(self._numbers)
        placement = calls.placement
        future = self._client.submit(
            run_batch,
            batch,
            sent.parcel,
            [value.future for value in sent.kept],
            [value.future for value in columns.kept],
            key=f"{calls.name}-{self._topic}-{number}",
            pure=False,
            priority=placement.priority,
            resources=dict(placement.resources) or None,
            workers=list(placement.workers) or None,
        )
        self._running[number] = _Running(calls, future, (sent, columns.kept))
        self._in_dask += len(calls.indices)
        self._client.loop.add_callback(self._follow, number, future)

    def _parcel(self, calls: Calls) -> _Sent:
        """What the node's calls share, pickled when the first of them begin."""
        sent = self._parcels.get(calls.node)
        if sent is None or not sent.serves(calls):
            order = Order(
                function=calls.function, constants=dict(calls.constants), retry_on=calls.retry_on
            )
            packed = pack(order, calls.function)
            parcel: Parcel | Future = Parcel(packed.blob)
            if len(packed.blob) > LARGE:
                parcel = self._client.submit(deliver, parcel, pure=False)
            sent = self._parcels[calls.node] = _Sent(calls, parcel, packed.kept)
        return sent

    def _without_unpicklable(self, calls: Calls) -> Calls:
        """Fail the calls whose arguments cannot be pickled; give the others."""
        failures: dict[int, Failure] = {}
        for position in range(len(calls.indices)):
            arguments = {name: values[position] for name, values in calls.columns.items()}
            try:
                pack(arguments, calls.function)
            except Exception as error:  # noqa: BLE001 - whatever pickling raises
                failures[position] = _unpicklable(calls.name, arguments, error)
        good = [p for p in range(len(calls.indices)) if p not in failures]
        self._fail(_chosen(calls, list(failures)), dict(enumerate(failures.values())))
        return _chosen(calls, good)

    # From the cluster

    def _listen(self) -> None:
        news = self._news  # not self: the client keeps the handler for as long as it lives
        self._client.subscribe_topic(self._topic, lambda event: news.put(event[1]))
        self._client.register_plugin(Watch(self._topic, self._client.id), name=self._topic)
        try:
            self._hear(self._news.get(timeout=_HANDSHAKE_SECONDS))
        except Empty:
            raise MachineryError(
                f"the Dask scheduler at {self._client.scheduler.address} does not answer"
            ) from None

    async def _follow(self, number: int, future: Future) -> None:
        """In Dask's thread: see a future through and put how it ended into the queue."""
        try:
            await future.exception()
            if future.status == "finished" and future.type is not Ran:
                future = self._client.submit(summary, future, pure=False, priority=1_000_000)
            self._news.put(_Ended(number, await future, None))
        except (Exception, AsyncCancelledError) as error:  # noqa: BLE001 - judged by the driver
            self._news.put(_Ended(number, None, error))

    def _hear(self, news: Any) -> None:
        if isinstance(news, _Ended):
            self._ended(news)
        else:
            self._workers.update(news.get("joined", {}))
            self._workers.pop(news.get("left"), None)
            self._pace.threads = sum(worker[1] for worker in self._workers.values())

    def _ended(self, news: _Ended) -> None:
        if news.number not in self._running:
            return  # cancelled meanwhile
        running = self._drop(news.number)
        if news.ran is not None:
            self._report(running, news.ran)
        elif isinstance(news.error, KilledWorker) and news.error.task == running.future.key:
            self._lost(running, news.error)
        else:
            failure = Failure(error=f"{type(news.error).__name__}: {news.error}")
            self._fail(running.calls, dict.fromkeys(range(len(running.calls.indices)), failure))

    def _drop(self, number: int) -> _Running:
        running = self._running.pop(number)
        self._in_dask -= len(running.calls.indices)
        return running

    def _report(self, running: _Running, ran: Ran) -> None:
        calls, performed = running.calls, ran.performed
        kept = {position: self._keep(running.future, position) for position in ran.large}
        for position, blob in enumerate(ran.blobs):
            performed.values.append(pickle.loads(blob) if blob else kept.get(position))  # noqa: S301 - our own workers' results
        if performed.ended[-1]:
            seconds = performed.ended[-1] - performed.started[0]
            self._pace.learn(calls.node, len(calls.indices), seconds)
        indices = calls.indices
        if running.cancelled:
            heard = [p for p, index in enumerate(indices) if index not in running.cancelled]
            indices, performed = [indices[p] for p in heard], performed.part(heard)
        self._ready.append(
            Report(node=calls.node, indices=indices, performed=performed, worker=ran.worker)
        )

    def _keep(self, batch: Future, position: int) -> KeptValue:
        future = self._client.submit(take, batch, position, pure=False, priority=1_000_000)
        self._client.loop.add_callback(_outlive, batch, future)
        return KeptValue(future)

    def _lost(self, running: _Running, error: KilledWorker) -> None:
        calls = running.calls
        reason = f"worker {error.last_worker.address} died"
        indices = [index for index in calls.indices if index not in running.cancelled]
        self._ready.append(Lost(node=calls.node, indices=indices, culprit=None, reason=reason))

    def _fail(self, calls: Calls, failures: Mapping[int, Failure]) -> None:
        count = len(calls.indices)
        performed = Performed(values=[None] * count, failures=dict(failures))
        now = time.time()
        performed.started.extend([now] * count)
        performed.ended.extend([now] * count)
        self._ready.append(
            Report(node=calls.node, indices=calls.indices, performed=performed, worker="")
        )


async def _outlive(batch: Future, value: Future) -> None:
    """In Dask's thread: hold a batch until the value taken from it stands on its own."""
    await value.exception()
    del batch


def _part(calls: Calls, start: int, stop: int) -> Calls:
    """A run of the calls."""
    return _with(
        calls,
        calls.indices[start:stop],
        {name: values[start:stop] for name, values in calls.columns.items()},
        calls.keys[start:stop],
    )


def _without(calls: Calls, gone: frozenset[int]) -> Calls:
    """All but some of the calls, by index."""
    return _chosen(calls, [p for p, index in enumerate(calls.indices) if index not in gone])


def _chosen(calls: Calls, positions: Sequence[int]) -> Calls:
    """Some of the calls."""
    return _with(
        calls,
        [calls.indices[p] for p in positions],
        {name: [values[p] for p in positions] for name, values in calls.columns.items()},
        [calls.keys[p] for p in positions],
    )


def _with(
    calls: Calls, indices: Sequence[int], columns: Mapping[str, Sequence[Any]], keys: Sequence[str]
) -> Calls:
    return Calls(
        node=calls.node,
        name=calls.name,
        function=calls.function,
        constants=calls.constants,
        indices=indices,
        columns=columns,
        keys=keys,
        retry_on=calls.retry_on,
        placement=calls.placement,
        suspect=calls.suspect,
    )


def _unpicklable(name: str, arguments: Mapping[str, Any], error: Exception) -> Failure:
    """Names the argument, since Python's message names only the object inside it."""
    guilty = ", ".join(repr(argument) for argument, value in arguments.items() if _is_bad(value))
    return Failure(
        error=f"{name}: {guilty} cannot be pickled for a worker: {error}; pass plain data, or "
        "open what cannot travel inside the task",
        traceback=failure_of(error).traceback,
    )


def _is_bad(value: Any) -> bool:
    try:
        pack(value)
    except Exception:  # noqa: BLE001 - whatever pickling raises
        return True
    return False
