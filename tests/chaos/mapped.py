"""The scheduler killed at random moments of mapped calls, on a machine that is too busy.

Touches Dask by `MortalCluster`; takes how often; gives `Kills`. Law: the calls under way are made
again, and each flow run ends as if nothing had happened, however many schedulers it outlives.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

from orchestrator.clusters import Cluster, connect
from orchestrator.mapping import Run, flow, task
from tests.chaos.mortal import Death, MortalCluster

NAME = "scheduler killed under load"

_CALLS, _BUSY = 600, 4
_BUSY_LOOP = "while True: pass"
_PATIENCE_SECONDS = 300
_IDLE_FLOWS = 5
"""So many flow runs in a row without a kill: something is wrong with the killing."""


@dataclass(frozen=True, kw_only=True)
class Kills:
    """What came of it.

    Attributes:
        deaths: What each scheduler had when it was killed.
        flows: How many flow runs they were killed in.
        failed: Calls that were called failed, or gave a wrong value.
        problems: What else went wrong, in sentences.
    """

    deaths: Sequence[Death]
    flows: int
    failed: int
    problems: Sequence[str]

    @property
    def went_wrong(self) -> bool:
        """Whether the law does not hold."""
        return bool(self.failed or self.problems)

    def text(self) -> str:
        """As it is printed."""
        queued, running, unfetched = (
            sum(each) for each in zip(Death(0, 0, 0), *self.deaths, strict=True)
        )
        return (
            f"{NAME}: {len(self.deaths)} kills in {self.flows} flow runs of {_CALLS} calls, with "
            f"{queued} batches queued, {running} running, {unfetched} ended and not fetched; "
            f"{self.failed} calls called failed"
        )


@task(batch=3)
def doubled(x: int) -> int:
    """Takes a moment."""
    time.sleep(0.01)
    return 2 * x


@flow
def doubling() -> object:
    """Calls in many batches."""
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
    """Run flow runs until so many schedulers have been killed in them.

    Args:
        times: How many.
        random: Chooses the moments.
        beside: Busy processes on the same machine.
    """
    flows, failed, idle, problems = 0, 0, 0, list[str]()
    with (
        busy(beside),
        MortalCluster(times, random) as cluster,
        connect(_settings(cluster.address)) as client,
    ):
        assert client is not None
        client.wait_for_workers(1, timeout=_PATIENCE_SECONDS)
        while len(cluster.deaths) < times and idle < _IDLE_FLOWS:
            before = len(cluster.deaths)
            run = doubling.run(client=client)
            flows += 1
            idle = idle + 1 if len(cluster.deaths) == before else 0
            wrong = _wrong(run)
            failed += wrong
            if wrong or run.state != "success":
                reasons = {outcome.error for outcome in run.result().failed}
                problems.append(f"{flows}: {run.state}, {wrong} calls: {reasons}")
    if idle:
        problems.append(f"{idle} flow runs in a row saw no kill")
    return Kills(deaths=cluster.deaths, flows=flows, failed=failed, problems=problems)


def _wrong(run: Run) -> int:
    """How many calls did not give what they should."""
    return _CALLS - sum(outcome.value == 2 * outcome.index for outcome in run.result().items())


def _settings(address: str) -> Cluster:
    """As a configuration names it."""
    return Cluster(
        kind="remote",
        address=address,
        connect_timeout=_PATIENCE_SECONDS,
        reconnect_timeout=_PATIENCE_SECONDS,
    )
