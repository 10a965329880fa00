"""Ctrl-C: once to stop when what runs has ended, twice to stop at once.

Touches signal; gives the question `stop` that `Flow.run` asks; runs in the driver's main thread.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from orchestrator.cli import output

EXIT_INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping_on_interrupt() -> Iterator[Callable[[], bool]]:
    """While it lasts, the first Ctrl-C (or SIGTERM) makes the yielded question answer yes.

    The second one raises KeyboardInterrupt, wherever the program is.
    """
    asked = False

    def first(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        for number in _SIGNALS:
            signal.signal(number, signal.default_int_handler)
        output.say("stopping: waiting for what runs; press Ctrl-C again to stop at once")

    before = {number: signal.signal(number, first) for number in _SIGNALS}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
