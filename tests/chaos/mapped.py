"""The scheduler killed at random moments of mapped calls, on a machine that is too busy.

Touches distributed and processes of its own; takes how often; gives `Kills`. Law: the calls under
way are made again, and each flow run ends as if nothing had happened.

Scheduler and workers are forked from a process that has imported distributed already: to start an
interpreter anew takes many times as long, and would leave the scheduler dead for most of the time.
"""

import asyncio
import logging
import multiprocessing
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from distributed import Scheduler, Worker

from orchestrator.clusters import Cluster, connect
from orchestrator.mapping import flow, task
from tests.chaos.places import free_port

NAME = "scheduler killed under load"

_CALLS, _BUSY = 60, 4
_BUSY_LOOP = "while True: pass"
_PATIENCE_SECONDS = 300
_RECONNECT_SECONDS = 150
"""Dask's client waits up to a fifth of it between two attempts to connect."""


@dataclass(frozen=True, kw_only=True)
class Kills:
    """What came of it.

    Attributes:
        struck: Kills that came while calls were under way.
        failed: Calls that were called failed, or gave a wrong value.
        problems: What else went wrong, in sentences.
    """

    struck: int
    failed: int
    problems: tuple[str, ...]


@task
def doubled(x: int) -> int:
    """Takes a moment."""
    time.sleep(0.02)
    return 2 * x


@flow
def doubling() -> object:
    """Calls that may share batches."""
    return doubled.expand(x=range(_CALLS))


@contextmanager
def busy(processes: int = _BUSY) -> Iterator[None]:
    """Processes that use all the time they get, ended with the block."""
    started = [subprocess.Popen([sys.executable, "-c", _BUSY_LOOP]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def killing(times: int, random: Random, *, beside: int = _BUSY) -> Kills:
    """Run so many flow runs, and kill the scheduler in each of them once.

    Args:
        times: How many.
        random: Chooses the moments.
        beside: Busy processes on the same machine.
    """
    struck, failed, problems = 0, 0, list[str]()
    with (
        busy(beside),
        _Cluster() as cluster,
        connect(cluster.settings()) as client,
    ):
        assert client is not None
        for number in range(times):
            client.wait_for_workers(1, timeout=_PATIENCE_SECONDS)
            with _struck(cluster, random.uniform(0.0, 1.5)) as moment:
                run = doubling.run(client)
                ended = time.monotonic()
            struck += moment[0] < ended
            wrong = _CALLS - sum(
                outcome.value == 2 * outcome.index for outcome in run.result().items()
            )
            failed += wrong
            if wrong or run.state != "success":
                reasons = {outcome.error for outcome in run.result().failed}
                problems.append(f"{number}: {run.state}, {wrong} calls: {reasons}")
    return Kills(struck=struck, failed=failed, problems=tuple(problems))


class _Cluster:
    """A scheduler and two workers; whoever keeps them alive starts those again that end.

    Attributes:
        address: The scheduler's.
    """

    def __init__(self) -> None:
        self._make = multiprocessing.get_context("forkserver")
        self._make.set_forkserver_preload(["distributed", "orchestrator.mapping.dask.executor"])
        self._port = free_port()
        self.address = f"tcp://127.0.0.1:{self._port}"

    def __enter__(self) -> "_Cluster":
        self._scheduler = self._started(_scheduler, self._port)
        self._workers = [self._started(_worker, self.address) for _ in range(2)]
        return self

    def __exit__(self, *exc: object) -> None:
        for process in (*self._workers, self._scheduler):
            process.kill()
            process.join()

    def settings(self) -> Cluster:
        """As a configuration names it."""
        return Cluster(
            kind="remote",
            address=self.address,
            connect_timeout=_PATIENCE_SECONDS,
            reconnect_timeout=_RECONNECT_SECONDS,
        )

    def strike(self) -> None:
        """Kill the scheduler and start it again, and the workers, which end without theirs."""
        self._scheduler.kill()
        self._scheduler.join()
        self._scheduler = self._started(_scheduler, self._port)
        for worker in self._workers:
            worker.join(_PATIENCE_SECONDS)
        self._workers = [self._started(_worker, self.address) for _ in self._workers]

    def _started(self, target: Callable[..., None], *arguments: Any) -> Any:
        process = self._make.Process(target=target, args=arguments)
        process.start()
        return process


def _scheduler(port: int) -> None:
    logging.disable()  # of dying they say much

    async def serve() -> None:
        async with Scheduler(host="127.0.0.1", port=port, dashboard=False) as scheduler:
            await scheduler.finished()

    asyncio.run(serve())


def _worker(address: str) -> None:
    logging.disable()  # of dying they say much

    async def serve() -> None:
        async with Worker(address, host="127.0.0.1", nthreads=1, dashboard=False) as worker:
            await worker.finished()

    asyncio.run(serve())


@contextmanager
def _struck(cluster: _Cluster, seconds: float) -> Iterator[list[float]]:
    """Kill the scheduler so many seconds from now, and start it again; gives when that was."""
    moment: list[float] = []

    def strike() -> None:
        time.sleep(seconds)
        moment.append(time.monotonic())
        cluster.strike()

    thread = threading.Thread(target=strike)
    thread.start()
    try:
        yield moment
    finally:
        thread.join()
