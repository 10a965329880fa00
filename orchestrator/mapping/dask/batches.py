"""A batch that is with Dask, and what is to be done with its calls when its worker is gone.

Touches distributed for the name `Future` only; takes and gives `PendingCalls`. Runs on the driver.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from distributed import Future

from orchestrator.mapping.dask.backlog import PendingCalls, suspects
from orchestrator.mapping.dask.worker import LEFT, seconds_between, told_one_by_one
from orchestrator.mapping.execution.executor import Calls

GRACE_SECONDS = 0.5
"""Added to every timeout before a worker is ended: a call that ends in time must get the chance
to say so."""

_MOST_RETURNS = 20


@dataclass(slots=True, kw_only=True)
class Running:
    """A batch that Dask has.

    Attributes:
        work: Its calls.
        future: Dask's word that it will end.
        needs: What must not be let go before it has ended.
        size: Bytes of its arguments.
        cancelled: Instances nobody wants to hear of any more.
        worker: Where its calls have begun; "" while none was told.
        position: The last call told to have begun; None while none was.
        since: When that was told, by the driver's monotonic clock.
        alone: Whether nothing else runs in the worker's process.
        ending: The position of the call that takes too long, for whose sake that process is being
            ended; None while it is not.
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
        """When the call that runs has surely taken too long; None while no call runs."""
        timeout = self.calls.placement.timeout
        if timeout is None or self.ending is not None or not self.in_a_call:
            return None
        return self.since + seconds_between(len(self.calls.indices)) + timeout + GRACE_SECONDS

    @property
    def in_a_call(self) -> bool:
        """Whether one of the calls was told to have begun, and not that all have ended."""
        return self.position is not None and 0 <= self.position < len(self.calls.indices)

    def note(self, position: int, worker: str, *, alone: bool, at: float) -> None:
        """A call has begun."""
        self.position, self.worker, self.alone, self.since = position, worker, alone, at

    def spare(self, at: float) -> None:
        """The scheduler knew better: the call had ended. Its time begins anew."""
        self.ending, self.since = None, at


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """What follows from the loss of a worker.

    Attributes:
        again: To be made again.
        culprit: The position of the call that was surely running.
        unclear: Nobody can tell, and it has been tried often enough.
    """

    again: tuple[PendingCalls, ...] = ()
    culprit: int | None = None
    unclear: bool = False


def after_death(running: Running) -> Attribution:
    """A batch's worker died of something: what becomes of its calls?

    Calls of an ordinary batch become suspects, since nobody knows which of them were running. A
    batch of suspects runs alone and tells its calls, so it is known how far it came.
    """
    calls, position = running.calls, running.position
    if not calls.suspect:
        return Attribution(again=(suspects(calls),))
    if position in {None, LEFT} or not running.alone:
        return put_back(running)
    if not running.in_a_call:  # it died of unpickling arguments, or of pickling results
        if len(calls.indices) == 1:
            return Attribution(culprit=0)
        return Attribution(again=(PendingCalls(calls, size=1),))
    return _around(calls, position)


def after_timeout(running: Running, *, alone: bool) -> Attribution:
    """A call took too long and its worker is to be ended: which one, and what about the others?

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
    """The batch's worker was ended for the sake of another batch, or before it had begun.

    It goes back as it was, though not for ever, or, if it has begun, as suspect as the other.
    """
    if running.in_a_call and not running.calls.suspect:
        return Attribution(again=(suspects(running.calls),))
    return returned(running)


def returned(running: Running) -> Attribution:
    """The batch goes back as it was, though not for ever."""
    work = running.work
    if work.returns >= _MOST_RETURNS:
        return Attribution(unclear=True)
    return Attribution(again=(replace(work, returns=work.returns + 1),))


def _around(calls: Calls, position: int) -> Attribution:
    """Those before the position are innocent. It is the culprit, or the first of some suspects."""
    innocent = PendingCalls(replace(calls.part(slice(position)), suspect=False))
    if not told_one_by_one(len(calls.indices)):
        return Attribution(again=(innocent, suspects(calls.part(slice(position, None)))))
    others = PendingCalls(calls.part(slice(position + 1, None)), size=1 if calls.suspect else None)
    return Attribution(again=(innocent, others), culprit=position)
