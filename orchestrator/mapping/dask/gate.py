"""A gate in each worker process: calls suspected of killing their worker run alone.

Touches no library; used on workers. If a worker with several threads dies, any of the running
calls could otherwise be the culprit.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

ALONE_WITHIN_SECONDS = 300.0
"""Seconds that a suspect waits for the others to end. They may be waiting for it in turn, when a
task runs a flow of its own; then it runs beside them, and no call is blamed."""


class SuspectGate:
    """Lets any number of ordinary batches pass at a time, or a single suspect."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._passing = 0
        self._suspects_waiting = 0
        self._suspect_inside = False

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Run beside other batches; waits while a suspect runs or is waiting to run."""
        with self._changed:
            self._changed.wait_for(
                lambda: not (self._suspect_inside or self._suspects_waiting), ALONE_WITHIN_SECONDS
            )
            self._passing += 1
        try:
            yield
        finally:
            with self._changed:
                self._passing -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Run alone; gives False if others did not end in time."""
        with self._changed:
            self._suspects_waiting += 1
            alone = self._changed.wait_for(
                lambda: not (self._suspect_inside or self._passing), ALONE_WITHIN_SECONDS
            )
            self._suspects_waiting -= 1
            self._suspect_inside = self._suspect_inside or alone
        try:
            yield alone
        finally:
            with self._changed:
                if alone:
                    self._suspect_inside = False
                self._changed.notify_all()


GATE = SuspectGate()
"""The gate of this process, since all its calls die together."""
