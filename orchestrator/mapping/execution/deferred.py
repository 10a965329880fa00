"""The executor that connects to a cluster only when the first call needs one.

A flow run that recalls every result from the record then starts no cluster at all. Touches no
library; carries out `Calls` by the executor it makes; runs on the driver.
"""

from collections.abc import Callable, Sequence

from orchestrator.mapping.execution.executor import Calls, Event, Executor

_ROOM = 1_000
"""Calls to look up in the record at once while no cluster can state its room."""


class DeferredExecutor:
    """Makes the real executor at the first `submit`; see `Executor` for the contract.

    Args:
        make: Connects, and makes the executor that carries out the calls.
    """

    def __init__(self, make: Callable[[], Executor]) -> None:
        self._make = make
        self._made: Executor | None = None

    def room(self) -> int:
        """The executor's own room; without an executor, enough to look up results in bulk."""
        return _ROOM if self._made is None else self._made.room()

    def submit(self, calls: Calls) -> None:
        """Connect if this is the first call, and pass the calls on."""
        if self._made is None:
            self._made = self._make()
        self._made.submit(calls)

    def wait(self, timeout: float | None) -> Sequence[Event]:
        """The executor's events; none before the first call."""
        return () if self._made is None else self._made.wait(timeout)

    def cancel(self, node: int, indices: Sequence[int]) -> None:
        """Cancel these calls."""
        if self._made is not None:
            self._made.cancel(node, indices)

    def withdraw(self) -> None:
        """Withdraw the calls that have not begun."""
        if self._made is not None:
            self._made.withdraw()

    def close(self) -> None:
        """Close the executor, if there is one."""
        if self._made is not None:
            self._made.close()
