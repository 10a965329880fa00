"""Look-ups that may hang, run in parallel with a time limit for each and one for all.

Python cannot end a thread that waits for a network or for a user's function. A look-up that takes
too long is abandoned: another thread replaces the one that is waiting, and neither the caller nor
the end of the process waits for it.

Touches threads; takes functions; gives their results, or `Overdue`; runs on the driver.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """The limits of time for looking up the versions of customers' data.

    Attributes:
        seconds: The seconds that one customer's version may take.
        total_seconds: The seconds that all versions together may take.
        at_once: The number of versions looked up at a time, each in a thread of its own.
        by_address: Whether the version is looked up at the data's address where the loader's module
            has no function `version`; with `false` a worker loads the data and hashes it.
    """

    seconds: float = 30.0
    total_seconds: float = 600.0
    at_once: int = 16
    by_address: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdue:
    """The result of a look-up that was abandoned, with the limit that it exceeded."""

    reason: str


def look_at_all(looks: Sequence[Callable[[], T]], limits: Looks) -> list[T | Overdue]:
    """Call the functions in parallel and return their results, with `Overdue` for slow ones.

    Args:
        looks: Functions that do not raise; they are called in several threads at once.
        limits: The time limits.
    """
    return _Round(looks, limits).results() if looks else []


class _Round(Generic[T]):
    """One call of `look_at_all`: its waiting, running and ended look-ups, shared by its threads."""

    def __init__(self, looks: Sequence[Callable[[], T]], limits: Looks) -> None:
        self._looks = looks
        self._limits = limits
        self._changed = Condition()
        self._waiting = iter(range(len(looks)))
        self._started: dict[int, float] = {}
        self._ended: dict[int, T | Overdue] = {}

    def results(self) -> list[T | Overdue]:
        deadline = time.monotonic() + self._limits.total_seconds
        with self._changed:
            for _ in range(min(self._limits.at_once, len(self._looks))):
                self._start_thread()
            while len(self._ended) < len(self._looks):
                now = time.monotonic()
                if now >= deadline:
                    self._give_up_all()
                    break
                self._give_up_overdue(now)
                if len(self._ended) < len(self._looks):
                    self._changed.wait(max(self._next_limit(deadline) - time.monotonic(), 0))
            return [self._ended[index] for index in range(len(self._looks))]

    def _start_thread(self) -> None:
        Thread(target=self._work, name="look", daemon=True).start()

    def _work(self) -> None:
        """Run one look-up after another until none is waiting, or until one takes too long."""
        while True:
            with self._changed:
                index = next(self._waiting, None)
                if index is None:
                    return
                self._started[index] = time.monotonic()
                self._changed.notify()  # there is a new limit to wait for
            result = self._looks[index]()
            with self._changed:
                if self._started.pop(index, None) is None:
                    return  # it was abandoned, and another thread has replaced this one
                self._ended[index] = result
                self._changed.notify()

    def _next_limit(self, deadline: float) -> float:
        earliest = min(self._started.values(), default=deadline)
        return min(earliest + self._limits.seconds, deadline)

    def _give_up_overdue(self, now: float) -> None:
        limit = self._limits.seconds
        overdue = [index for index, start in self._started.items() if now - start >= limit]
        for index in overdue:
            del self._started[index]
            reason = f"took more than {limit:g} seconds (`versions.seconds`)"
            self._ended[index] = Overdue(reason=reason)
            self._start_thread()

    def _give_up_all(self) -> None:
        self._waiting = iter(())
        self._started.clear()
        limit = self._limits.total_seconds
        reason = (
            f"was not done when the looks at all customers' versions had taken {limit:g} seconds "
            "(`versions.total_seconds`)"
        )
        for index in range(len(self._looks)):
            self._ended.setdefault(index, Overdue(reason=reason))
