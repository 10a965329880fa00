"""Reports of batches: values unpickled, cancelled calls left out.

Touches no library; takes a `Ran` and gives a `Ended`. Runs on the driver.
"""

import pickle
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import replace

from orchestrator.mapping.dask.batches import Running
from orchestrator.mapping.dask.serialization import KeptValue
from orchestrator.mapping.dask.worker import Ran
from orchestrator.mapping.execution.executor import Calls, Ended, Event
from orchestrator.mapping.execution.invoke import Failure, Performed, failure_of
from orchestrator.user_code import RaisedError, interruptible, is_of_person


def ran_report(running: Running, ran: Ran, keep: Callable[[int], KeptValue]) -> Ended:
    """The report of a batch that has ended: its values are here, or are kept on the cluster.

    Args:
        running: The batch.
        ran: The result from its worker.
        keep: Gives the address of the large value at a position.
    """
    performed = ran.performed
    performed.values = [None] * len(ran.blobs)
    with interruptible():  # once for a batch: to set a handler takes longer than a small value
        for position, blob in enumerate(ran.blobs):
            if blob is not None:
                try:
                    performed.values[position] = pickle.loads(blob)  # noqa: S301 - our workers'
                except BaseException as error:
                    if is_of_person(error):
                        raise
                    failure = _unreadable(running.calls.name, RaisedError(error))
                    performed.failures[position] = failure
    for position in ran.large:
        performed.values[position] = keep(position)
    return _report(running.calls, performed, ran.worker)


def failed_report(calls: Calls, failures: Mapping[int, Failure]) -> Ended:
    """The report of calls, by position, that failed without having begun."""
    performed = Performed.failed(list(failures.values()))
    return _report(calls.at(list(failures)), performed, "")


def hung_report(running: Running, position: int, failure: Failure) -> Ended:
    """The report of one call of a batch that was ended with its worker."""
    performed = Performed.failed([failure])
    performed.started[0] -= time.monotonic() - running.since
    return _report(running.calls.at([position]), performed, running.worker)


def without(event: Event, indices: Container[int]) -> Event | None:
    """An event without some instances; None if no others remain."""
    wanted = [p for p, index in enumerate(event.indices) if index not in indices]
    if len(wanted) == len(event.indices):
        return event
    if not wanted:
        return None
    left = [event.indices[p] for p in wanted]
    if isinstance(event, Ended):
        return replace(event, indices=left, performed=event.performed.at(wanted))
    return replace(event, indices=left)


def _report(calls: Calls, performed: Performed, worker: str) -> Ended:
    return Ended(node=calls.node, indices=calls.indices, performed=performed, worker=worker)


def _unreadable(name: str, error: RaisedError) -> Failure:
    return Failure(
        error=f"{name}'s result cannot be unpickled here: {error}; "
        "return plain data, or store it and return its address",
        traceback=failure_of(error).traceback,
    )
