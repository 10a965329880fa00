"""The code on the Dask scheduler: it reports at once which workers come and go.

Touches distributed; takes the scheduler's own events; gives messages under the executor's topic.

By default Dask runs a task whose worker died on up to three more workers, silently. A call that
kills its worker would kill four of them, and every call that waited there. So a batch is marked on
arrival as if it had used up those tries: the first death ends its future with `KilledWorker`, and
the executor decides what runs again. Once it has ended well, Dask's usual tries apply to computing
it again for the values it left on the cluster.

Nor does Dask report that a task waits for a worker that has gone, or for a resource no worker has;
and gathering a result from a worker that has just died waits for its connection to time out.
"""

import logging
from collections.abc import Iterable
from typing import Any

from distributed import Scheduler
from distributed.diagnostics.plugin import SchedulerPlugin

from orchestrator.mapping.dask.messages import (
    BatchLost,
    BatchStuck,
    CallBegan,
    WorkerDescription,
    WorkerLeft,
    WorkerOutOfMemory,
    WorkersJoined,
    read,
    written,
)

logger = logging.getLogger(__name__)

_KILL_SECONDS = 1.0
"""Seconds a nanny lets a worker end by itself before it kills it; one that hangs never does."""

_SUMMARY = "-summary"

_MEMORY_TOPIC = "worker-restart-memory"
"""The topic of a nanny's report that it ends a worker for exceeding its memory limit."""


def batch_key(name: str, topic: str, number: int) -> str:
    """The key of a batch: Dask's dashboard shows the part before the topic."""
    return f"{name}-{topic}-{number}"


def summary_key(batch: str) -> str:
    """The key of the part of a batch's result that goes to the driver, where another part stays."""
    return f"{batch}{_SUMMARY}"


def number_of(key: Any, topic: str) -> int | None:
    """The number of the batch a key belongs to; None for other keys."""
    if not isinstance(key, str):
        return None
    name, _, number = key.removesuffix(_SUMMARY).rpartition(f"-{topic}-")
    return int(number) if name and number.isdigit() else None


def is_summary(key: str) -> bool:
    """Whether a batch's key is that of its summary."""
    return key.endswith(_SUMMARY)


class Watch(SchedulerPlugin):  # type: ignore[misc]  # distributed ships no types
    """Lives on the scheduler for as long as one executor.

    Args:
        topic: Names the executor; under it messages are sent.
        client: The id of the client that listens.
    """

    def __init__(self, topic: str, client: str) -> None:
        self.name, self._client = topic, client
        self._began: dict[int, int] = {}

    async def start(self, scheduler: Scheduler) -> None:
        """Subscribe the client at once, before it can miss anything, and report the workers."""
        self._scheduler = scheduler
        scheduler.subscribe_topic(self.name, self._client)
        self._joined(scheduler.workers)

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:  # noqa: ARG002 - Dask's
        """Report a worker that has joined."""
        self._joined([worker])

    def remove_worker(self, scheduler: Scheduler, worker: str, **_: Any) -> None:
        """Report a worker that has left, for any reason."""
        scheduler.log_event(self.name, written(WorkerLeft(worker)))

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """Remove this plugin: the driver, its only listener, has gone, perhaps by a crash."""
        if client == self._client:
            scheduler.remove_plugin(self.name)

    def update_graph(self, scheduler: Scheduler, *, keys: Iterable[Any], **_: Any) -> None:
        """Mark new batches so that their first death ends them."""
        for key in keys:  # not `tasks`: those are what they depend on too
            if number_of(key, self.name) is not None and not is_summary(key):
                scheduler.tasks[key].suspicious = scheduler.allowed_failures

    def transition(self, key: Any, start: str, finish: str, *_: Any, **__: Any) -> None:
        """Handle a batch that ended well, was lost afterwards, or that no worker here may run."""
        number = number_of(key, self.name)
        if number is None:
            return
        if finish == "memory":
            self._scheduler.tasks[key].suspicious = 0
        elif (start, finish) == ("memory", "released"):
            self._scheduler.log_event(self.name, written(BatchLost(number)))
        elif finish == "no-worker":
            self._scheduler.log_event(self.name, written(BatchStuck(number)))
        elif finish in ("released", "forgotten"):
            self._began.pop(number, None)

    def log_event(self, topic: str, msg: Any) -> None:
        """Note a batch's progress when a call begins, and workers that their nannies end."""
        if topic == self.name:
            message = read(msg)
            if isinstance(message, CallBegan):
                self._began[message.number] = message.position
        elif topic == _MEMORY_TOPIC:
            out_of_memory = WorkerOutOfMemory(msg["worker"])
            self._scheduler.log_event(self.name, written(out_of_memory))

    def is_at(self, number: int, position: int) -> bool:
        """Whether a batch's last call to begin is still this one."""
        return self._began.get(number) == position

    def _joined(self, addresses: Iterable[str]) -> None:
        workers = [self._scheduler.workers[address] for address in addresses]
        described = tuple(
            WorkerDescription(
                address=ws.address,
                name=str(ws.name),
                threads=ws.nthreads,
                resources=dict(ws.resources),
                nanny=bool(ws.nanny),
                memory_limit=ws.memory_limit,
            )
            for ws in workers
        )
        self._scheduler.log_event(self.name, written(WorkersJoined(described)))


async def end_worker(
    topic: str, number: int, position: int, key: str, address: str, *, dask_scheduler: Scheduler
) -> bool:
    """End the worker whose call has taken too long, unless that call has just ended.

    The scheduler decides, because it learns first of a batch's end and the next call's begin: the
    driver may have been busy or asleep. The worker's nanny ends its process and starts another; a
    worker without a nanny is removed from the cluster.

    Args:
        topic: The executor's name.
        number: The batch's number.
        position: The call that takes too long.
        key: The batch's key.
        address: The worker that runs it.
        dask_scheduler: Given by Dask.

    Returns:
        Whether the worker was, or is being, ended.
    """
    task, worker = dask_scheduler.tasks.get(key), dask_scheduler.workers.get(address)
    if task is None or worker is None or task.processing_on is not worker:
        return False
    if not dask_scheduler.plugins[topic].is_at(number, position):
        return False
    try:
        if worker.nanny:
            await dask_scheduler.rpc(worker.nanny).kill(timeout=_KILL_SECONDS, reason="timeout")
            return True
    except OSError as error:
        logger.warning("the nanny of %s did not end it: %s", address, error)
    await dask_scheduler.remove_worker(address, stimulus_id=f"timeout-{key}")
    return True
