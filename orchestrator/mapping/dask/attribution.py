"""Attribution: the part of the system that ended a batch without results.

This is the only place that sorts Dask's errors, into five causes. Only two of them can be a call's
own fault; the others are the machinery's, and calls are made again.

    CALL        the calls' shared part, or a value they take, cannot be used on a worker
    DEATH       the batch's worker died, perhaps because of one of its calls
    VALUE       a value they take, kept on the cluster, is gone
    SCHEDULER   the scheduler was lost or restarted, and has forgotten everything
    MACHINERY   anything else: a connection that broke, a result that could not be fetched

Touches distributed for its exceptions; takes an exception; gives a `Cause`. Runs on the driver.
"""

from asyncio import CancelledError as AsyncCancelledError
from enum import Enum, auto

from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker

_SCHEDULER_REASONS = frozenset({"scheduler-connection-lost", "scheduler-restart"})
_VALUE_REASON = "lost dependencies"


class NotRunError(Exception):
    """A worker could not carry out a batch, through no fault of its calls."""


class NotFetchedError(Exception):
    """A batch has ended, but its results could not be brought to the driver."""


class Cause(Enum):
    """The part of the system that ended a batch."""

    CALL = auto()
    DEATH = auto()
    VALUE = auto()
    SCHEDULER = auto()
    MACHINERY = auto()


_OF_MACHINERY = (NotRunError, NotFetchedError, OSError, AsyncCancelledError, FutureCancelledError)
"""OSError includes `CommClosedError` and `TimeoutError`."""


def cause_of(error: BaseException, key: str) -> Cause:
    """Attribute the end of a batch.

    Args:
        error: The error in its future, or an error raised while its results were fetched.
        key: The batch's key.
    """
    if isinstance(error, KilledWorker):
        return Cause.DEATH if error.task == key else Cause.VALUE
    if isinstance(error, FutureCancelledError):
        if error.reason in _SCHEDULER_REASONS:
            return Cause.SCHEDULER
        return Cause.VALUE if error.reason == _VALUE_REASON else Cause.MACHINERY
    return Cause.MACHINERY if isinstance(error, _OF_MACHINERY) else Cause.CALL
