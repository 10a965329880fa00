"""The executor that runs everything in this process, one call after the other: for debugging.

Touches no library; performs `Calls`; a breakpoint in a task stops in the user's terminal.
"""

from collections.abc import Sequence

from orchestrator.mapping.execution.capture import CallCapture
from orchestrator.mapping.execution.executor import Calls, Ended, Event
from orchestrator.mapping.execution.invoke import Failure, perform


class InlineExecutor:
    """Performs calls when they are submitted; see `Executor` for the contract.

    A timeout cannot end a call in this process: it is reported as failed once it has returned.
    """

    def __init__(self) -> None:
        self._events: list[Event] = []

    def room(self) -> int:
        """One call at a time, so that an item's next stage need not wait for the rest of a map."""
        return 0 if self._events else 1

    def submit(self, calls: Calls) -> None:
        """Perform the calls now."""
        with CallCapture(calls.callers) as captured:
            performed = perform(
                calls.function,
                calls.constants,
                calls.columns,
                len(calls.indices),
                retry_on=calls.retry_on,
                before_each=captured.begin,
            )
        limit = calls.placement.timeout
        if limit is not None:
            for position in range(len(calls.indices)):
                if performed.ended[position] - performed.started[position] > limit:
                    error = f"timed out after {limit:g} s"
                    performed.failures[position] = Failure(
                        cause="timed_out", error=error, retryable=True
                    )
        performed.said = calls.capture.wanted(captured.said, performed.failures)
        self._events.append(
            Ended(node=calls.node, indices=calls.indices, performed=performed, worker="inline")
        )

    def wait(self, timeout: float | None) -> Sequence[Event]:  # noqa: ARG002 - nothing is under way
        """The results of the calls submitted since the last call."""
        events, self._events = self._events, []
        return events

    def cancel(self, node: int, indices: Sequence[int]) -> None:
        """Do nothing: calls have ended when `submit` returns."""

    def withdraw(self) -> None:
        """Do nothing, for the same reason."""

    def close(self) -> None:
        """Do nothing: it holds nothing."""
