"""The work that executors of this process have in flight, for a cluster that grows with it.

Calls wait in the driver, where Dask does not see them. A cluster that can grow has a `Demand` as
its attribute `demand`. Executors report their calls there, and the cluster asks how many threads
they are worth.

Touches no library; takes counts and seconds; gives a number of threads. Written by the thread that
drives a flow, read by Dask's.
"""

import time
from dataclasses import dataclass
from math import ceil
from typing import Any

THREAD_SECONDS = 2.0
"""The work that is worth a thread: a worker takes about as long to start. Executors have up to
twice as much in flight per thread, so a long map doubles the cluster until it is large enough."""


@dataclass(frozen=True, slots=True)
class _InFlight:
    """The calls that an executor has in flight, for any worker.

    Attributes:
        calls: The number of calls.
        seconds: The time each takes, as far as it is known.
        ended: The number of batches that have ended.
        since: When the last of them ended, by the monotonic clock; all calls since take longer.
    """

    calls: int
    seconds: float
    ended: int
    since: float

    def threads(self, now: float) -> int:
        """The number of threads the calls are worth."""
        each = max(self.seconds, now - self.since)
        return min(self.calls, ceil(self.calls * each / THREAD_SECONDS))


class Demand:
    """The work that all executors on one cluster have in flight."""

    def __init__(self) -> None:
        self._reported: dict[int, _InFlight] = {}

    def report(self, executor: int, *, calls: int, seconds: float, ended: int) -> None:
        """Note what an executor has in flight.

        Args:
            executor: The executor's number.
            calls: The number of its calls that any worker may run.
            seconds: The time each takes; 0 while it is not known.
            ended: The number of batches that have ended so far.
        """
        before, since = self._reported.get(executor), time.monotonic()
        if before is not None and before.calls and before.ended == ended:
            since = before.since
        self._reported[executor] = _InFlight(calls, seconds, ended, since)

    def forget(self, executor: int) -> None:
        """Note that an executor is closed."""
        self._reported.pop(executor, None)

    def threads(self) -> int:
        """The number of threads all the work is worth."""
        now = time.monotonic()
        return sum(in_flight.threads(now) for in_flight in list(self._reported.values()))


def demand_on(cluster: Any) -> Demand | None:
    """The demand on a client's cluster; None where the cluster does not grow with it."""
    found = getattr(cluster, "demand", None)
    return found if isinstance(found, Demand) else None
