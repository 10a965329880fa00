"""What runs on Dask workers: a batch of calls, and how its results are split.

Touches distributed; takes a `Batch` with its `Parcel`; gives a `Ran`. Nothing here runs on the
driver.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from distributed import get_worker

from orchestrator.mapping.calling import Failure, Performed, failure_of, perform
from orchestrator.mapping.dask_packing import LARGE, pack_result, unpack


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the calls of a node share.

    Attributes:
        function: What to call.
        constants: Arguments equal for all calls.
        retry_on: Exceptions after which another attempt may be made.
    """

    function: Callable[..., Any]
    constants: Mapping[str, Any]
    retry_on: tuple[type[BaseException], ...]


class Parcel:
    """A node's `Order`, pickled once on the driver and opened once on each worker.

    Args:
        blob: The pickled order.
    """

    def __init__(self, blob: bytes) -> None:
        self._blob = blob

    def open(self, kept: Sequence[Any]) -> Order:
        """The order; `kept` are the values left out of it."""
        return unpack(self._blob, kept) if kept else self._opened

    @cached_property
    def _opened(self) -> Order:
        order: Order = unpack(self._blob, ())
        return order

    def __reduce__(self) -> tuple[Any, ...]:
        """Small ones are shared within a worker, so that they are opened once there."""
        return (_shared if len(self._blob) <= LARGE else Parcel), (self._blob,)


@lru_cache(maxsize=16)
def _shared(blob: bytes) -> Parcel:
    return Parcel(blob)


def deliver(parcel: Parcel) -> Parcel:
    """A large parcel as a task of its own: Dask brings its result to every worker that needs it."""
    return parcel


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some calls of one node.

    Attributes:
        name: The node's name, for messages.
        columns: Pickled arguments by name, one value a call.
        count: How many calls.
    """

    name: str
    columns: bytes
    count: int


@dataclass(slots=True, kw_only=True)
class Ran:
    """How a batch ended, ready for the driver.

    Attributes:
        performed: Without values.
        blobs: Each call's pickled value; None where it failed or is too large.
        worker: Where it ran.
        large: Positions whose values stay on the cluster.
    """

    performed: Performed
    blobs: list[bytes | None]
    worker: str
    large: tuple[int, ...] = ()


@dataclass(slots=True, kw_only=True)
class RanLarge:
    """A batch with values that stay here, by position, and the part that goes to the driver."""

    ran: Ran
    values: dict[int, Any] = field(default_factory=dict)


def run_batch(
    batch: Batch, parcel: Parcel, for_parcel: Sequence[Any], for_columns: Sequence[Any]
) -> Ran | RanLarge:
    """Perform the calls of a batch.

    Args:
        batch: The calls.
        parcel: What they share.
        for_parcel: Kept values inside the parcel.
        for_columns: Kept values inside the columns.
    """
    worker = str(get_worker().address)
    try:
        order = parcel.open(for_parcel)
        columns = unpack(batch.columns, for_columns)
    except Exception as error:  # noqa: BLE001 - whatever unpickling raises fails the calls alone
        return _all_failed(batch, error, worker)
    performed = perform(
        order.function, order.constants, columns, batch.count, retry_on=order.retry_on
    )
    return _split(performed, batch.name, worker)


def _split(performed: Performed, name: str, worker: str) -> Ran | RanLarge:
    """Results pickled for the driver; large ones set apart, bad ones made failures."""
    blobs: list[bytes | None] = []
    large: dict[int, Any] = {}
    for position, value in enumerate(performed.values):
        blob = None
        if position not in performed.failures:
            try:
                blob = pack_result(value)
            except Exception as error:  # noqa: BLE001 - whatever pickling raises
                performed.failures[position] = _unpicklable(value, name, error)
            else:
                if blob is None:
                    large[position] = value
        blobs.append(blob)
    performed.values = []
    ran = Ran(performed=performed, blobs=blobs, worker=worker, large=tuple(large))
    return RanLarge(ran=ran, values=large) if large else ran


def _unpicklable(value: Any, name: str, error: Exception) -> Failure:
    return Failure(
        error=f"{name} returned a {type(value).__name__} that cannot be pickled: {error}; "
        "return plain data, or store it and return its address",
        traceback=failure_of(error).traceback,
    )


def _all_failed(batch: Batch, error: Exception, worker: str) -> Ran:
    """Every call failed alike: its function or its arguments could not be unpickled here."""
    cure = "what pickles must unpickle"
    if isinstance(error, ImportError):
        cure = "install it on the workers too, or define the task in the flow's own file"
    failure = Failure(
        error=f"{batch.name} cannot be unpickled on worker {worker}: "
        f"{type(error).__name__}: {error}; {cure}",
        traceback=failure_of(error).traceback,
    )
    performed = Performed(failures=dict.fromkeys(range(batch.count), failure))
    now = [0.0] * batch.count
    performed.started.extend(now)
    performed.ended.extend(now)
    return Ran(performed=performed, blobs=[None] * batch.count, worker=worker)


def summary(ran: Ran | RanLarge) -> Ran:
    """The part of a batch's result that goes to the driver."""
    return ran.ran if isinstance(ran, RanLarge) else ran


def take(ran: RanLarge, position: int) -> Any:
    """One large value, as Dask data of its own."""
    return ran.values[position]
