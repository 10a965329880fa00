"""Packs calls and submits them to Dask; finds the calls that cannot be packed.

Touches dask and distributed; takes `Calls`; gives a future and the objects it needs. Runs on the
driver.
"""

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dask
from distributed import Client, Future

from orchestrator.mapping.dask.batch_merging import shared
from orchestrator.mapping.dask.scheduler import batch_key
from orchestrator.mapping.dask.serialization import KeptValue, Packed, pack
from orchestrator.mapping.dask.worker import Batch, Parcel, SharedCall, deliver, run_batch, take
from orchestrator.mapping.dask.worker_results import LARGE
from orchestrator.mapping.execution.executor import Calls
from orchestrator.mapping.execution.invoke import Failure, failure_of
from orchestrator.user_code import RaisedError, user_code

AT_ONCE = 1_000_000
"""The priority of tasks that only pass on results: they free memory, or the driver waits."""

_LARGE_BATCH = 8 * 1024**2

_PARCELS = 32
"""The number of shared parts that are held ready, large ones on the cluster."""


class CannotTravelError(Exception):
    """Some calls cannot be pickled; has their failures by position."""

    def __init__(self, failures: Mapping[int, Failure]) -> None:
        super().__init__(f"{len(failures)} calls cannot be pickled")
        self.failures = failures


class TooLargeError(Exception):
    """The batch's arguments are so large that they should travel in two halves."""


@dataclass(frozen=True, slots=True)
class _Sent:
    """The packed shared part of calls, which goes with every batch.

    Attributes:
        calls: The calls it was packed for; holding them keeps their objects' ids unique.
    """

    calls: Calls
    parcel: Parcel | Future
    kept: tuple[KeptValue, ...]


@dataclass(frozen=True, slots=True)
class Shipment:
    """A batch given to Dask: its future, what must outlive it, and the bytes of its arguments."""

    future: Future
    needs: tuple[Any, ...]
    size: int


class Sender:
    """Submits batches to Dask.

    Args:
        client: A client of the cluster.
        topic: Names the executor in keys and messages.
    """

    def __init__(self, client: Client, topic: str) -> None:
        self._client, self._topic = client, topic
        self._parcels: OrderedDict[Hashable, _Sent] = OrderedDict()

    def send(self, number: int, calls: Calls, workers: Sequence[str]) -> Shipment:
        """Give a batch to Dask.

        Args:
            number: The batch's number.
            calls: Its calls.
            workers: Addresses of the workers that may run it; empty means any.

        Raises:
            CannotTravelError: Some calls cannot be pickled; nothing was sent.
            TooLargeError: It is better sent in halves; nothing was sent.
        """
        sent = self._parcel(calls)
        columns = _columns(calls)
        if len(columns.blob) > _LARGE_BATCH and len(calls.indices) > 1:
            raise TooLargeError
        placement = calls.placement
        batch = Batch(
            number=number,
            name=calls.name,
            callers=calls.callers,
            columns=columns.blob,
            count=len(calls.indices),
            topic=self._topic,
            suspect=calls.suspect,
            timeout=placement.timeout,
            kept_from=LARGE if placement.kept_from is None else placement.kept_from,
        )
        future = self._submit(
            len(columns.blob),
            run_batch,
            batch,
            sent.parcel,
            [value.future for value in sent.kept],
            [value.future for value in columns.kept],
            key=batch_key(calls.name, self._topic, number),
            priority=placement.priority,
            resources=dict(placement.resources) or None,
            workers=list(workers) or None,
        )
        return Shipment(future, (sent, columns.kept), len(columns.blob))

    def keep(self, batch: Future, position: int) -> KeptValue:
        """A large value of an ended batch, as Dask data of its own."""
        key = f"{batch.key}-value-{position}"
        future = self._client.submit(take, batch, position, key=key, priority=AT_ONCE)
        self._client.loop.add_callback(_outlive, batch, future)
        return KeptValue(future)

    def _parcel(self, calls: Calls) -> _Sent:
        """The calls' shared part, packed when the first of them are sent."""
        name = shared(calls)
        sent = self._parcels.get(name)
        if sent is None:
            packed = _shared(calls)
            parcel: Parcel | Future = Parcel(packed.blob)
            if len(packed.blob) > LARGE:
                key = f"{calls.name}-constants-{self._topic}-{id(packed)}"
                parcel = self._submit(len(packed.blob), deliver, parcel, key=key)
            sent = self._parcels[name] = _Sent(calls, parcel, packed.kept)
        self._parcels.move_to_end(name)
        if len(self._parcels) > _PARCELS:
            self._parcels.popitem(last=False)
        return sent

    def _submit(self, size: int, *args: Any, **options: Any) -> Future:
        """Submit a task in order; Dask keeps the order only on request.

        It warns of graphs over 10 MB, which here are the arguments asked for.
        """
        name = "distributed.admin.large-graph-warning-threshold"
        options |= {"pure": False, "fifo_timeout": 0}
        if size < _LARGE_BATCH:
            return self._client.submit(*args, **options)
        with dask.config.set({name: 2 * size}):
            return self._client.submit(*args, **options)


async def _outlive(batch: Future, value: Future) -> None:
    """In Dask's thread: hold a batch until the value taken from it stands on its own."""
    await value.exception()
    del batch


def _shared(calls: Calls) -> Packed:
    order = SharedCall(
        function=calls.function, constants=dict(calls.constants), retry_on=calls.retry_on
    )
    try:
        with user_code():
            return pack(order, calls.function)
    except RaisedError as error:
        shared = {"the function": calls.function, **calls.constants}
        failure = _unpicklable(calls, shared, error)
        raise CannotTravelError(dict.fromkeys(range(len(calls.indices)), failure)) from error


def _columns(calls: Calls) -> Packed:
    try:
        with user_code():
            return pack(dict(calls.columns), calls.function)
    except RaisedError as error:
        raise CannotTravelError(_unpicklable_calls(calls, error)) from error


def _unpicklable_calls(calls: Calls, error: RaisedError) -> dict[int, Failure]:
    """The calls whose arguments cannot be pickled; all calls, if no single ones can be found."""
    failures: dict[int, Failure] = {}
    for position in range(len(calls.indices)):
        arguments = {name: values[position] for name, values in calls.columns.items()}
        try:
            with user_code():
                pack(arguments, calls.function)
        except RaisedError as own_error:
            failures[position] = _unpicklable(calls, arguments, own_error)
    every = range(len(calls.indices))
    return failures or dict.fromkeys(every, _unpicklable(calls, calls.columns, error))


def _unpicklable(calls: Calls, arguments: Mapping[str, Any], error: RaisedError) -> Failure:
    """The failure that names the argument; Python's message names only the object inside it."""
    guilty = ", ".join(name for name, value in arguments.items() if _is_bad(value, calls))
    return Failure(
        error=f"{calls.name}: {guilty or 'its arguments'} cannot be pickled for a worker: "
        f"{error}; pass plain data, or open inside the task what cannot "
        "travel",
        traceback=failure_of(error).traceback,
    )


def _is_bad(value: Any, calls: Calls) -> bool:
    try:
        with user_code():
            pack(value, calls.function)
    except RaisedError:
        return True
    return False
