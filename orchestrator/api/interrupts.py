"""Ctrl-C: once to stop after the running calls have ended, twice to stop at once.

SIGTERM, from systemd or Kubernetes, is treated like Ctrl-C, and so is the end of the grace time.

Touches signal; gives the function `stop` that `Flow.run` and `Experiment.run` call, and an event
for read-only commands; runs in the driver's main thread.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType

from orchestrator.user_code import Handler, Interrupted

EXIT_INTERRUPTED = 130
"""128 + SIGINT, as in shells; also used after SIGTERM."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_TO_WRITE_SECONDS = 5.0
"""The time beyond the grace time in which the driver records and reports what has ended."""


@contextmanager
def stopping_on_interrupt(
    grace: float, say: Callable[[str], None] = lambda _: None
) -> Iterator[Callable[[], bool]]:
    """In the context, the first Ctrl-C (or SIGTERM) makes the yielded function return True.

    The second one raises `Interrupted`, a KeyboardInterrupt, wherever the program is. The end of
    the grace time does the same if the program has not ended by then: a flow in this process
    cannot end while one of its calls runs.

    Args:
        grace: Seconds that running calls have to end after the first interrupt.
        say: Called with a sentence about the effect of an interrupt.
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
        say("stopping at once: `orchestrator resume` continues with what has not ended")
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
    """In the context, Ctrl-C (or SIGTERM) sets the yielded event, and raises nothing.

    A KeyboardInterrupt would be lost if it were raised within a destructor of a library.
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
