"""Calls that wait to become batches: by priority, in one lane for each place to run.

Touches no library; takes `Calls`; gives them back in parts. Runs on the driver.
"""

import heapq
from collections.abc import Callable, Iterator, Set
from dataclasses import dataclass, field, replace
from itertools import count
from math import ceil

from orchestrator.mapping.dask.batch_merging import alike, together
from orchestrator.mapping.dask.batch_sizing import Pace
from orchestrator.mapping.execution.executor import Calls, Placement

Lane = tuple[tuple[tuple[str, float], ...], tuple[str, ...]]
"""Resources and workers: calls with equal requirements compete only with each other."""

ANYWHERE: Lane = ((), ())
"""The lane of calls without requirements."""


def lane_of(placement: Placement) -> Lane:
    """The lane in which calls of this placement wait."""
    return placement.resources, placement.workers


def suspects(calls: Calls) -> "PendingCalls":
    """Calls of which one may kill its worker, in parts so small that it is soon isolated."""
    count = len(calls.indices)
    size = 1 if count <= 16 else ceil(count / 8)
    return PendingCalls(replace(calls, suspect=True), size=size)


@dataclass(slots=True)
class PendingCalls:
    """Calls to be made.

    Attributes:
        calls: The calls.
        size: The number of calls in a batch; None lets durations decide.
        returns: The number of times they came back from a dead worker without having begun.
        begun: The number of calls, from the first on, that have been taken already.
    """

    calls: Calls
    size: int | None = None
    returns: int = 0
    begun: int = 0

    def __len__(self) -> int:
        return len(self.calls.indices) - self.begun

    def rest(self) -> Calls:
        """The calls not taken yet."""
        return self.calls.part(slice(self.begun, None))

    def take(self, size: int) -> "PendingCalls":
        """The next few calls, as work of their own."""
        part = self.calls.part(slice(self.begun, self.begun + size))
        self.begun += len(part.indices)
        return PendingCalls(part, size=self.size, returns=self.returns)

    def goes_with(self, other: "PendingCalls") -> bool:
        """Whether the two may share a batch."""
        return (
            other.size == self.size
            and other.returns == self.returns
            and alike(other.calls, self.calls)
        )


@dataclass(slots=True)
class _Queue:
    """One lane's work, and the number of its batches that Dask has."""

    heap: list[tuple[float, int, PendingCalls]] = field(default_factory=list)
    waiting: int = 0
    in_dask: int = 0

    def take(self, pace: Pace) -> PendingCalls:
        """The next batch, filled up with the next similar work that fits in whole.

        Calls of one short map often share what a worker loads for them, such as a customer's data.
        """
        first = self.heap[0][2]
        batch = first.calls.placement.batch or pace.batch(first.calls, self.waiting)
        taken = self._take(first.size or batch)
        if first.size is not None:
            return taken
        parts = [taken.calls]
        missing = batch - len(taken)
        while self.heap and len(self.heap[0][2]) <= missing and first.goes_with(self.heap[0][2]):
            parts.append(self._take(missing).calls)
            missing -= len(parts[-1].indices)
        return replace(taken, calls=together(parts))

    def _take(self, size: int) -> PendingCalls:
        work = self.heap[0][2]
        taken = work.take(size)
        if not work:
            heapq.heappop(self.heap)
        self.waiting -= len(taken)
        return taken


class Backlog:
    """Work that waits, in lanes."""

    def __init__(self) -> None:
        self._lanes: dict[Lane, _Queue] = {}
        self._turns = count()

    def __len__(self) -> int:
        return sum(queue.waiting for queue in self._lanes.values())

    def waiting(self, lane: Lane) -> int:
        """The number of calls of a lane that wait here."""
        queue = self._lanes.get(lane)
        return queue.waiting if queue else 0

    def lanes(self) -> Iterator[Lane]:
        """Lanes with work, waiting or with Dask."""
        return (lane for lane, queue in self._lanes.items() if queue.waiting or queue.in_dask)

    def add(self, work: PendingCalls) -> None:
        """Add work; of equal priority, earlier work goes first."""
        placement = work.calls.placement
        queue = self._lanes.setdefault(lane_of(placement), _Queue())
        heapq.heappush(queue.heap, (-placement.priority, next(self._turns), work))
        queue.waiting += len(work)

    def take(self, pace: Pace, can_take: Callable[[Lane], bool]) -> PendingCalls | None:
        """Take the next batch for Dask; None when Dask has enough or nothing waits.

        Args:
            pace: Determines its size.
            can_take: Whether any worker can run a lane's calls at present.
        """
        most = pace.most_batches()
        open_lanes = [
            queue
            for lane, queue in self._lanes.items()
            if queue.heap and queue.in_dask < most and can_take(lane)
        ]
        if not open_lanes:
            return None
        queue = min(open_lanes, key=lambda queue: queue.heap[0][:2])
        queue.in_dask += 1
        return queue.take(pace)

    def ended(self, lane: Lane) -> None:
        """Note that a batch of a lane is no longer with Dask."""
        queue = self._lanes[lane]
        queue.in_dask -= 1
        if not queue.heap and not queue.in_dask:
            del self._lanes[lane]

    def remove(self, instances: Set[int]) -> None:
        """Remove some calls."""
        for queue in self._lanes.values():
            kept = []
            for priority, turn, work in queue.heap:
                left, rest = work, work.rest()
                if not instances.isdisjoint(rest.indices):
                    left = PendingCalls(
                        rest.without(instances), size=work.size, returns=work.returns
                    )
                if left:
                    kept.append((priority, turn, left))
            heapq.heapify(kept)
            queue.heap = kept
            queue.waiting = sum(len(work) for _, _, work in kept)

    def clear(self, lane: Lane) -> list[Calls]:
        """Remove all calls that wait in a lane."""
        queue = self._lanes.get(lane, _Queue())
        calls = [work.rest() for _, _, work in queue.heap]
        queue.heap, queue.waiting = [], 0
        return calls
