"""Everything that Dask reports, in one queue: ends of batches, and messages (`messages`).

Touches distributed; takes futures; gives `BatchEnded` and `ClusterMessage`. Dask's own
thread fills it, the driver's empties it, and they meet nowhere else.
"""

import asyncio
import time
from asyncio import CancelledError as AsyncCancelledError
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from distributed import Client, Future

from orchestrator.errors import MachineryError, as_machinery_error
from orchestrator.mapping.dask.attribution import NotFetchedError
from orchestrator.mapping.dask.batches import Running
from orchestrator.mapping.dask.messages import (
    BatchesBegun,
    BatchSpared,
    ClusterBroken,
    Message,
    read,
)
from orchestrator.mapping.dask.scheduler import Watch, end_worker, summary_key
from orchestrator.mapping.dask.submission import AT_ONCE
from orchestrator.mapping.dask.worker import Ran, begun, summary

_ANSWER_SECONDS = 30.0

FETCH_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts to fetch the results of a batch that has ended."""


@dataclass(frozen=True, slots=True)
class BatchEnded:
    """A batch's future is done: either it ran, or there is an error."""

    number: int
    ran: Ran | None
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class ClusterMessage:
    """A message of the scheduler or a worker, with its time by the driver's monotonic clock."""

    at: float
    message: Message


def _received(carried: Mapping[str, Any]) -> ClusterMessage:
    return ClusterMessage(time.monotonic(), read(carried))


class UnansweredError(MachineryError):
    """The scheduler does not answer; another attempt may find it."""


class Listener:
    """Collects the news for one executor.

    Args:
        client: A client of the cluster.
        topic: Names the executor.

    Raises:
        MachineryError: The scheduler does not answer, or lacks this package.
    """

    def __init__(self, client: Client, topic: str) -> None:
        self._client, self._topic = client, topic
        self._news: SimpleQueue[BatchEnded | ClusterMessage] = SimpleQueue()
        news = self._news  # not self: the client keeps the handler for as long as it lives
        client.subscribe_topic(
            topic, lambda event: news.put(ClusterMessage(time.monotonic(), read(event[1])))
        )
        doing = f"cannot begin on {client.scheduler.address}"
        try:
            with as_machinery_error(doing, Exception):
                client.register_plugin(Watch(topic, client.id), name=topic)
        except MachineryError as error:
            if isinstance(error.__cause__, OSError):
                raise UnansweredError(str(error)) from error
            raise

    def first(self) -> BatchEnded | ClusterMessage:
        """The first message: the workers of the cluster."""
        for news in self.until(time.monotonic() + _ANSWER_SECONDS):
            return news
        raise UnansweredError(
            f"the Dask scheduler at {self._client.scheduler.address} does not answer"
        )

    def until(self, deadline: float) -> Iterator[BatchEnded | ClusterMessage]:
        """The news so far; waits for the first until a time of the monotonic clock."""
        left = None if deadline == float("inf") else max(0.0, deadline - time.monotonic())
        try:
            yield self._news.get(timeout=left)
            while True:
                yield self._news.get_nowait()
        except Empty:
            return

    def follow(self, number: int, future: Future) -> None:
        """Put the end of a batch into the queue when it comes."""
        self._client.loop.add_callback(self._follow, number, future)

    def end_worker(self, number: int, running: Running) -> None:
        """Have the worker of a batch ended, because it seems to hang in a call."""
        self._client.loop.add_callback(
            self._end_worker, number, running.position, running.future.key, running.worker
        )

    def ask_what_began(self, keys: Sequence[str]) -> None:
        """Ask which of these batches have begun; a worker that does not answer is left out."""
        self._client.loop.add_callback(self._ask_what_began, list(keys))

    def close(self) -> None:
        """Unsubscribe from the cluster."""
        # A scheduler that is gone, or was restarted, has forgotten us by itself; and an error
        # while leaving the cluster must not spoil results that are here.
        with suppress(Exception):
            self._client.unsubscribe_topic(self._topic)
            self._client.unregister_scheduler_plugin(self._topic)

    async def _follow(self, number: int, future: Future) -> None:
        """In Dask's thread."""
        self._news.put(await self._end_of(number, future))

    async def _end_of(self, number: int, future: Future) -> BatchEnded:
        """The end of a batch: its result, or its own error and no other.

        Fetching may fail by itself, as when the scheduler dies just then. That does not concern
        the batch: it is fetched again, until Dask reports that the batch is gone, too.
        """
        problem: BaseException | None = None
        for pause in FETCH_PAUSES:
            await future.exception()  # only waits, whatever the end is
            holds_results = future.status == "finished"
            try:
                return BatchEnded(number, await self._fetched(future), None)
            except (Exception, AsyncCancelledError) as error:  # noqa: BLE001 - the driver judges
                problem = error
            if not holds_results or isinstance(problem, AsyncCancelledError):
                return BatchEnded(number, None, problem)
            await asyncio.sleep(pause)
        return BatchEnded(number, None, NotFetchedError(f"{type(problem).__name__}: {problem}"))

    async def _fetched(self, future: Future) -> Ran:
        """The part of its result that goes to the driver; what is large stays where it is."""
        if future.status == "finished" and future.type is not Ran:
            key = summary_key(future.key)
            future = self._client.submit(summary, future, key=key, priority=AT_ONCE)
        ran: Ran = await future
        return ran

    async def _end_worker(self, number: int, *at: Any) -> None:
        """In Dask's thread; when the worker dies, its batches end with `KilledWorker`."""
        message: Message = BatchSpared(number)
        try:
            if await self._client.run_on_scheduler(end_worker, self._topic, number, *at):
                return
        except OSError:  # the scheduler is lost, or may answer the next time
            pass
        except Exception as error:  # noqa: BLE001 - whatever the scheduler raises
            message = ClusterBroken(f"a worker that hangs could not be ended: {error}")
        self._news.put(ClusterMessage(time.monotonic(), message))

    async def _ask_what_began(self, keys: list[str]) -> None:
        """In Dask's thread."""
        with suppress(Exception):  # a cluster in trouble reports it elsewhere
            answers = await self._client.run(begun, keys, on_error="ignore")
            begun_there = tuple(key for of_worker in answers.values() for key in of_worker)
            self._news.put(ClusterMessage(time.monotonic(), BatchesBegun(tuple(keys), begun_there)))
