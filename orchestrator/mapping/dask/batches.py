"""A batch that is with Dask, and the handling of its calls when its worker is gone.

Touches distributed for the name `Future` only; takes and gives `PendingCalls`. Runs on the driver.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from distributed import Future

from orchestrator.mapping.dask.backlog import PendingCalls, suspects
from orchestrator.mapping.dask.worker import LEFT, reports_each_call, seconds_between
from orchestrator.mapping.execution.executor import Calls

GRACE_SECONDS = 0.5
"""Added to every timeout before a worker is ended, so that a call that ends in time can report
it."""

_MOST_RETURNS = 20


@dataclass(slots=True, kw_only=True)
class Running:
    """A batch that Dask has.

    Attributes:
        work: Its calls.
        future: Dask's future for its result.
        needs: Objects that must not be released before it has ended.
        size: Bytes of its arguments.
        cancelled: Cancelled instances, whose ends are not reported.
        worker: The worker that reported a begun call; "" before the first report.
        position: The last call reported to have begun; None before the first report.
        since: The time of that report, by the driver's monotonic clock.
        alone: Whether nothing else runs in the worker's process.
        ending: The position of the overdue call because of which that process is being ended;
            None while it is not.
    """

    work: PendingCalls
    future: Future
    needs: tuple[Any, ...]
    size: int
    cancelled: set[int] = field(default_factory=set)
    worker: str = ""
    position: int | None = None
    since: float = 0.0
    alone: bool = False
    ending: int | None = None

    @property
    def calls(self) -> Calls:
        """The calls."""
        return self.work.calls

    @property
    def deadline(self) -> float | None:
        """The time after which the running call is certainly overdue; None while no call runs."""
        timeout = self.calls.placement.timeout
        if timeout is None or self.ending is not None or not self.in_a_call:
            return None
        return self.since + seconds_between(len(self.calls.indices)) + timeout + GRACE_SECONDS

    @property
    def in_a_call(self) -> bool:
        """Whether a call was reported to have begun, and the end of all was not."""
        return self.position is not None and 0 <= self.position < len(self.calls.indices)

    def note(self, position: int, worker: str, *, alone: bool, at: float) -> None:
        """Note that a call has begun."""
        self.position, self.worker, self.alone, self.since = position, worker, alone, at

    def spare(self, at: float) -> None:
        """Restart the timeout: the scheduler knew that the call had ended."""
        self.ending, self.since = None, at


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """The consequences of losing a worker.

    Attributes:
        again: Calls to make again.
        culprit: The position of the call that was surely running.
        unclear: Whether the culprit is unknown after enough tries.
    """

    again: tuple[PendingCalls, ...] = ()
    culprit: int | None = None
    unclear: bool = False


def after_death(running: Running) -> Attribution:
    """Decide on the calls of a batch whose worker died.

    Calls of an ordinary batch become suspects, since it is unknown which of them were running. A
    batch of suspects runs alone and reports each call, so its progress is known.
    """
    calls, position = running.calls, running.position
    if not calls.suspect:
        return Attribution(again=(suspects(calls),))
    if position in {None, LEFT} or not running.alone:
        return put_back(running)
    if not running.in_a_call:  # it died while unpickling arguments or pickling results
        if len(calls.indices) == 1:
            return Attribution(culprit=0)
        return Attribution(again=(PendingCalls(calls, size=1),))
    return _around(calls, position)


def after_timeout(running: Running, *, alone: bool) -> Attribution:
    """Decide on the calls of a batch whose worker is to be ended since a call took too long.

    Args:
        running: The batch whose call it is.
        alone: Whether nothing else can have run in that process. If something did, it may have
            held Python's lock and been what kept this call: both shall run again, alone. They also
            run again when the call ended after all while its worker was being ended.
    """
    if not alone or running.ending is None or running.ending != running.position:
        return put_back(running)
    return _around(running.calls, running.ending)


def put_back(running: Running) -> Attribution:
    """The batch's worker was ended because of another batch, or before this one had begun.

    It goes back unchanged, a limited number of times, or, if it has begun, as a suspect.
    """
    if running.in_a_call and not running.calls.suspect:
        return Attribution(again=(suspects(running.calls),))
    return returned(running)


def returned(running: Running) -> Attribution:
    """Return the batch to the backlog unchanged, a limited number of times."""
    work = running.work
    if work.returns >= _MOST_RETURNS:
        return Attribution(unclear=True)
    return Attribution(again=(replace(work, returns=work.returns + 1),))


def _around(calls: Calls, position: int) -> Attribution:
    """Split at a position: earlier calls are innocent, this one is the culprit or a suspect."""
    innocent = PendingCalls(replace(calls.part(slice(position)), suspect=False))
    if not reports_each_call(len(calls.indices)):
        return Attribution(again=(innocent, suspects(calls.part(slice(position, None)))))
    others = PendingCalls(calls.part(slice(position + 1, None)), size=1 if calls.suspect else None)
    return Attribution(again=(innocent, others), culprit=position)
