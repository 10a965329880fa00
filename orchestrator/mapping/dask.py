"""The executor for a Dask cluster: calls in batches, large values kept there, deaths survived.

Touches distributed; takes `Calls`; gives `Report` and `Lost`. Runs on the driver, in the one thread
that drives the flow. What runs on workers is in `dask_worker`, on the scheduler in
`dask_scheduler`, in Dask's thread of this process in `dask_listening`.
"""

import pickle
import time
import uuid
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from itertools import count

from distributed import Client
from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker

from orchestrator.errors import MachineryError
from orchestrator.mapping.calling import Failure, Performed, failure_of
from orchestrator.mapping.dask_backlog import ANYWHERE, Backlog, Work, lane_of, suspects
from orchestrator.mapping.dask_cluster import Members
from orchestrator.mapping.dask_listening import Ended, Listener, Told
from orchestrator.mapping.dask_pace import Pace
from orchestrator.mapping.dask_running import (
    Aftermath,
    Running,
    after_death,
    after_timeout,
    put_back,
)
from orchestrator.mapping.dask_sending import CannotTravelError, Sender, TooLargeError
from orchestrator.mapping.dask_worker import Ran, timed_out
from orchestrator.mapping.executing import Calls, Event, Lost, Report

PATIENCE_SECONDS = 300.0
"""How long calls wait for a worker that can run them, where there was one before."""

MOST_BYTES_IN_DASK = 256 * 1024**2
"""Arguments on their way to workers; the scheduler holds them until their batch has ended."""


class DaskExecutor:
    """Carries out calls on a Dask cluster; see `Executor` for the contract.

    Args:
        client: A connected client; it stays usable, also while the executor lives.
        patience: Seconds that calls wait for a worker that can run them.

    Raises:
        MachineryError: The scheduler does not answer.
    """

    def __init__(self, client: Client, *, patience: float = PATIENCE_SECONDS) -> None:
        self._client, self._patience = client, patience
        topic = uuid.uuid4().hex[:12]
        self._sender, self._listener = Sender(client, topic), Listener(client, topic)
        self._members, self._pace, self._backlog = Members(), Pace(), Backlog()
        self._numbers = count()
        self._running: dict[int, Running] = {}
        self._ending: set[str] = set()
        self._ready: list[Event] = []
        self._broken, self._closed = "", False
        self._hear(self._listener.first())

    def room(self) -> int:
        """How many more calls it wants at present."""
        with_dask = sum(len(running.calls.indices) for running in self._running.values())
        return max(0, self._pace.most_calls() - len(self._backlog) - with_dask)

    def submit(self, calls: Calls) -> None:
        """Take some calls; as many batches as the cluster needs begin at once.

        Raises:
            MachineryError: The client is closed, or has lost its scheduler.
        """
        if not calls.indices:
            return
        self._check()
        refusal = self._members.refusal(lane_of(calls.placement))
        if refusal is not None:
            self._fail(calls, Failure(error=f"{calls.name}: {refusal}"))
            return
        self._backlog.add(suspects(calls) if calls.suspect else Work(calls))
        self._fill()

    def wait(self, timeout: float | None) -> Sequence[Event]:
        """What has happened; waits for the first at most `timeout` seconds.

        Raises:
            MachineryError: The scheduler is lost, or has had no worker for too long.
        """
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        self._go_on(0.0)
        while not self._ready and time.monotonic() < deadline:
            self._go_on(min(deadline, self._next_deadline()))
        events, self._ready = self._ready, []
        return events

    def cancel(self, node: int, indices: Sequence[int]) -> None:
        """Give up these calls; one that runs already runs to its end, and is not heard of."""
        gone = frozenset(indices)
        self._backlog.remove(node, gone)
        self._ready = _without(self._ready, node, gone)
        for number, running in list(self._running.items()):
            if running.calls.node == node:
                running.cancelled.update(gone.intersection(running.calls.indices))
                if len(running.cancelled) == len(running.calls.indices):
                    self._client.cancel([self._drop(number).future])

    def close(self) -> None:
        """Give up what is in flight; values that someone still holds stay on the cluster."""
        futures = [running.future for running in self._running.values()]
        self._running.clear()
        if self._client.status == "running" and not self._closed:
            self._listener.close()
            self._client.cancel(futures)
        self._closed = True

    # -- towards the cluster -------------------------------------------------------------------

    def _fill(self) -> None:
        """Give Dask batches until it has enough of them."""
        while sum(running.size for running in self._running.values()) < MOST_BYTES_IN_DASK:
            work = self._backlog.take(self._pace, self._members.can_take)
            if work is None:
                return
            self._begin(work)

    def _begin(self, work: Work) -> None:
        """Give Dask a batch; calls that cannot be pickled fail, and the others go on."""
        number, calls = next(self._numbers), work.calls
        lane = lane_of(calls.placement)
        try:
            workers = self._members.addresses(lane) if calls.placement.workers else ()
            shipment = self._sender.send(number, calls, workers)
        except CannotTravelError as stuck:
            self._backlog.ended(lane)
            self._fail_some(calls, stuck.failures)
            good = calls.at([p for p in range(len(calls.indices)) if p not in stuck.failures])
            self._again([Work(good, size=work.size)])
        except TooLargeError:
            self._backlog.ended(lane)
            self._again([Work(calls, size=(len(calls.indices) + 1) // 2)])
        else:
            self._running[number] = Running(
                work=work, future=shipment.future, needs=shipment.needs, size=shipment.size
            )
            self._listener.follow(number, shipment.future)

    def _again(self, works: Sequence[Work], cancelled: Container[int] = ()) -> None:
        """Put work into the backlog, without the calls nobody wants any more."""
        for work in works:
            work.calls = work.calls.without(cancelled) if cancelled else work.calls
            if work.calls.indices:
                self._backlog.add(work)

    # -- from the cluster ----------------------------------------------------------------------

    def _go_on(self, deadline: float) -> None:
        """Take in what has happened, waiting for the first until the deadline, and go on."""
        for news in self._listener.until(deadline):
            self._hear(news)
        self._check()
        self._end_hung()
        self._give_up_stranded()
        self._fill()

    def _hear(self, news: Ended | Told) -> None:
        if isinstance(news, Ended):
            if news.number in self._running:  # else it was cancelled meanwhile
                self._ended(self._drop(news.number), news)
            return
        match news.message:
            case {"joined": described}:
                self._members.joined(described)
                self._ending.difference_update(described)
            case {"left": address}:
                self._members.left(address)
            case {"began": [number, position, alone, worker]} if number in self._running:
                self._running[number].note(position, worker, alone=alone, at=news.at)
            case {"stuck": key}:
                self._take_back(key)
            case {"broken": problem}:
                self._broken = problem
        self._pace.threads = self._members.threads

    def _ended(self, running: Running, news: Ended) -> None:
        """A batch is over, one way or another."""
        error = news.error
        if news.ran is not None:
            self._report(running, news.ran)
        elif isinstance(error, KilledWorker) and error.task == running.future.key:
            self._died(running, error.last_worker.address)
        elif isinstance(error, KilledWorker) or getattr(error, "reason", "") == "lost dependencies":
            remark = "a value it needs, kept on the cluster, was lost with its worker"
            self._fail_heard(running, f"{remark}, and could not be computed again: {error}")
        elif isinstance(error, FutureCancelledError):
            self._broken = f"Dask gave up a batch of {running.calls.name}: {error}"
        else:
            self._fail_heard(running, f"{type(error).__name__}: {error}")

    def _take_back(self, key: str) -> None:
        """A batch waits at Dask for workers that have gone: it had better wait here."""
        for number, running in list(self._running.items()):
            if running.future.key == key and lane_of(running.calls.placement) != ANYWHERE:
                self._client.cancel([self._drop(number).future])
                self._again([running.work], running.cancelled)

    def _drop(self, number: int) -> Running:
        running = self._running.pop(number)
        self._backlog.ended(lane_of(running.calls.placement))
        return running

    def _report(self, running: Running, ran: Ran) -> None:
        """Calls of a batch have ended: their values are here, or are kept on the cluster."""
        calls, performed = running.calls, ran.performed
        if ran.seconds is not None:
            self._pace.learn(calls, ran.seconds)
        kept = {p: self._sender.keep(running.future, p) for p in ran.large}
        performed.values = []
        for position, blob in enumerate(ran.blobs):
            try:
                value = pickle.loads(blob) if blob else kept.get(position)  # noqa: S301 - our own
            except Exception as error:  # noqa: BLE001 - whatever the user's class raises
                value, remark = None, f"{calls.name}'s result cannot be unpickled here"
                failure = Failure(error=f"{remark}: {error}", traceback=failure_of(error).traceback)
                performed.failures[position] = failure
            performed.values.append(value)
        self._tell(running, performed, ran.worker)

    def _tell(self, running: Running, performed: Performed, worker: str) -> None:
        """Report a batch, but for what was cancelled."""
        indices = running.calls.indices
        if running.cancelled:
            heard = [p for p, index in enumerate(indices) if index not in running.cancelled]
            indices, performed = [indices[p] for p in heard], performed.at(heard)
        if indices:
            node = running.calls.node
            self._ready.append(
                Report(node=node, indices=indices, performed=performed, worker=worker)
            )

    def _fail_heard(self, running: Running, error: str) -> None:
        failures = [Failure(error=error)] * len(running.calls.indices)
        self._tell(running, Performed.failed(failures), running.worker)

    def _fail(self, calls: Calls, failure: Failure) -> None:
        self._fail_some(calls, dict.fromkeys(range(len(calls.indices)), failure))

    def _fail_some(self, calls: Calls, failures: Mapping[int, Failure]) -> None:
        """Report that the calls at some positions failed before they were sent."""
        indices = [calls.indices[p] for p in failures]
        performed = Performed.failed(list(failures.values()))
        self._ready.append(Report(node=calls.node, indices=indices, performed=performed, worker=""))

    # -- trouble -------------------------------------------------------------------------------

    def _check(self) -> None:
        """Raise when there is no cluster to speak of any more."""
        if self._client.status != "running":
            self._broken = self._broken or f"the Dask client is {self._client.status}"
        if self._broken:
            raise MachineryError(
                f"{self._broken}; what has ended is kept: run the flow again on a working cluster"
            )

    def _died(self, running: Running, address: str) -> None:
        """A batch's worker died: by our own hand, or perhaps of one of the calls."""
        ours = address in self._ending
        aftermath = put_back(running) if ours else after_death(running)
        self._again(aftermath.again, running.cancelled)
        calls = running.calls
        lost = list(calls.indices) if aftermath.unclear else []
        culprit = None
        if aftermath.culprit is not None:
            culprit = calls.indices[aftermath.culprit]
            lost = [culprit]
        lost = [index for index in lost if index not in running.cancelled]
        if lost:
            reason = f"worker {address} died"
            self._ready.append(Lost(node=calls.node, indices=lost, culprit=culprit, reason=reason))

    def _end_hung(self) -> None:
        """End the workers of calls that have taken too long."""
        now = time.monotonic()
        for number, running in list(self._running.items()):
            if running.deadline is not None and running.deadline <= now:
                self._listener.end_worker(running.worker, self._drop(number).future)
                self._ending.add(running.worker)
                alone = running.alone or self._members.has_one_thread(running.worker)
                self._timed_out(running, after_timeout(running, alone=alone))

    def _timed_out(self, running: Running, aftermath: Aftermath) -> None:
        self._again(aftermath.again, running.cancelled)
        calls, position = running.calls, aftermath.culprit
        if position is None or calls.indices[position] in running.cancelled:
            return
        remark = ""
        if not self._members.has_nanny(running.worker):
            remark = (
                f"; worker {running.worker} has no nanny to end it, so it was taken out of the "
                "cluster: start workers with a nanny"
            )
        timeout = calls.placement.timeout or 0.0
        self._fail(calls.at([position]), timed_out(timeout, remark))

    def _next_deadline(self) -> float:
        """When there is something to do even if nothing happens."""
        hung = [r.deadline for r in self._running.values() if r.deadline is not None]
        _, again = self._members.stranded(self._backlog.lanes(), self._patience)
        return min([time.monotonic() + again, *hung])

    def _give_up_stranded(self) -> None:
        """Fail the calls that nobody has been able to run for too long."""
        over, _ = self._members.stranded(self._backlog.lanes(), self._patience)
        if over and not self._members.threads:
            self._broken = (
                f"the cluster has had no worker for {self._patience:g} s (workers leave at once "
                "where the package `orchestrator` is not installed)"
            )
            self._check()
        for lane, reason in over.items():
            for calls in self._backlog.clear(lane):
                self._fail(calls, Failure(error=f"{calls.name}: {reason}"))
            for number, running in list(self._running.items()):
                if lane_of(running.calls.placement) == lane:
                    self._client.cancel([self._drop(number).future])
                    self._fail_heard(running, f"{running.calls.name}: {reason}")


def _without(events: Sequence[Event], node: int, gone: Container[int]) -> list[Event]:
    """Events, but for what they say of some instances of a node."""
    kept: list[Event] = []
    for event in events:
        if event.node != node or not any(index in gone for index in event.indices):
            kept.append(event)
        elif isinstance(event, Report):
            heard = [p for p, index in enumerate(event.indices) if index not in gone]
            if heard:
                indices = [event.indices[p] for p in heard]
                performed = event.performed.at(heard)
                kept.append(replace(event, indices=indices, performed=performed))
    return kept
