"""The number of calls in a batch and in flight, learnt from durations.

Touches no library; takes counts and seconds; gives counts. Runs on the driver.
"""

from dataclasses import dataclass, field
from math import ceil

from orchestrator.mapping.execution.executor import Calls

BATCH_SECONDS = 0.5
"""Seconds a batch should take: far more than Dask's 2-4 ms a task, too few to annoy a person."""

SMALLEST_BATCH_SECONDS = 0.02
"""Towards the end batches get smaller, but Dask must not cost more than the calls."""

BATCHES_PER_THREAD = 3
"""Batches per thread that Dask has at a time: one runs, the others wait beside it."""

GROWTH = 8
"""The most times a batch may be as long as its node's longest so far: the first have one call,
and a few quick calls must not put a thousand slow ones into one batch."""

WINDOW_SECONDS = 4.0
"""Work in flight per thread; more would only delay calls that become ready later."""

MOST_IN_FLIGHT = 20_000
"""The most calls in flight, however short they are."""

_WEIGHT = 0.5


@dataclass(slots=True)
class _Known:
    """The moving average of seconds a call of all nodes with one name, and their largest batch."""

    seconds: float
    largest: int


@dataclass(slots=True)
class Pace:
    """The known durations, and the sizes that follow from them.

    Attributes:
        threads: The threads of all workers together.
        latest: Seconds a call of the last batch's node took; None before the first batch.
        learnt: The number of batches that have ended.
    """

    threads: int = 0
    latest: float | None = None
    learnt: int = 0
    _known: dict[str, _Known] = field(default_factory=dict)

    def learn(self, calls: Calls, seconds: float) -> None:
        """Note how long a batch has taken."""
        count = len(calls.indices)
        each = max(seconds / count, 1e-6)
        known = self._known.setdefault(calls.name, _Known(each, 1))
        known.seconds += _WEIGHT * (each - known.seconds)
        known.largest = max(known.largest, count)
        self.latest = known.seconds
        self.learnt += 1

    def batch(self, calls: Calls, waiting: int) -> int:
        """The number of these calls to pack into the next batch while this many wait."""
        known = self._known.get(calls.name)
        if known is None:
            return 1
        share = ceil(waiting / (2 * max(self.threads, 1)))
        least = int(SMALLEST_BATCH_SECONDS / known.seconds)
        enough = int(BATCH_SECONDS / known.seconds)
        return max(1, min(enough, max(share, least), GROWTH * known.largest))

    def most_batches(self) -> int:
        """The most batches that Dask has at a time."""
        return BATCHES_PER_THREAD * max(self.threads, 1)

    def most_calls(self) -> int:
        """The most calls in flight."""
        least = 2 * self.most_batches()
        if self.latest is None:
            return least
        window = int(max(self.threads, 1) * WINDOW_SECONDS / self.latest)
        return max(least, min(window, MOST_IN_FLIGHT))
