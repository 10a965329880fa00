"""A Dask cluster without processes, of which every step is taken by hand.

Used to try orders of events that a real cluster shows once in a thousand runs. It has what the
executor uses of `Client` and `Scheduler`, and keeps their rules: messages from the scheduler arrive
in order, a future with lost data waits until it was computed again, and a client that loses its
scheduler cancels all futures. Scheduler plugin, listener and executor are the real ones.
"""

import asyncio
import pickle
from collections import deque
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import cloudpickle
from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker

from orchestrator.mapping.dask.attribution import NotRunError
from orchestrator.mapping.dask.messages import CallBegan, written
from orchestrator.mapping.dask.serialization import unpack
from orchestrator.mapping.dask.worker import LEFT, LOADING, Ran
from orchestrator.mapping.dask.worker_results import pack_result
from orchestrator.mapping.execution.invoke import perform


class Future:
    """What the client knows of a task."""

    type = Ran

    def __init__(self, client, key):
        self.client, self.key = client, key
        self.status, self.error = "pending", None
        self.done = asyncio.Event()

    def set(self, status, error=None):
        self.status, self.error = status, error
        if status in {"pending", "lost"}:
            self.done.clear()
        else:
            self.done.set()

    async def exception(self):
        await self.done.wait()
        return self.error

    def __await__(self):
        return self._result().__await__()

    async def _result(self):
        while True:
            await self.done.wait()
            if self.error is not None:
                raise self.error
            try:
                return await self.client.fetch(self.key)
            except LookupError:  # its worker is gone: Dask's client asks how the task is
                if self.error is not None:
                    continue  # it was cancelled meanwhile
                self.set("pending")
                self.client.ask_for(self.key)


@dataclass
class Task:
    """What the scheduler knows of one."""

    key: str
    batch: object
    parcel: object
    suspicious: int = 0
    state: str = "waiting"
    worker: str = ""
    result: object = None


class Scheduler:
    """Of one life; another one is made when it is killed."""

    allowed_failures = 3

    def __init__(self, inbox):
        self.inbox = inbox
        self.tasks, self.workers, self.plugins, self.listened = {}, {}, {}, set()

    def subscribe_topic(self, topic, _client):
        self.listened.add(topic)

    def remove_plugin(self, name):
        self.plugins.pop(name, None)

    def log_event(self, topic, message):
        for plugin in list(self.plugins.values()):
            plugin.log_event(topic, message)
        if topic in self.listened:
            self.inbox.append(("event", topic, message))

    def move(self, task, finish):
        start, task.state = task.state, finish
        for plugin in list(self.plugins.values()):
            plugin.transition(task.key, start, finish)

    def add_task(self, task):
        self.tasks[task.key] = task
        for plugin in self.plugins.values():
            plugin.update_graph(self, keys={task.key})

    def add_worker(self, address):
        self.workers[address] = SimpleNamespace(
            address=address, name=address, nthreads=1, resources={}, nanny=True, memory_limit=0
        )
        for plugin in self.plugins.values():
            plugin.add_worker(self, address)

    def remove_worker(self, address):
        gone = self.workers.pop(address)
        for task in [task for task in self.tasks.values() if task.worker == address]:
            task.worker = ""
            if task.state == "memory":
                self.move(task, "released")
                self.inbox.append(("status", task.key, "lost", None))
                self.move(task, "waiting")
            elif task.state == "processing":
                task.suspicious += 1
                if task.suspicious > self.allowed_failures:
                    self.end(task, KilledWorker(task.key, gone, self.allowed_failures))
                else:
                    self.move(task, "waiting")
        for plugin in list(self.plugins.values()):
            plugin.remove_worker(self, address)

    def end(self, task, error=None):
        task.worker = task.worker if error is None else ""
        self.move(task, "memory" if error is None else "erred")
        status = "finished" if error is None else "error"
        self.inbox.append(("status", task.key, status, error))

    def forget(self, key, reason):
        task = self.tasks.pop(key)
        if task.state == "memory":
            self.move(task, "released")
        self.move(task, "forgotten")
        self.inbox.append(("status", key, "cancelled", FutureCancelledError(key, reason)))

    def restart(self):
        self.tasks.clear()
        self.inbox.append(("restart",))


@dataclass
class PretendedCluster:
    """Client, scheduler and workers.

    Attributes:
        kills: Arguments `x` of calls that kill their worker.
        at_work: What each worker has still to do, by address.
        fetches: Results on their way to the driver: key and the answer awaited.
    """

    kills: frozenset[Any]
    loop_of_client: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    inbox: deque[Any] = field(default_factory=deque)
    at_work: dict[str, Any] = field(default_factory=dict)
    fetches: list[Any] = field(default_factory=list)
    status: str = "running"
    asynchronous, cluster, id = False, None, "driver"

    def __post_init__(self):
        self.scheduler = SimpleNamespace(address="tcp://pretended")
        self.scheduler_comm = object()
        self.loop = SimpleNamespace(add_callback=self._call)
        self.there: Any = Scheduler(self.inbox)
        self.made = 0
        self._futures, self._handlers = {}, {}
        self._tasks, self._blamable = [], set()

    # -- what the executor uses ------------------------------------------------------------------

    def subscribe_topic(self, topic, handler):
        self._handlers[topic] = handler

    def unsubscribe_topic(self, topic):
        self._handlers.pop(topic, None)

    def register_plugin(self, plugin, name):
        if self.there is None:
            raise OSError("connection refused")
        plugin = pickle.loads(cloudpickle.dumps(plugin))  # noqa: S301 - our own
        self._run(plugin.start(self.there))
        self.there.plugins[name] = plugin
        self.deliver(len(self.inbox))

    def unregister_scheduler_plugin(self, name):
        if self.there is None:
            raise OSError("connection refused")
        self.there.remove_plugin(name)

    def submit(self, _function, batch, parcel, *_kept, key, **_options):
        future = self._futures[key] = Future(self, key)
        if self.there is not None:
            self.there.add_task(Task(key, batch, parcel))
        return future

    def cancel(self, futures):
        for future in futures:
            self._futures.pop(future.key, None)
            self._run_soon(future.set, "cancelled", FutureCancelledError(future.key, None))
            if self.there is not None and future.key in self.there.tasks:
                self.there.forget(future.key, None)

    async def fetch(self, key):
        answer = self.loop_of_client.create_future()
        self.fetches.append((key, answer))
        return await answer

    # -- steps, in Dask's thread -----------------------------------------------------------------

    def _call(self, function, *arguments):
        async def call():
            return await function(*arguments)

        self._tasks.append(self.loop_of_client.create_task(call()))
        self.turn()

    def _run(self, coroutine):
        return self.loop_of_client.run_until_complete(coroutine)

    def _run_soon(self, function, *arguments):
        self.loop_of_client.call_soon(function, *arguments)
        self.turn()

    def turn(self):
        """Let Dask's thread do all it can."""
        for _ in range(8):
            self.loop_of_client.call_soon(self.loop_of_client.stop)
            self.loop_of_client.run_forever()

    def deliver(self, most=1):
        """The client reads some messages."""
        for _ in range(min(most, len(self.inbox))):
            match self.inbox.popleft():
                case "event", topic, message if topic in self._handlers:
                    self._handlers[topic]((0.0, message))
                case "status", key, status, error if key in self._futures:
                    self._futures[key].set(status, error)
                case ("restart",):
                    self._cancel_all("scheduler-restart")
            self.turn()

    def ask_for(self, key):
        """The scheduler is asked to say once more how a task is."""
        task = self.there and self.there.tasks.get(key)
        if self.there is not None and task is None:
            error = FutureCancelledError(key, None)
            self.inbox.append(("status", key, "cancelled", error))
        elif task and task.state == "memory":
            self.inbox.append(("status", key, "finished", None))

    def answer_fetch(self, error=None):
        """A result arrives, or an error instead; that of a worker that is gone cannot arrive."""
        key, answer = self.fetches.pop(0)
        task = self.there and self.there.tasks.get(key)
        if error is None and task and task.state == "memory":
            answer.set_result(pickle.loads(task.result))  # noqa: S301 - our own
        elif error is None and self.there is not None:
            answer.set_exception(LookupError(key))
        else:
            answer.set_exception(error or OSError("connection lost"))
        self.turn()

    def _cancel_all(self, reason):
        for key, future in self._futures.items():
            future.set("cancelled", FutureCancelledError(key, reason))
        self._futures.clear()
        self.turn()

    def lose_connection(self):
        """The client notices that its scheduler is gone."""
        self.status, self.scheduler_comm = "connecting", None
        self._cancel_all("scheduler-connection-lost")

    def connect(self):
        """The client finds a scheduler at the same address."""
        self.status, self.scheduler_comm = "running", object()

    def close(self):
        """Leave nothing behind."""
        for task in self._tasks:
            task.cancel()
        self.turn()
        self.loop_of_client.close()

    # -- steps of scheduler and workers ----------------------------------------------------------

    def kill_scheduler(self):
        """It is gone, its workers end, and what it had sent and the client not read is lost."""
        self.there = None
        self.at_work.clear()
        self._blamable.clear()
        self.inbox.clear()

    def start_scheduler(self):
        """Another one, at the same address."""
        self.there = Scheduler(self.inbox)

    def restart(self):
        """It forgets all tasks, and its workers drop what they do."""
        self.there.restart()
        self.at_work.clear()
        self._blamable.clear()

    def add_worker(self):
        """Another one joins."""
        self.made += 1
        self.there.add_worker(f"tcp://worker:{self.made}")

    def begin(self, address):
        """A worker takes the task that has waited longest."""
        waiting = [task for task in self.there.tasks.values() if task.state == "waiting"]
        if waiting:
            task = waiting[0]
            task.worker = address
            self.there.move(task, "processing")
            self.at_work[address] = self._steps(task, address)
            self._blamable.discard(address)

    def step(self, address):
        """A worker does the next thing: says that a call begins, makes it, or ends the batch."""
        if next(self.at_work[address], None) is None:
            self.at_work.pop(address, None)

    def kill_worker(self, address):
        """It dies, whatever it does."""
        self.at_work.pop(address, None)
        self._blamable.discard(address)
        self.there.remove_worker(address)

    def fail(self, address):
        """A worker cannot carry out its batch, as when it cannot reach the scheduler just then."""
        del self.at_work[address]
        self._blamable.discard(address)
        for task in list(self.there.tasks.values()):
            if task.worker == address and task.state == "processing":
                self.there.end(task, NotRunError("connection lost"))

    def may_die(self):
        """Workers that run no call that stands alone: such a call would rightly be blamed."""
        return [address for address in self.there.workers if address not in self._blamable]

    def _steps(self, task, address):
        """Yields after each thing a worker does for a batch."""
        batch, order = task.batch, task.parcel.open(())
        columns = unpack(batch.columns, ())

        def tell(position):
            if batch.suspect:
                began = CallBegan(batch.number, position, True, address)
                self.there.log_event(batch.topic, written(began))

        tell(LOADING)
        if batch.suspect:
            self._blamable.add(address)
        yield True
        for position, x in enumerate(columns["x"]):
            tell(position)
            yield True
            if x in self.kills:
                self.kill_worker(address)
                return
        tell(batch.count)
        tell(LEFT)
        self._blamable.discard(address)
        yield True
        performed = perform(order.function, order.constants, columns, batch.count)
        blobs = [pack_result(value) for value in performed.values]
        performed.values = []
        ran = Ran(performed=performed, blobs=blobs, worker=address, seconds=0.01)
        task.result = pickle.dumps(ran)
        if self.there.tasks.get(task.key) is task:  # or nobody wants it any more
            self.there.end(task)
