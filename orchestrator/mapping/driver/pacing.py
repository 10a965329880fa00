"""Pacing: the clock behind rates. A rate of `10/s` lets 10 instances start in any second.

A start counts when the executor receives the call, at each attempt. A resumed flow run may have
started its last instances just before: it waits as if it had used its whole rate.

Touches no library; takes groups of the engine and times; used by the driver loop; driver.
"""

import time
from collections import deque
from collections.abc import Callable

from orchestrator.mapping.authoring.limit_groups import Group
from orchestrator.mapping.engine.engine import Engine
from orchestrator.mapping.engine.node_state import NodeState


class Pacer:
    """Sets the number of starts that each rate of an engine allows now.

    Args:
        engine: The engine.
        used_until: The time until which an earlier process started instances of this flow run, by
            `clock`; None without such a process.
        clock: The time in seconds; never goes back.
    """

    def __init__(
        self,
        engine: Engine,
        used_until: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._used_until, self._clock = engine, used_until, clock
        self._started: dict[Group, deque[tuple[float, int]]] = {}

    def refresh(self) -> None:
        """Set the starts that are allowed now in the engine."""
        for group in self._engine.rated():
            self._engine.allow(group, self._free(group))

    def started(self, state: NodeState, count: int) -> None:
        """Note that instances of a call start."""
        for use in state.uses:
            if use.group.rate is not None and count:
                self._window(use.group).append((self._clock(), count))

    def seconds_to_next(self) -> float | None:
        """The seconds until a rate allows another start; None where nothing waits for one."""
        rated = self._engine.rated()
        if not rated:
            return None
        now = self._clock()
        waits = [
            self._window(group)[0][0] + group.rate.seconds - now
            for group in rated
            if group.rate is not None and len(group) and group.allowed < 1 and self._window(group)
        ]
        return max(0.0, min(waits)) if waits else None

    def _free(self, group: Group) -> int:
        assert group.rate is not None  # noqa: S101 - the engine's `rated` says so
        window, since = self._window(group), self._clock() - group.rate.seconds
        while window and window[0][0] <= since:
            window.popleft()
        return max(0, group.rate.count - sum(count for _, count in window))

    def _window(self, group: Group) -> deque[tuple[float, int]]:
        """The starts of the last period, oldest first."""
        if group not in self._started:
            window = self._started[group] = deque[tuple[float, int]]()
            if self._used_until is not None and group.rate is not None:
                window.append((self._used_until, group.rate.count))
        return self._started[group]
