"""What runs on the Dask scheduler: telling an executor at once which workers come and go.

Touches distributed; takes the scheduler's own events; gives messages under the executor's topic.

Left alone, Dask runs a task whose worker died on up to three more workers, silently. A call that
kills its worker would take four of them, and every call that waited there, with it. So a batch is
marked when it arrives as if it had used those chances up: the first death ends its future with
`KilledWorker`, and the executor decides what runs again. Once it has ended well, Dask's usual
patience applies to computing it again for the values it left on the cluster.

Nor does Dask tell when a task waits for a worker that has gone, or for a resource nobody has.
"""

from collections.abc import Iterable
from typing import Any

from distributed import Scheduler
from distributed.diagnostics.plugin import SchedulerPlugin


class Watch(SchedulerPlugin):  # type: ignore[misc]  # distributed ships no types
    """Lives on the scheduler for as long as one executor.

    Args:
        topic: Names the executor; under it messages are sent, and its batches' keys contain it.
        client: The id of the client that listens.
    """

    def __init__(self, topic: str, client: str) -> None:
        self.name, self._client = topic, client

    async def start(self, scheduler: Scheduler) -> None:
        """Subscribe the client here and now, so that it misses nothing, and tell who is there."""
        self._scheduler = scheduler
        scheduler.subscribe_topic(self.name, self._client)
        self._joined(scheduler.workers)

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:  # noqa: ARG002 - Dask's
        """A worker has come."""
        self._joined([worker])

    def remove_worker(self, scheduler: Scheduler, worker: str, **_: Any) -> None:
        """A worker has gone, in whatever way."""
        scheduler.log_event(self.name, {"left": worker})

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """The driver has gone, perhaps without a word: nobody listens any more."""
        if client == self._client:
            scheduler.remove_plugin(self.name)

    def update_graph(self, scheduler: Scheduler, *, tasks: Iterable[Any], **_: Any) -> None:
        """Tasks have arrived: the first death of a batch shall be its last."""
        for key in filter(self._is_batch, tasks):
            scheduler.tasks[key].suspicious = scheduler.allowed_failures

    def transition(self, key: Any, _start: str, finish: str, *_: Any, **__: Any) -> None:
        """Two things about batches: they end well, or nobody there may run them (any more)."""
        if finish == "memory" and self._is_batch(key):
            self._scheduler.tasks[key].suspicious = 0
        elif finish == "no-worker" and self._is_batch(key):
            self._scheduler.log_event(self.name, {"stuck": key})

    def _is_batch(self, key: Any) -> bool:
        return isinstance(key, str) and self.name in key

    def _joined(self, addresses: Iterable[str]) -> None:
        workers = [self._scheduler.workers[address] for address in addresses]
        described = {
            ws.address: [str(ws.name), ws.nthreads, dict(ws.resources), bool(ws.nanny)]
            for ws in workers
        }
        self._scheduler.log_event(self.name, {"joined": described})
