"""Messages to an executor from the scheduler, workers and Dask's thread: one record a kind.

Dask carries plain data only, so that a message travels as a dict with its kind, by `written` and
`read`. Touches no library; made on the scheduler, on workers and on the driver.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerDescription:
    """A worker.

    Attributes:
        address: The address it listens on.
        name: Its name on Dask's dashboard.
        nanny: Whether a nanny can end its process.
        memory_limit: Bytes it may use; 0 for no limit.
    """

    address: str
    name: str
    threads: int
    resources: Mapping[str, float]
    nanny: bool
    memory_limit: int


@dataclass(frozen=True, slots=True)
class WorkersJoined:
    """Workers have come."""

    workers: tuple[WorkerDescription, ...]


@dataclass(frozen=True, slots=True)
class WorkerLeft:
    """A worker has gone, in whatever way."""

    worker: str


@dataclass(frozen=True, slots=True)
class WorkerOutOfMemory:
    """A worker is ended by its nanny, since it has used more memory than it may."""

    worker: str


@dataclass(frozen=True, slots=True)
class CallBegan:
    """A call of a batch begins.

    Attributes:
        number: The batch's number.
        position: The call's position in it.
        alone: Whether no other call runs on the worker meanwhile.
        worker: The worker's address.
    """

    number: int
    position: int
    alone: bool
    worker: str


@dataclass(frozen=True, slots=True)
class BatchLost:
    """The result of a batch that had ended well was lost with its worker."""

    number: int


@dataclass(frozen=True, slots=True)
class BatchStuck:
    """No worker may run a batch."""

    number: int


@dataclass(frozen=True, slots=True)
class BatchSpared:
    """The worker of a batch was not ended: its call had just ended, or the scheduler is lost."""

    number: int


@dataclass(frozen=True, slots=True)
class BatchesBegun:
    """The answer of the workers to which of some batches have begun, by their keys."""

    asked: tuple[str, ...]
    begun: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClusterBroken:
    """Something of the cluster fails that the executor needs."""

    problem: str


Message = (
    WorkersJoined
    | WorkerLeft
    | WorkerOutOfMemory
    | CallBegan
    | BatchLost
    | BatchStuck
    | BatchSpared
    | BatchesBegun
    | ClusterBroken
)

_KIND = "kind"

_TRAVELLING: dict[str, type[Any]] = {
    each.__name__: each
    for each in (WorkersJoined, WorkerLeft, WorkerOutOfMemory, CallBegan, BatchLost, BatchStuck)
}
"""The messages that come from the scheduler or a worker, by kind."""


def written(message: Message) -> dict[str, Any]:
    """Return a message as Dask carries it."""
    if isinstance(message, WorkersJoined):
        values: dict[str, Any] = {"workers": [_values(each) for each in message.workers]}
    else:
        values = _values(message)
    return {_KIND: type(message).__name__, **values}


def read(carried: Mapping[str, Any]) -> Message:
    """Return the message that Dask carried."""
    values = {name: value for name, value in carried.items() if name != _KIND}
    kind = _TRAVELLING[carried[_KIND]]
    if kind is WorkersJoined:
        return WorkersJoined(tuple(WorkerDescription(**each) for each in values["workers"]))
    message: Message = kind(**values)
    return message


def _values(record: Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}
