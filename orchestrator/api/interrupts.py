"""Ctrl-C: once to stop when what runs has ended, twice to stop at once.

SIGTERM, from systemd or Kubernetes, is taken for Ctrl-C, and so is the end of the grace time.

Touches signal; gives the question `stop` that `Flow.run` and `Experiment.run` ask, and an event for
what only looks; runs in the driver's main thread.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

from orchestrator.user_code import Handler, Interrupted

EXIT_INTERRUPTED = 130
"""128 + SIGINT, as shells have it; after SIGTERM as well."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_TO_WRITE_SECONDS = 5.0
"""What the driver has beyond the grace time to write down what ended, and to say so."""


@contextmanager
def stopping_on_interrupt(
    grace: float, say: Callable[[str], None] = lambda _: None
) -> Iterator[Callable[[], bool]]:
    """While it lasts, the first Ctrl-C (or SIGTERM) makes the yielded question answer yes.

    The second one raises `Interrupted`, a KeyboardInterrupt, wherever the program is. So does the
    end of the grace time, should the program not have ended by itself by then, as a flow in this
    process cannot while a call of it runs.

    Args:
        grace: Seconds.
        say: Called with what an interrupt does.
    """
    asked = False

    def first(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        for number in (*_SIGNALS, signal.SIGALRM):
            signal.signal(number, Handler(at_once))
        signal.setitimer(signal.ITIMER_REAL, grace + _TO_WRITE_SECONDS)
        say(f"stopping: waiting at most {grace:g} s for what runs; Ctrl-C again stops at once")

    def at_once(_signal: int, _frame: FrameType | None) -> None:
        say("stopping at once: `orchestrator resume` goes on with what has not ended")
        raise Interrupted

    numbers = (*_SIGNALS, signal.SIGALRM)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in _SIGNALS:
        signal.signal(number, Handler(first))
    try:
        yield lambda: asked
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def told_of_interrupts() -> Iterator[Event]:
    """While it lasts, Ctrl-C (or SIGTERM) sets the yielded event, and raises nothing.

    KeyboardInterrupt is lost where it is raised within a destructor, as libraries have them.
    """
    asked = Event()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        signal.signal(number, Handler(lambda _signal, _frame: asked.set()))
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
