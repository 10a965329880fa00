"""The stream: each record reaches every observer, in order, on a thread of the observer's own.

An observer cannot harm or hold up a flow run. One that raises, or is so slow that its queue is
full, is reported once in the log and receives nothing more; one that is not done when the flow run
is over has a few seconds left.

Touches threading; takes records; gives them to observers; runs on the driver.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import Full, Queue
from threading import Event, Thread
from typing import Protocol

from orchestrator import plugins
from orchestrator.errors import ConfigError
from orchestrator.events.occurrences import Occurrence
from orchestrator.user_code import RaisedError, user_code

ENTRY_POINTS = "orchestrator.observers"

logger = logging.getLogger(__name__)

_MOST_WAITING = 10_000
"""Records that wait for one observer."""

_LAST_SECONDS = 5.0
"""For each observer to finish when the flow run is over."""


class EventObserver(Protocol):
    """Whatever wants to know what happens.

    The contract: it is called with one record at a time, in order, on a thread of its own, and may
    take its time. It ignores records it does not know. What it raises ends its part.

    An observer is added by an entry point in the group `orchestrator.observers`, which names a
    function of one argument, or is given to `run` and `resume`.
    """

    def __call__(self, event: Occurrence, /) -> None:
        """Take note of what happened."""
        ...


class Stream:
    """Hands records to observers.

    Args:
        observers: By the names under which their failures are reported.
        most_waiting: The most records that may wait for one of them.
        last_seconds: Seconds that each may take to finish when the stream ends.
    """

    def __init__(
        self,
        observers: Sequence[tuple[str, EventObserver]] = (),
        *,
        most_waiting: int = _MOST_WAITING,
        last_seconds: float = _LAST_SECONDS,
    ) -> None:
        self._desks = [_Desk(name, observer, most_waiting) for name, observer in observers]
        self._last_seconds = last_seconds

    def emit(self, event: Occurrence) -> None:
        """Hand a record to every observer; returns at once."""
        for desk in self._desks:
            desk.take(event)

    def close(self) -> None:
        """Give observers the time to finish."""
        for desk in self._desks:
            desk.close(self._last_seconds)


class _Desk:
    """One observer, its queue and its thread."""

    def __init__(self, name: str, observer: EventObserver, most_waiting: int) -> None:
        self._name, self._observer = name, observer
        self._waiting: Queue[Occurrence | None] = Queue(most_waiting)
        self._dropped = Event()
        self._thread = Thread(target=self._run, name=f"observer {name}", daemon=True)
        self._thread.start()

    def take(self, event: Occurrence) -> None:
        if self._dropped.is_set():
            return
        try:
            self._waiting.put_nowait(event)
        except Full:
            self._drop("is too slow: its queue is full")

    def close(self, seconds: float) -> None:
        if not self._dropped.is_set():
            try:
                self._waiting.put(None, timeout=seconds)
            except Full:
                self._drop("is too slow: its queue is full")
                return
            self._thread.join(seconds)
            if self._thread.is_alive():
                self._drop(f"has not finished within {seconds:g} s")

    def _run(self) -> None:
        while (event := self._waiting.get()) is not None and not self._dropped.is_set():
            try:
                with user_code():
                    self._observer(event)
            except RaisedError as error:
                self._drop(f"raised {error}")

    def _drop(self, why: str) -> None:
        if self._dropped.is_set():
            return
        self._dropped.set()
        logger.warning("the observer %s %s; it receives nothing more", self._name, why)


@contextmanager
def observing(observers: Sequence[EventObserver] = ()) -> Iterator[Stream]:
    """Give a stream to these observers and to those that are installed, for one flow run.

    Args:
        observers: Observers besides those of the group `orchestrator.observers`.
    """
    named = [(getattr(each, "__name__", type(each).__name__), each) for each in observers]
    stream = Stream([*_installed(), *named])
    try:
        yield stream
    finally:
        stream.close()


def _installed() -> Iterator[tuple[str, EventObserver]]:
    for name in plugins.names(ENTRY_POINTS):
        try:
            yield name, plugins.load(ENTRY_POINTS, name, noun="observer", key="observers")
        except ConfigError as error:
            logger.warning("%s", error)
