"""Groups: the instances that share a limit, the calls that wait for it, and its rate.

Calls that wait are served in turn, those of higher priority first. Whether a rate allows a start
depends on the clock, which the driver loop has: it sets `Group.allowed`.

Touches no library; pure; made by `limits`; runs on the driver.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

_RATE = re.compile(r"\s*([1-9][0-9]{0,5})\s*/\s*(s|min|h|d)\s*")
_SECONDS: Final = {"s": 1.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` starts in any period of `seconds`."""

    count: int
    seconds: float

    @classmethod
    def read(cls, text: object) -> "Rate":
        """Read a rate such as "10/s".

        Raises:
            ValueError: The text is not a rate; the message shows the format.
        """
        found = _RATE.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise ValueError('a number of starts and a unit: "10/s", "100/min", "5000/h" or "9/d"')
        return cls(int(found[1]), _SECONDS[found[2]])


@dataclass(slots=True, eq=False)
class Group:
    """The instances that share a limit.

    Attributes:
        rate: The most starts in a period; None for no limit.
        running: The number of instances that run.
        allowed: The number of starts that the rate still allows now.
        waiting: Calls whose instances only wait for a limit: by priority, in turn.
    """

    rate: Rate | None = None
    running: int = 0
    allowed: float = math.inf
    waiting: dict[float, dict[int, None]] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, self.waiting.values()))

    def wait(self, number: int, priority: float) -> None:
        """Queue a call behind those that wait already."""
        self.waiting.setdefault(priority, {}).setdefault(number)

    def leave(self, number: int, priority: float) -> None:
        """A call no longer waits, or has had its turn."""
        self.waiting.get(priority, {}).pop(number, None)

    def in_turn(self) -> Iterator[int]:
        """The calls that wait, in the order in which they are served."""
        for priority in sorted(self.waiting, reverse=True):
            yield from self.waiting[priority]


class Use(NamedTuple):
    """A limit that a call keeps, and the most instances of the group that may run under it."""

    group: Group
    most: float

    @property
    def room(self) -> float:
        """The number of instances that may still start now."""
        return min(self.most - self.group.running, self.group.allowed)
