"""The information a running task has about itself: `from orchestrator import context`.

Touches tempfile for the scratch folder; takes the attempt that runs; gives its names; runs wherever
tasks run. One attempt at a time is current in each thread, and in the threads that it starts.
"""

import logging
import shutil
import tempfile
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.mapping.execution.attempt_log import BoundedText


class Attempt:
    """One attempt of an instance, while it runs.

    Args:
        flow_run, node, key, number: Its names; `number` counts attempts from 1.
        limit: Bytes of its output that are kept; None where its output is not captured.
        scratch_in: The folder for its scratch folder; None for the system's own.

    Attributes:
        is_untouched: Whether only its thread knows of it, and it has left no trace.
    """

    __slots__ = (
        *("_limit", "_scratch", "_scratch_in", "_warned"),
        *("flow_run", "is_untouched", "key", "node", "number", "output"),
    )

    def __init__(
        self,
        flow_run: str,
        node: str,
        key: str,
        number: int,
        *,
        limit: int | None = None,
        scratch_in: str | None = None,
    ) -> None:
        self.flow_run, self.node, self.key, self.number = flow_run, node, key, number
        self._limit, self._scratch_in = limit, scratch_in
        self._scratch: Path | None = None
        self._warned: set[Hashable] | None = None
        self.is_untouched = True
        self.output: BoundedText | None = None

    def sink(self) -> BoundedText | None:
        """The text that takes its output; None where its output is not captured."""
        if self._limit is None:
            return None
        if self.output is None:
            self.output, self.is_untouched = BoundedText(self._limit), False
        return self.output

    def end_capture(self) -> None:
        """End the capture of its output."""
        self._limit, self.is_untouched = None, False

    def is_new(self, *warning: Hashable) -> bool:
        """Whether it gives this warning for the first time."""
        self._warned = self._warned or set()
        known = len(self._warned)
        self._warned.add(warning)
        return len(self._warned) > known

    def scratch(self) -> Path:
        """A folder of its own, made on first use."""
        if self._scratch is None:
            self.is_untouched = False
            self._scratch = Path(tempfile.mkdtemp(prefix="scratch-", dir=self._scratch_in))
        return self._scratch

    def end(self) -> None:
        """End its capture and remove its scratch folder."""
        self.end_capture()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)


CURRENT: ContextVar[Attempt | None] = ContextVar("attempt", default=None)
"""The attempt that runs here."""

_LOGGER = logging.getLogger("orchestrator.task")
_LOGGER.setLevel(logging.INFO)


class Context:
    """The information a running task has about itself; the one instance is `orchestrator.context`.

    Every attribute raises `UsageError` where no task runs. A test of a task's function can provide
    the attributes by `stand_in`.
    """

    @property
    def key(self) -> str:
        """The instance's key, such as `acme/tree`; "" for a plain call."""
        return _current("key").key

    @property
    def node(self) -> str:
        """The node's name in the flow, such as `evaluate`."""
        return _current("node").node

    @property
    def flow_run(self) -> str:
        """The flow run's id."""
        return _current("flow_run").flow_run

    @property
    def attempt(self) -> int:
        """The number of the attempt: 1, and one more with every retry."""
        return _current("attempt").number

    @property
    def scratch(self) -> Path:
        """An empty folder of this attempt's own, which is removed when the attempt has ended."""
        return _current("scratch").scratch()

    @property
    def logger(self) -> logging.Logger:
        """A logger; its records from INFO up are kept with the task's prints."""
        _current("logger")
        return _LOGGER

    @contextmanager
    def stand_in(
        self, key: str = "", *, node: str = "task", flow_run: str = "test", attempt: int = 1
    ) -> Iterator[None]:
        """Make code see the context of such a task, for tests, while this lasts.

        Args:
            key: The instance's key.
            node: The node's name.
            flow_run: The flow run's id.
            attempt: The number of the attempt.
        """
        here = Attempt(flow_run, node, key, attempt)
        token = CURRENT.set(here)
        try:
            yield
        finally:
            CURRENT.reset(token)
            here.end()


context = Context()


def _current(wanted: str) -> Attempt:
    found = CURRENT.get()
    if found is None:
        raise UsageError(
            f"context.{wanted} is known only while a task runs, in the task's own code; in a test "
            "use `with context.stand_in(key=...):`"
        )
    return found
