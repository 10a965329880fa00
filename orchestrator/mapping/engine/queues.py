"""The order of starts: queues of a node's instances, and of nodes.

Touches no library; pure; runs on the driver.
"""

import heapq
from collections.abc import Sequence


class Ready:
    """Instances of one node that may start: a range not begun yet, and single ones by priority.

    A product of a billion is a range, so it costs nothing until instances are taken.
    """

    def __init__(self) -> None:
        self._range = range(0)
        self._heap: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._range) + len(self._heap)

    def open(self, count: int) -> None:
        """Let the first `count` instances start, in order."""
        self._range = range(count)

    def push(self, index: int, priority: float = 0.0) -> None:
        """Let one more start; of equal priority, the one that comes first in the map."""
        heapq.heappush(self._heap, (-priority, index))

    def pop(self, limit: int) -> Sequence[int]:
        """Take at most `limit` instances, pushed ones first."""
        if not self._heap:
            taken, self._range = self._range[:limit], self._range[limit:]
            return taken
        return [heapq.heappop(self._heap)[1] for _ in range(min(limit, len(self._heap)))]

    def soon(self, limit: int) -> list[int]:
        """Approximately the next instances that `pop` will give; none is taken."""
        pushed = [index for _, index in self._heap[:limit]]
        return [*pushed, *self._range[: limit - len(pushed)]]

    def clear(self) -> None:
        """Remove all: nothing may start any more."""
        self._range = range(0)
        self._heap.clear()


class Turns:
    """The nodes from which instances may be taken now, by urgency."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._queued: set[int] = set()
        self._heap: list[tuple[tuple[bool, float, int], int]] = []

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, number: int) -> bool:
        return number in self._open

    def add(self, number: int, urgency: tuple[bool, float, int]) -> None:
        """Add a node; lower urgency goes first, and must be the same each time."""
        self._open.add(number)
        if number not in self._queued:
            self._queued.add(number)
            heapq.heappush(self._heap, (urgency, number))

    def remove(self, number: int) -> None:
        """Remove a node for now; its entry in the queue is dropped once it is first."""
        self._open.discard(number)

    def first(self) -> int:
        """The most urgent node; there must be one."""
        while self._heap[0][1] not in self._open:
            self._queued.discard(heapq.heappop(self._heap)[1])
        return self._heap[0][1]
