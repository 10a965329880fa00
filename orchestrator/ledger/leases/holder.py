"""A lease during a driver's work: taken, renewed by a thread, released.

Touches SQLAlchemy, which it only imports; takes an open ledger's database; gives `Hold`; runs on
the driver, its heartbeats in a thread of their own.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

from orchestrator.errors import HeldError, LeaseLostError, MachineryError
from orchestrator.ledger.database import Database
from orchestrator.ledger.leases.leases import LASTS, Clock, Lease, Leases, require_own

logger = logging.getLogger(__name__)

_BEATS_WHILE_IT_LASTS = 6
_LOOKS_WHILE_WATCHED = 20


class Hold:
    """A lease that is held: renewed until it is released or lost.

    Args:
        leases: The leases of the ledger.
        lease: The lease, just taken.
        clock: The source of time.
    """

    def __init__(self, leases: Leases, lease: Lease, clock: Clock) -> None:
        # Late, since only drivers need it. While one thread imports it, as MLflow or a loader does,
        # SQLAlchemy finds half of it in the statements of the others, and they fail.
        import sqlalchemy.orm  # noqa: F401

        self._leases, self._lease, self._clock = leases, lease, clock
        self._lost: LeaseLostError | None = None
        self._over = Event()
        self._thread = Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def require(self) -> None:
        """Raise unless the lease is still held.

        Raises:
            LeaseLostError: Another driver has it.
        """
        if self._lost is not None:
            raise self._lost

    def guarded(self, stop: Callable[[], bool] | None) -> Callable[[], bool]:
        """A `stop` function that raises `LeaseLostError` once the lease is lost."""

        def stop_or_lost() -> bool:
            self.require()
            return stop is not None and stop()

        return stop_or_lost

    def end(self) -> None:
        """Release it."""
        self._over.set()
        self._thread.join()
        try:
            self._leases.release(self._lease)
        except LeaseLostError:
            pass  # another driver has it, which `require` or a write has already reported
        except MachineryError as error:
            logger.warning("the lease of %r expires by itself: %s", self._lease.flow, error)

    def _beat(self) -> None:
        while not self._over.wait(self._lease.lasts / _BEATS_WHILE_IT_LASTS):
            try:
                self._lease = self._leases.beat(self._lease, self._clock.now())
            except LeaseLostError as error:
                self._lost = error
                return
            except MachineryError as error:
                logger.warning("no heartbeat could be written, trying again: %s", error)


@contextmanager
def holding(
    database: Database,
    flow: str,
    flow_run: str = "",
    *,
    force: bool = False,
    say: Callable[[str], None] = lambda _: None,
    clock: Clock | None = None,
    lasts: float = LASTS,
) -> Iterator[Hold]:
    """Be the one driver of a flow; the database then refuses writes once the lease is lost.

    Args:
        database: The ledger's.
        flow: The flow's name; an experiment's flow has the experiment's name.
        flow_run: The flow run to drive; "" for other commands that write.
        force: Whether to take it from a driver that may still be alive.
        say: Receives a message if a lease has to be watched, which takes as long as it lasts.
        clock: The source of time.
        lasts: Seconds without a heartbeat after which others may take it.

    Raises:
        HeldError: Another driver is at work.
    """
    clock = clock or Clock()
    leases = Leases(database)
    now = clock.now()
    lease = Lease(flow=flow, flow_run=flow_run, taken=now, beaten=now, lasts=lasts)
    _take(leases, lease, force=force, say=say, clock=clock)
    database.guard = lambda connection: require_own(connection, lease)
    hold = Hold(leases, lease, clock)
    try:
        yield hold
    finally:
        hold.end()
        database.guard = None


def _take(
    leases: Leases, lease: Lease, *, force: bool, say: Callable[[str], None], clock: Clock
) -> None:
    while True:
        other = leases.of(lease.flow)
        if other is not None and not force:
            other = _seen_dead(leases, other, say, clock)
        if leases.take(lease, after=other):
            return


def _seen_dead(leases: Leases, other: Lease, say: Callable[[str], None], clock: Clock) -> Lease:
    """The lease that a dead driver left.

    Raises:
        HeldError: Its driver is alive, or may be.
    """
    if other.is_of_dead_process():
        return other
    if other.is_fresh(clock.now()):
        raise _held(other, clock.now())
    say(
        f"{_driver(other)} last renewed its lease at {_moment(other.beaten)} by its clock: "
        f"watching for {other.lasts:g} s whether it is alive"
    )
    if _beats_while_watched(leases, other, clock):
        raise _held(leases.of(other.flow) or other, clock.now())
    return other


def _beats_while_watched(leases: Leases, other: Lease, clock: Clock) -> bool:
    """Whether a lease is renewed within its duration, by a monotonic clock."""
    until = clock.elapsed() + other.lasts
    while clock.elapsed() < until:
        clock.sleep(other.lasts / _LOOKS_WHILE_WATCHED)
        if leases.of(other.flow) != other:
            return True
    return False


def _held(other: Lease, now: float) -> HeldError:
    left = max(0.0, other.lasts - (now - other.beaten))
    return HeldError(
        f"{other.flow!r} is being driven already: {_driver(other)}, since {_moment(other.taken)}. "
        "Wait for it to end. If it is dead, its lease expires in "
        f"{min(left, other.lasts):.0f} s; --force replaces it at once"
    )


def _driver(lease: Lease) -> str:
    what = f"flow run {lease.flow_run}" if lease.flow_run else "a command that writes"
    return f"{what} on {lease.host}, process {lease.pid}"


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
