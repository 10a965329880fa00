"""The workers of the cluster, and whether any of them can run a call.

Touches dask to format bytes; takes messages of `scheduler.Watch`; gives answers; runs on the
driver.
"""

import time
from collections.abc import Iterable

from dask.utils import format_bytes

from orchestrator.mapping.dask.backlog import ANYWHERE, Lane
from orchestrator.mapping.dask.messages import WorkerDescription


def can_run(worker: WorkerDescription, lane: Lane) -> bool:
    """Whether a worker has the resources, and is one of the workers, that a lane asks for."""
    resources, workers = lane
    enough = all(worker.resources.get(name, 0) >= amount for name, amount in resources)
    host = worker.address.rpartition("//")[2].rpartition(":")[0]
    return enough and (not workers or not {worker.address, worker.name, host}.isdisjoint(workers))


class Members:
    """The workers of the cluster, now and since the executor began."""

    def __init__(self) -> None:
        self._present: dict[str, WorkerDescription] = {}
        self._ever: dict[str, WorkerDescription] = {}
        self._stranded: dict[Lane, float] = {}
        self._out_of_memory: set[str] = set()
        self._last_left: tuple[str, str] | None = None

    def joined(self, workers: Iterable[WorkerDescription]) -> None:
        """Note that workers have joined."""
        members = {worker.address: worker for worker in workers}
        self._present.update(members)
        self._ever.update(members)

    def left(self, address: str) -> None:
        """Note that a worker has left."""
        if self._present.pop(address, None) is not None:
            self._last_left = address, time.strftime("%H:%M:%S")

    def ran_out_of_memory(self, address: str) -> None:
        """Note that a worker was ended because it used more memory than its limit."""
        self._out_of_memory.add(address)

    def death_of(self, address: str) -> str:
        """The cause of a worker's death, as far as it is known, and the cure."""
        limit = self._ever[address].memory_limit if address in self._ever else 0
        allowed = format_bytes(limit) if limit else "no limit of its own"
        if address in self._out_of_memory:
            return (
                f"worker {address} was ended because it used more memory than it may, {allowed}: "
                "load less data, or give workers a larger memory limit"
            )
        return (
            f"worker {address} died, as of a crash in native code or a lack of memory (it may use "
            f"{allowed})"
        )

    def last_seen(self) -> str:
        """The worker that left last, when, and why, as far as it is known."""
        if self._last_left is None:
            return "none has joined since this run began"
        address, at = self._last_left
        count = len(self._ever)
        if address in self._out_of_memory:
            why = self.death_of(address)
        else:
            why = "it ended, was ended, or lost its connection, such as at the end of its wall time"
        return f"of {count} worker{'s' * (count > 1)} the last, {address}, left at {at}: {why}"

    @property
    def threads(self) -> int:
        """The threads of all present workers together."""
        return sum(member.threads for member in self._present.values())

    def addresses(self, lane: Lane) -> list[str]:
        """The workers that can run a lane's calls now."""
        return [member.address for member in self._present.values() if can_run(member, lane)]

    def can_take(self, lane: Lane) -> bool:
        """Whether Dask should be given a lane's calls now.

        Calls without requirements may wait there: an adaptive cluster grows with waiting tasks.
        """
        return lane == ANYWHERE or any(can_run(m, lane) for m in self._present.values())

    def has_nanny(self, address: str) -> bool:
        """Whether a nanny can end this worker's process."""
        return address in self._ever and self._ever[address].nanny

    def has_one_thread(self, address: str) -> bool:
        """Whether a worker runs one task at a time."""
        return address in self._ever and self._ever[address].threads == 1

    def refusal(self, lane: Lane) -> str | None:
        """The reason why no worker can ever run a lane's calls; None if one can or may."""
        if not self._present or any(can_run(member, lane) for member in self._ever.values()):
            return None
        return self._no_worker(lane)

    def _no_worker(self, lane: Lane) -> str:
        resources, workers = lane
        wanted = [f"{amount:g} {name}" for name, amount in resources]
        wanted += [f"one of the workers {', '.join(map(repr, workers))}"] if workers else []
        offered = "; ".join(
            f"{member.name} at {member.address} with {dict(member.resources) or 'no resources'}"
            for member in self._present.values()
        )
        return (
            f"no worker offers {' and '.join(wanted)}; there are: {offered}. "
            "Start workers with `--resources NAME=AMOUNT` or `--name`, or change the task's options"
        )

    def stranded(self, lanes: Iterable[Lane], patience: float) -> tuple[dict[Lane, str], float]:
        """The lanes whose calls no present worker can run.

        Args:
            lanes: The lanes with calls.
            patience: Seconds after which the calls of a lane fail.

        Returns:
            The lanes whose calls fail, each with the reason, and the seconds until the next check.
        """
        now = time.monotonic()
        bad = [
            lane
            for lane in lanes
            if not any(can_run(member, lane) for member in self._present.values())
        ]
        self._stranded = {lane: self._stranded.get(lane, now) for lane in bad}
        over = {
            lane: self._no_worker(lane) for lane in bad if now >= self._stranded[lane] + patience
        }
        waits = [since + patience - now for since in self._stranded.values()]
        return over, max(0.0, min(waits, default=float("inf")))
