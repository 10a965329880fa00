"""How many calls go into a batch, and how many are wanted at a time: learnt from durations.

Touches no library; takes counts and seconds; gives counts. Runs on the driver.
"""

from dataclasses import dataclass, field
from math import ceil

from orchestrator.mapping.execution.executor import Calls

BATCH_SECONDS = 0.5
"""What a batch should take: long beside Dask's 2-4 ms a task, short beside a person's patience."""

SMALLEST_BATCH_SECONDS = 0.02
"""Towards the end batches get smaller, but not so small that Dask costs more than the calls."""

BATCHES_PER_THREAD = 3
"""With Dask at a time: one runs, the others wait beside it."""

GROWTH = 8
"""A batch is at most so many times as long as the longest so far of its node: the first are
of one call, and a few quick calls must not put a thousand slow ones into one batch."""

WINDOW_SECONDS = 4.0
"""Work in flight per thread; more would only delay calls that become ready later."""

MOST_IN_FLIGHT = 20_000
"""Calls in flight, however short they are."""

_WEIGHT = 0.5


@dataclass(slots=True)
class _Known:
    """Of the nodes of a name: seconds a call, as a moving average, and their largest batch."""

    seconds: float
    largest: int


@dataclass(slots=True)
class Pace:
    """What is known of durations.

    Attributes:
        threads: Of all workers together.
        latest: Seconds a call of the node that a batch ended of last; None before the first.
        learnt: How many batches have ended.
    """

    threads: int = 0
    latest: float | None = None
    learnt: int = 0
    _known: dict[str, _Known] = field(default_factory=dict)

    def learn(self, calls: Calls, seconds: float) -> None:
        """A batch has taken so long."""
        count = len(calls.indices)
        each = max(seconds / count, 1e-6)
        known = self._known.setdefault(calls.name, _Known(each, 1))
        known.seconds += _WEIGHT * (each - known.seconds)
        known.largest = max(known.largest, count)
        self.latest = known.seconds
        self.learnt += 1

    def batch(self, calls: Calls, waiting: int) -> int:
        """How many such calls to pack into the next batch while so many wait."""
        known = self._known.get(calls.name)
        if known is None:
            return 1
        share = ceil(waiting / (2 * max(self.threads, 1)))
        least = int(SMALLEST_BATCH_SECONDS / known.seconds)
        enough = int(BATCH_SECONDS / known.seconds)
        return max(1, min(enough, max(share, least), GROWTH * known.largest))

    def most_batches(self) -> int:
        """How many batches Dask is given at a time."""
        return BATCHES_PER_THREAD * max(self.threads, 1)

    def most_calls(self) -> int:
        """How many calls may be in flight."""
        least = 2 * self.most_batches()
        if self.latest is None:
            return least
        window = int(max(self.threads, 1) * WINDOW_SECONDS / self.latest)
        return max(least, min(window, MOST_IN_FLIGHT))
