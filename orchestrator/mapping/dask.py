"""The executor for a Dask cluster: calls in batches, large values kept there, deaths survived.

Touches distributed; takes `Calls`; gives `Report` and `Lost`. Runs on the driver; what it sends
to workers is in `dask_worker`, what it places on the scheduler in `dask_scheduler`.

All that Dask tells arrives in one queue, which `wait` empties; Dask's own thread only fills it, so
that everything here is done by the one thread that drives the flow.
"""

import pickle
import time
import uuid
from asyncio import CancelledError as AsyncCancelledError
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any

from distributed import Client, Future
from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker

from orchestrator.errors import MachineryError
from orchestrator.mapping.calling import Failure, Performed, failure_of
from orchestrator.mapping.dask_backlog import Backlog, Lane, Work, lane_of, suspects
from orchestrator.mapping.dask_cluster import Members
from orchestrator.mapping.dask_pace import Pace
from orchestrator.mapping.dask_running import Aftermath, Running, after_death, after_timeout
from orchestrator.mapping.dask_scheduler import Watch
from orchestrator.mapping.dask_sending import AT_ONCE, CannotTravelError, Sender, TooLargeError
from orchestrator.mapping.dask_worker import Ran, summary, timed_out
from orchestrator.mapping.executing import Calls, Event, Lost, Report

PATIENCE_SECONDS = 300.0
"""How long calls wait for a worker that can run them, where there was one before."""

MOST_BYTES_IN_DASK = 256 * 1024**2
"""Arguments on their way to workers; the scheduler holds them until their batch has ended."""

_ANSWER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Ended:
    """A batch's future is done."""

    number: int
    ran: Ran | None
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class _Told:
    """Somebody on the cluster said something, at a time of the driver's monotonic clock."""

    at: float
    message: dict[str, Any]


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
        self._topic = uuid.uuid4().hex[:12]
        self._news: SimpleQueue[_Ended | _Told] = SimpleQueue()
        self._numbers = count()
        self._members, self._pace, self._backlog = Members(), Pace(), Backlog()
        self._sender = Sender(client, self._topic)
        self._running: dict[int, Running] = {}
        self._in_flight: Counter[int] = Counter()
        self._ending: set[str] = set()
        self._ready: list[Event] = []
        self._listen()

    def room(self) -> int:
        """How many more calls it wants at present."""
        return max(0, self._pace.most_calls() - self._in_flight.total())

    def submit(self, calls: Calls) -> None:
        """Take some calls; as many batches as the cluster needs begin at once.

        Raises:
            MachineryError: The client is closed, or lost its scheduler.
        """
        self._check_connection()
        self._in_flight[calls.node] += len(calls.indices)
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
        self._listen_until(time.monotonic())
        while not self._ready and time.monotonic() < deadline:
            self._listen_until(min(deadline, self._next_deadline()))
            self._end_hung()
            self._give_up_stranded()
            self._fill()
        events, self._ready = self._ready, []
        return events

    def cancel(self, node: int, indices: Sequence[int]) -> None:
        """Give up these calls; one that runs already runs to its end, and is not heard of."""
        gone = frozenset(indices)
        self._in_flight[node] -= len(gone)
        self._backlog.remove(node, gone)
        self._ready = [_without(event, node, gone) for event in self._ready]
        for number, running in list(self._running.items()):
            if running.calls.node == node:
                running.cancelled.update(gone.intersection(running.calls.indices))
                if len(running.cancelled) == len(running.calls.indices):
                    self._client.cancel([running.future])
                    self._drop(number)

    def close(self) -> None:
        """Give up what is in flight; values that someone still holds stay on the cluster."""
        if self._client.status == "running":
            self._client.unsubscribe_topic(self._topic)
            self._client.unregister_scheduler_plugin(self._topic)
            self._client.cancel([running.future for running in self._running.values()])
        self._running.clear()
        self._backlog = Backlog()
        self._sender = Sender(self._client, self._topic)
