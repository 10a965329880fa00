"""What may start, in the order in which it shall: instances of a node, and nodes.

Touches no library; pure; runs on the driver.
"""

import heapq
from collections.abc import Sequence


class Ready:
    """Instances of one node that may start: a range not yet begun, and single ones by priority.

    A product of a billion is a range, so that it costs nothing until it is taken from.
    """

    def __init__(self) -> None:
        self._range = range(0)
        self._heap: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._range) + len(self._heap)

    def open(self, count: int) -> None:
        """All instances from the first to this many may start, in order."""
        self._range = range(count)

    def push(self, index: int, priority: float = 0.0) -> None:
        """One more may start; of equal priority, the one that comes first in the map."""
        heapq.heappush(self._heap, (-priority, index))

    def pop(self, limit: int) -> Sequence[int]:
        """At most so many: first those that were pushed."""
        if not self._heap:
            taken, self._range = self._range[:limit], self._range[limit:]
            return taken
        return [heapq.heappop(self._heap)[1] for _ in range(min(limit, len(self._heap)))]

    def soon(self, limit: int) -> list[int]:
        """About the next that `pop` will give; nothing is taken."""
        pushed = [index for _, index in self._heap[:limit]]
        return [*pushed, *self._range[: limit - len(pushed)]]

    def clear(self) -> None:
        """Nothing may start any more."""
        self._range = range(0)
        self._heap.clear()


class Turns:
    """The nodes from which something may be taken now, by urgency."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._queued: set[int] = set()
        self._heap: list[tuple[tuple[bool, float, int], int]] = []

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, number: int) -> bool:
        return number in self._open

    def add(self, number: int, urgency: tuple[bool, float, int]) -> None:
        """A node has something; lower urgency goes first, and it is the same each time."""
        self._open.add(number)
        if number not in self._queued:
            self._queued.add(number)
            heapq.heappush(self._heap, (urgency, number))

    def remove(self, number: int) -> None:
        """A node has nothing at present; its place in the queue is given up once it is first."""
        self._open.discard(number)

    def first(self) -> int:
        """The most urgent node; there must be one."""
        while self._heap[0][1] not in self._open:
            self._queued.discard(heapq.heappop(self._heap)[1])
        return self._heap[0][1]
