"""A cluster whose scheduler is killed again and again, each time in the middle of its work.

Touches distributed and processes of its own; takes how often; gives `Death`s. The scheduler kills
itself with SIGKILL, for it alone knows the moment that matters: a batch has just ended, its result
is not fetched yet, others run, and more wait.

All processes are forked from one that has imported distributed already, and workers use theirs for
each next scheduler: to start interpreters takes many times as long as all the rest.
"""

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from random import Random
from typing import Any, NamedTuple

from distributed import Scheduler, Worker
from distributed.diagnostics.plugin import SchedulerPlugin

from tests.support.places import free_port

THREADS = 2

_LATEST_BATCH = 25
_LONGEST_WAIT_SECONDS = 0.02


class Death(NamedTuple):
    """What a scheduler had when it was killed, in batches."""

    queued: int
    running: int
    unfetched: int


class MortalCluster:
    """A scheduler and two workers; a scheduler that dies is started again at its address.

    Args:
        times: How many schedulers shall die; the last one lives.
        random: Chooses the moments.

    Attributes:
        address: The scheduler's.
        deaths: How the schedulers died so far.
    """

    def __init__(self, times: int, random: Random) -> None:
        self._make = multiprocessing.get_context("forkserver")
        # A forked process imports the main module once more, with all that it imports.
        self._make.set_forkserver_preload(["distributed", "tests.chaos.__main__"])
        self._times, self._random = times, random
        self._port = free_port()
        self._closing = threading.Event()
        self.address = f"tcp://127.0.0.1:{self._port}"
        self.deaths: list[Death] = []

    def __enter__(self) -> "MortalCluster":
        self._start_scheduler()
        self._workers = [self._started(_serve_worker, self.address) for _ in range(THREADS)]
        self._keeper = threading.Thread(target=self._keep_a_scheduler)
        self._keeper.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._closing.set()
        for process in (*self._workers, self._scheduler):
            process.kill()
            process.join()
        self._keeper.join()
        self._scheduler.kill()
        self._scheduler.join()

    def _keep_a_scheduler(self) -> None:
        while True:
            self._scheduler.join()
            if self._closing.is_set():
                return
            self.deaths.append(self._last_words.recv())
            self._start_scheduler()

    def _start_scheduler(self) -> None:
        mortal = len(self.deaths) < self._times
        self._last_words, words = self._make.Pipe(duplex=False)
        seed = self._random.random() if mortal else None
        self._scheduler = self._started(_serve_scheduler, self._port, words, seed)
        words.close()

    def _started(self, target: Callable[..., None], *arguments: Any) -> Any:
        process = self._make.Process(target=target, args=arguments)
        process.start()
        return process


class _Doom(SchedulerPlugin):  # type: ignore[misc]  # distributed ships no types
    """Kills its scheduler some moments after one of the first batches has ended."""

    name = "doom"

    def __init__(self, scheduler: Scheduler, words: Connection, random: Random) -> None:
        self._scheduler, self._words, self._random = scheduler, words, random
        self._left = random.randint(1, _LATEST_BATCH)

    def transition(self, key: Any, start: str, finish: str, *_: Any, **__: Any) -> None:
        """A batch has ended."""
        if finish == "memory":
            self._left -= 1
            if self._left <= 0:
                # Up to that long the client has heard of the end, or asked for the result, or not.
                wait = self._random.choice([0, self._random.uniform(0, _LONGEST_WAIT_SECONDS)])
                asyncio.get_running_loop().call_later(wait, self._die_at_work)

    def _die_at_work(self) -> None:
        """Die, unless there is nothing to be lost; the next batch that ends is another chance."""
        scheduler = self._scheduler
        given = sum(len(worker.processing) for worker in scheduler.workers.values())
        running = min(given, scheduler.total_nthreads)
        unfetched = sum(
            task.state == "memory" and bool(task.who_wants) for task in scheduler.tasks.values()
        )
        death = Death(len(scheduler.queued) + given - running, running, unfetched)
        if all(death):
            self._words.send(death)
            os.kill(os.getpid(), signal.SIGKILL)


def _serve_scheduler(port: int, words: Connection, seed: float | None) -> None:
    logging.disable()  # of dying they say much

    async def serve() -> None:
        async with Scheduler(host="127.0.0.1", port=port, dashboard=False) as scheduler:
            if seed is not None:
                scheduler.add_plugin(_Doom(scheduler, words, Random(seed)))
            await scheduler.finished()

    asyncio.run(serve())


def _serve_worker(address: str) -> None:
    logging.disable()  # of dying they say much

    async def serve() -> None:
        async with Worker(address, host="127.0.0.1", nthreads=1, dashboard=False) as worker:
            await worker.finished()

    while True:  # it ends when it has lost its scheduler
        asyncio.run(serve())
