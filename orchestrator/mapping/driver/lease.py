"""The right to be a flow's one driver, which a ledger gives and a plain recorder does not.

Touches no library; takes a ledger; gives its recorder; runs on the driver.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, runtime_checkable

from orchestrator.mapping.driver.recorder import Recorder
from orchestrator.records import FlowRun

Stop = Callable[[], bool]
"""Asked whether to stop."""


class Held(Protocol):
    """A lease that is held."""

    def guarded(self, stop: Stop | None) -> Stop:
        """Return the question whether to stop; it raises `LeaseLostError` once the lease is lost.

        Args:
            stop: Another question whether to stop.
        """
        ...


@runtime_checkable
class LeasedLedger(Protocol):
    """A ledger that several drivers may share, one for each flow at a time.

    The contract: while the context of `holding` lasts, every other call of it for the same flow, in
    any process, raises `HeldError`, and recorders of a holder who lost the lease raise
    `LeaseLostError` instead of writing.
    """

    def holding(
        self, flow: str, flow_run: str = "", *, force: bool = False, say: Callable[[str], None]
    ) -> AbstractContextManager[Held]:
        """Be the one driver of a flow while the context lasts."""
        ...

    def recorder(self) -> Recorder:
        """Return a recorder that writes to this ledger."""
        ...


@contextmanager
def driving(
    ledger: Recorder | LeasedLedger | None,
    flow_run: FlowRun,
    stop: Stop | None,
    *,
    force: bool,
    say: Callable[[str], None],
) -> Iterator[tuple[Recorder | None, Stop | None]]:
    """Be the flow's one driver, where the ledger has leases; give its recorder and when to stop.

    Args:
        ledger: Records the flow run.
        flow_run: The flow run to drive.
        stop: Asked whether to stop.
        force: Take the place of another driver.
        say: Called with a sentence where another driver's lease has to be watched.

    Raises:
        HeldError: Another driver runs the flow.
    """
    if ledger is None or not isinstance(ledger, LeasedLedger):
        yield ledger, stop
        return
    with ledger.holding(flow_run.flow, flow_run.id, force=force, say=say) as held:
        yield ledger.recorder(), held.guarded(stop)
