"""How many calls go into a batch, and how many are wanted at a time: learnt from durations.

Touches no library; takes counts and seconds; gives counts. Runs on the driver.
"""

from dataclasses import dataclass, field
from math import ceil

BATCH_SECONDS = 0.5
"""What a batch should take: long beside Dask's 2-4 ms a task, short beside a person's patience."""

SMALLEST_BATCH_SECONDS = 0.02
"""Towards the end batches get smaller, but not so small that Dask costs more than the calls."""

BATCHES_PER_THREAD = 3
"""Given to Dask at a time: one runs, the others wait beside it."""

WINDOW_SECONDS = 4.0
"""Work in flight per thread; more would only delay calls that become ready later."""

MOST_IN_FLIGHT = 20_000
"""Calls in flight, however short they are and however few threads there are."""

_FIRST_BATCH = 8
_WEIGHT = 0.5


@dataclass(slots=True)
class Pace:
    """What is known of durations.

    Attributes:
        threads: Of all workers together.
    """

    threads: int = 0
    _by_node: dict[int, float] = field(default_factory=dict)
    _latest: float | None = None

    def learn(self, node: int, calls: int, seconds: float) -> None:
        """A batch of a node has taken so long: a moving average of the time per call."""
        each = max(seconds / calls, 1e-6)
        known = self._by_node.get(node, each)
        self._by_node[node] = self._latest = (1 - _WEIGHT) * known + _WEIGHT * each

    def forget(self, node: int) -> None:
        """Nothing of the node is in flight any more."""
        self._by_node.pop(node, None)

    def batch(self, node: int, waiting: int) -> int:
        """How many of a node's calls to pack into the next batch while so many wait."""
        lanes = 2 * max(self.threads, 1)
        share = ceil(waiting / lanes)
        each = self._by_node.get(node)
        if each is None:
            return max(1, min(share, _FIRST_BATCH))
        enough, least = int(BATCH_SECONDS / each), int(SMALLEST_BATCH_SECONDS / each)
        return max(1, min(enough, max(share, least)))

    def most_batches(self) -> int:
        """How many batches Dask is given at a time."""
        return BATCHES_PER_THREAD * max(self.threads, 1)

    def most_calls(self) -> int:
        """How many calls may be in flight."""
        threads = max(self.threads, 1)
        first = threads * BATCHES_PER_THREAD * _FIRST_BATCH
        if self._latest is None:
            return first
        window = int(threads * WINDOW_SECONDS / self._latest)
        return max(threads * BATCHES_PER_THREAD, min(window, max(MOST_IN_FLIGHT, first)))
