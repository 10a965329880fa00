"""The executor for a Dask cluster: calls in batches, large values kept there, deaths survived.

Touches distributed; takes `Calls`; gives `Report` and `Lost`. Runs on the driver, in the one thread
that drives the flow. What runs on workers is in `worker`, on the scheduler in
`scheduler`, in Dask's thread of this process in `event_queue`.
"""

import time
import uuid
from collections.abc import Container, Sequence
from contextlib import suppress
from itertools import count

import dask
from distributed import Client, Future
from distributed.client import ClosedClientError

from orchestrator.errors import MachineryError, UsageError
from orchestrator.mapping.dask.attribution import Cause, cause_of
from orchestrator.mapping.dask.backlog import ANYWHERE, Backlog, PendingCalls, lane_of, suspects
from orchestrator.mapping.dask.batch_merging import by_node, numbered, numbers
from orchestrator.mapping.dask.batch_results import failed_report, ran_report, without
from orchestrator.mapping.dask.batch_sizing import Pace
from orchestrator.mapping.dask.batches import Running
from orchestrator.mapping.dask.cluster import Members
from orchestrator.mapping.dask.connection import LOOK_AGAIN_SECONDS, Connection
from orchestrator.mapping.dask.demand import demand_on
from orchestrator.mapping.dask.event_queue import (
    BatchEnded,
    ClusterMessage,
    Listener,
    UnansweredError,
)
from orchestrator.mapping.dask.messages import (
    BatchesBegun,
    BatchLost,
    BatchSpared,
    BatchStuck,
    CallBegan,
    ClusterBroken,
    WorkerLeft,
    WorkerOutOfMemory,
    WorkersJoined,
)
from orchestrator.mapping.dask.recovery import all_failed, verdict
from orchestrator.mapping.dask.submission import CannotTravelError, Sender, TooLargeError
from orchestrator.mapping.dask.worker import Ran
from orchestrator.mapping.execution.executor import (
    PATIENCE,
    PATIENCE_SECONDS,
    Calls,
    Event,
    Withdrawn,
)

MOST_BYTES_IN_DASK = 256 * 1024**2
"""Arguments on their way to workers; the scheduler holds them until their batch has ended."""


class DaskExecutor:
    """Runs calls on a Dask cluster; see `Executor` for the contract.

    It finds the culprits of dying and hanging workers by itself: a `Lost` names the one call that
    was running, and other calls on the worker are made again silently. So are all calls that ran
    when the scheduler was lost, once it has come back.

    Args:
        client: A connected client; it stays usable, also while the executor lives.
        patience: Seconds that calls wait for a worker that can run them; None for the value of
            Dask's configuration.

    Raises:
        UsageError: The client is an asynchronous one.
        MachineryError: The client is closed, or its scheduler does not answer.
    """

    def __init__(self, client: Client, *, patience: float | None = None) -> None:
        if client.asynchronous:
            raise UsageError("a flow needs a Client made with asynchronous=False")
        self._client = client
        self._patience: float = patience or dask.config.get(PATIENCE, PATIENCE_SECONDS)
        self._broken, self._closed, self._withdrawing = "", False, False
        self._connection = Connection(client)
        self._check()
        self._pace, self._backlog = Pace(), Backlog()
        self._numbers = count()
        self._running: dict[int, Running] = {}
        self._ending: set[str] = set()
        self._ready: list[Event] = []
        self._demand = demand_on(client.cluster)
        self._join()

    def room(self) -> int:
        """The number of further calls it can take now."""
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
        calls = numbered(calls)
        refusal = self._members.refusal(lane_of(calls.placement))
        if refusal is not None:
            self._ready.append(all_failed(calls, f"{calls.name}: {refusal}"))
            return
        self._backlog.add(suspects(calls) if calls.suspect else PendingCalls(calls))
        self._fill()

    def wait(self, timeout: float | None) -> Sequence[Event]:
        """The events since the last call; waits for the first at most `timeout` seconds.

        Raises:
            MachineryError: The scheduler is lost, or has had no worker for too long.
        """
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        self._advance(0.0)
        while not self._ready:
            self._check()
            if time.monotonic() >= deadline:
                break
            self._advance(min(deadline, self._next_deadline()))
        events, self._ready = self._ready, []
        return [of_node for event in events for of_node in by_node(event)]

    def cancel(self, node: int, indices: Sequence[int]) -> None:
        """Cancel these calls; one that runs already runs to its end, which is not reported."""
        gone = frozenset(numbers(node, indices))
        self._backlog.remove(gone)
        left = [without(event, gone) for event in self._ready]
        self._ready = [event for event in left if event is not None]
        for number, running in list(self._running.items()):
            running.cancelled.update(gone.intersection(running.calls.indices))
            if len(running.cancelled) == len(running.calls.indices):
                self._let_go([self._drop(number).future])

    def withdraw(self) -> None:
        """Withdraw waiting calls, here at once, at Dask once workers report what runs."""
        self._withdrawing = True
        for lane in list(self._backlog.lanes()):
            for calls in self._backlog.clear(lane):
                self._ready.append(Withdrawn(node=calls.node, indices=calls.indices))
        self._listener.ask_what_began([running.future.key for running in self._running.values()])

    def close(self) -> None:
        """Cancel all calls in flight; values that are still referenced stay on the cluster."""
        if self._closed:
            return
        self._closed = True
        if self._demand is not None:
            self._demand.forget(id(self))
        futures = [running.future for running in self._running.values()]
        self._running.clear()
        if self._client.status == "running":
            self._let_go(futures)
            self._listener.close()

    # -- towards the cluster -------------------------------------------------------------------

    def _join(self) -> None:
        """Subscribe to news, the first of which are the present workers."""
        topic = uuid.uuid4().hex[:12]
        self._sender = Sender(self._client, topic)
        self._listener = Listener(self._client, topic)
        self._members = Members()
        self._receive(self._listener.first())

    def _join_again(self) -> None:
        """Send all batches again, to a new scheduler or one that has forgotten us."""
        self._listener.close()
        self._connection.join()
        try:
            self._join()
        except UnansweredError as error:  # lost once more
            self._connection.found_no_answer(error)
            return
        running, self._running = self._running, {}
        self._connection.answered()
        for each in running.values():
            self._backlog.ended(lane_of(each.calls.placement))
            self._again([each.work], each.cancelled)

    def _fill(self) -> None:
        """Give Dask batches until it has enough, and report the rest to a growing cluster."""
        self._give()
        if self._demand is not None:
            with_dask = sum(
                len(running.calls.indices)
                for running in self._running.values()
                if lane_of(running.calls.placement) == ANYWHERE
            )
            calls = self._backlog.waiting(ANYWHERE) + with_dask
            self._demand.report(
                id(self), calls=calls, seconds=self._pace.latest or 0.0, ended=self._pace.learnt
            )

    def _give(self) -> None:
        """Give Dask batches until it has enough of them."""
        while not self._problem() and not self._connection.lost:
            if sum(running.size for running in self._running.values()) >= MOST_BYTES_IN_DASK:
                return
            work = self._backlog.take(self._pace, self._members.can_take)
            if work is None:
                return
            self._begin(work)

    def _begin(self, work: PendingCalls) -> None:
        """Give Dask a batch; calls that cannot be pickled fail, and the others continue."""
        number, calls = next(self._numbers), work.calls
        lane = lane_of(calls.placement)
        workers = self._members.addresses(lane) if calls.placement.workers else ()
        try:
            shipment = self._sender.send(number, calls, workers)
        except CannotTravelError as stuck:
            self._backlog.ended(lane)
            self._ready.append(failed_report(calls, stuck.failures))
            good = calls.at([p for p in range(len(calls.indices)) if p not in stuck.failures])
            self._again([PendingCalls(good, size=work.size)])
        except TooLargeError:
            self._backlog.ended(lane)
            self._again([PendingCalls(calls, size=(len(calls.indices) + 1) // 2)])
        except ClosedClientError as error:  # which ends the flow run
            self._backlog.ended(lane)
            self._again([work])
            self._broken = self._broken or str(error)
        else:
            self._running[number] = Running(
                work=work, future=shipment.future, needs=shipment.needs, size=shipment.size
            )
            self._listener.follow(number, shipment.future)

    def _again(self, works: Sequence[PendingCalls], cancelled: Container[int] = ()) -> None:
        """Put work into the backlog, without cancelled calls."""
        for work in works:
            work.calls = work.calls.without(cancelled) if cancelled else work.calls
            if self._withdrawing:
                self._ready.append(Withdrawn(node=work.calls.node, indices=work.calls.indices))
            elif work.calls.indices:
                self._backlog.add(work)

    # -- from the cluster ----------------------------------------------------------------------

    def _advance(self, deadline: float) -> None:
        """Handle all news, waiting for the first until the deadline, and fill the cluster again."""
        for news in self._listener.until(deadline):
            self._receive(news)
        if self._problem():
            return
        if self._connection.has_returned():
            self._join_again()
        if not self._connection.lost:
            self._end_hung()
            self._fail_stranded()
        self._fill()

    def _receive(self, news: BatchEnded | ClusterMessage) -> None:
        if isinstance(news, ClusterMessage):
            self._handle(news)
        elif news.number in self._running and not self._forgotten(news):
            # The ends of batches cancelled since are ignored.
            self._ended(self._drop(news.number), news.ran, news.error)

    def _forgotten(self, news: BatchEnded) -> bool:
        """Whether the scheduler has forgotten a batch, which will be sent again."""
        if news.error is None:
            return False
        key = self._running[news.number].future.key
        return cause_of(news.error, key) is Cause.SCHEDULER and self._connection.forgot()

    def _handle(self, news: ClusterMessage) -> None:
        match news.message:
            case WorkersJoined(workers):
                self._members.joined(workers)
                self._ending.difference_update(each.address for each in workers)
            case WorkerLeft(address):
                self._members.left(address)
            case WorkerOutOfMemory(address):
                self._members.ran_out_of_memory(address)
            case CallBegan(number, position, alone, worker) if number in self._running:
                self._running[number].note(position, worker, alone=alone, at=news.at)
            case BatchLost(number) if number in self._running:
                self._listener.follow(number, self._running[number].future)
            case BatchStuck(number) if number in self._running:
                self._take_back(number)
            case BatchSpared(number) if number in self._running:
                self._running[number].spare(news.at)
            case BatchesBegun(asked, begun):
                self._withdraw_others(frozenset(asked).difference(begun))
            case ClusterBroken(problem):
                self._broken = problem
        self._pace.threads = self._members.threads

    def _ended(self, running: Running, ran: Ran | None, error: BaseException | None) -> None:
        """Handle the end of a batch, with results or an error."""
        if ran is not None and ran.apart:
            self._again([PendingCalls(running.calls, size=1)], running.cancelled)
        elif ran is not None:
            if ran.seconds is not None:
                self._pace.learn(running.calls, ran.seconds)
            report = ran_report(running, ran, lambda p: self._sender.keep(running.future, p))
            self._say(running, report)
        elif error is not None:
            judged = verdict(running, error, self._members, frozenset(self._ending))
            self._again(judged.again, running.cancelled)
            self._broken = self._broken or judged.broken
            if judged.event is not None:
                self._say(running, judged.event)

    def _take_back(self, number: int) -> None:
        """Take back a batch that waits at Dask for workers that have gone."""
        running = self._running[number]
        if lane_of(running.calls.placement) != ANYWHERE:
            self._let_go([self._drop(number).future])
            self._again([running.work], running.cancelled)

    def _withdraw_others(self, waiting: Container[str]) -> None:
        """Withdraw batches that wait at Dask."""
        for number, running in list(self._running.items()):
            if running.future.key in waiting and running.future.status == "pending":
                calls = self._drop(number).calls
                self._let_go([running.future])
                self._say(running, Withdrawn(node=calls.node, indices=calls.indices))

    def _let_go(self, futures: Sequence[Future]) -> None:
        """Release some batches at Dask; a lost scheduler has forgotten them anyway."""
        if futures:
            with suppress(OSError, ClosedClientError):
                self._client.cancel(futures)

    def _drop(self, number: int) -> Running:
        running = self._running.pop(number)
        self._backlog.ended(lane_of(running.calls.placement))
        return running

    def _say(self, running: Running, event: Event) -> None:
        """Queue an event of a batch, without cancelled calls."""
        wanted = without(event, running.cancelled)
        if wanted is not None:
            self._ready.append(wanted)

    # -- trouble -------------------------------------------------------------------------------

    def _problem(self) -> str:
        """The reason why the cluster is gone; "" while there is one."""
        self._broken = self._broken or self._connection.problem()
        return self._broken

    def _check(self) -> None:
        if self._problem():
            raise MachineryError(
                f"{self._broken}; results so far are kept: run the flow again on a working cluster"
            )

    def _end_hung(self) -> None:
        """Have workers ended whose calls have taken too long."""
        now = time.monotonic()
        for number, running in self._running.items():
            if running.deadline is not None and running.deadline <= now:
                running.ending = running.position
                self._ending.add(running.worker)
                self._listener.end_worker(number, running)

    def _next_deadline(self) -> float:
        """The time of the next check that is due even without news."""
        if self._connection.lost or not self._running:  # then no batch reports a loss
            return time.monotonic() + LOOK_AGAIN_SECONDS
        hung = [r.deadline for r in self._running.values() if r.deadline is not None]
        _, again = self._members.stranded(self._backlog.lanes(), self._patience)
        return min([time.monotonic() + again, *hung])

    def _fail_stranded(self) -> None:
        """Fail the calls that no worker has been able to run for too long."""
        over, _ = self._members.stranded(self._backlog.lanes(), self._patience)
        if over and not self._members.threads:
            self._broken = (
                f"the cluster has had no worker for {self._patience:g} s, the limit that "
                f"`cluster.patience` sets: {self._members.last_seen()}; start workers for the "
                "scheduler, or set `cluster.patience` to more seconds"
            )
            return
        for lane, problem in over.items():
            reason = f"waited {self._patience:g} s (`cluster.patience`): {problem}"
            for calls in self._backlog.clear(lane):
                self._ready.append(all_failed(calls, f"{calls.name}: {reason}"))
            for number, running in list(self._running.items()):
                if lane_of(running.calls.placement) == lane:
                    self._let_go([self._drop(number).future])
                    calls = running.calls
                    self._say(running, all_failed(calls, f"{calls.name}: {reason}"))
