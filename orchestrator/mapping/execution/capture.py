"""Captures tasks' prints, logs and warnings, and assigns them to their instances.

During capture, `sys.stdout`, `sys.stderr`, the root logger and `warnings` pass the output of the
current attempt to its `BoundedText`, and everything else to its former destination. All of them
belong to the process, and several calls run in one: they are changed when the first capture
begins, and restored when the last has ended.

Touches sys, logging, warnings and threading; takes attempts; gives their text; driver and workers.
"""

import logging
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from contextvars import Token
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, Self, TextIO

from orchestrator.mapping.execution.attempt_log import compressed
from orchestrator.mapping.execution.context import CURRENT, Attempt
from orchestrator.mapping.execution.invoke import Failure
from orchestrator.records.logs import Logs
from orchestrator.redaction import redacted

UNKEPT = b""
"""Stands for output of an attempt that is neither kept nor shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCapture:
    """The rule for capturing the output of a flow run's tasks.

    Attributes:
        flow_run: The flow run's id.
        logs: The rule for what the ledger keeps.
        shown: Whether a person wants to see all of it.
        enabled: Whether output is captured; else it goes to its usual destination.
    """

    flow_run: str = ""
    logs: Logs = field(default_factory=Logs)
    shown: bool = False
    enabled: bool = False

    def attempt(self, node: str, key: str, number: int, scratch_in: str | None = None) -> Attempt:
        """Make an attempt that is about to begin."""
        limit = self.logs.bytes if self.enabled else None
        return Attempt(self.flow_run, node, key, number, limit=limit, scratch_in=scratch_in)

    def keeps(self, failure: Failure | None) -> bool:
        """Whether the output of an attempt with this end is kept."""
        if self.logs.keep == "failed":
            return failure is not None and not failure.skipped
        return self.logs.keep == "all"

    def wanted(self, said: dict[int, bytes], failures: Mapping[int, Failure]) -> dict[int, bytes]:
        """The output to keep or show; `UNKEPT` stands for other output."""
        if self.shown or not said:
            return said
        return {p: said[p] if self.keeps(failures.get(p)) else UNKEPT for p in said}


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """The instances whose calls are made, one after the other, and how to capture their output.

    Attributes:
        capture: The rule for capturing.
        node: The node's name.
        keys: The instances' keys, one a call.
        tries: The number of each call's attempt; empty where all are the first.
    """

    capture: LogCapture
    node: str
    keys: Sequence[str]
    tries: Sequence[int] = ()

    def attempt(self, position: int, scratch_in: str | None = None) -> Attempt:
        """Make the attempt of a call."""
        key, number = self.keys[position], self.number(position)
        return self.capture.attempt(self.node, key, number, scratch_in)

    def number(self, position: int) -> int:
        """The number of a call's attempt, from 1."""
        return self.tries[position] if self.tries else 1


class CallCapture:
    """Captures the output of calls that are made one after the other in this thread.

    Between `__enter__` and `__exit__`, `begin` must be called just before each call.

    Args:
        callers: The instances whose calls are made.
        scratch_in: The folder for their scratch folders.
        then: Called by `begin` as well, with the call's position.
    """

    def __init__(
        self,
        callers: Callers,
        scratch_in: str | None = None,
        then: Callable[[int], None] | None = None,
    ) -> None:
        self._callers, self._scratch_in, self._then = callers, scratch_in, then
        self._hooks = capturing(callers.capture)
        self._current: tuple[int, Attempt, Token[Attempt | None]] | None = None
        self.said: dict[int, bytes] = {}

    def __enter__(self) -> Self:
        self._hooks.__enter__()
        return self

    def begin(self, position: int) -> None:
        """Note that a call is about to begin, and that the one before has ended."""
        if self._then is not None:
            self._then(position)
        if self._current is not None and self._current[1].is_untouched:
            _, attempt, token = (
                self._current
            )  # most calls are silent: their attempt serves the next call
            attempt.key, attempt.number = (
                self._callers.keys[position],
                self._callers.number(position),
            )
        else:
            self._end()
            attempt = self._callers.attempt(position, self._scratch_in)
            token = CURRENT.set(attempt)
        self._current = position, attempt, token

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()
        self._hooks.__exit__(kind, error, trace)

    def _end(self) -> None:
        if self._current is None:
            return
        position, attempt, token = self._current
        self._current = None
        CURRENT.reset(token)
        said = output_of(attempt)
        if said is not None:
            self.said[position] = said


@contextmanager
def continuing(attempt: Attempt) -> Iterator[None]:
    """Continue an attempt, which has begun before, in this thread while the context lasts."""
    token = CURRENT.set(attempt)
    try:
        yield
    finally:
        CURRENT.reset(token)


def output_of(attempt: Attempt) -> bytes | None:
    """End an attempt; return its output, compressed, or None if it was silent."""
    attempt.end()
    return None if attempt.output is None else compressed(redacted(attempt.output.text()))


class _Stream:
    """Replaces stdout or stderr: the current attempt's output goes to its `BoundedText`.

    Args:
        stream: The stream it replaces, and to which everything else goes.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write text."""
        attempt = CURRENT.get()
        output = None if attempt is None else attempt.sink()
        if output is None:
            return self.stream.write(text)
        output.add(text)
        return len(text)

    def writelines(self, lines: Sequence[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _Handler(logging.Handler):
    """A handler of the root logger: records of the current attempt go to its `BoundedText`.

    Where no attempt runs it does what an unconfigured `logging` does: it writes warnings to stderr,
    unless there are other handlers.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Handle a record."""
        attempt = CURRENT.get()
        output = None if attempt is None else attempt.sink()
        if output is not None:
            try:
                output.add_line(self.format(record))
            except Exception:  # noqa: BLE001 - as every handler of `logging` does
                self.handleError(record)
            return
        last = logging.lastResort
        if last is not None and record.levelno >= last.level and not self._has_company(record.name):
            last.handle(record)

    def _has_company(self, name: str) -> bool:
        logger: logging.Logger | None = logging.getLogger(name)
        while logger is not None:
            if any(handler is not self for handler in logger.handlers):
                return True
            logger = logger.parent if logger.propagate else None
        return False


class _ProcessHooks(AbstractContextManager[None]):
    """The changes to the process during capture."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._captures = 0
        self._changes = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._captures == 0:
                self._change()
            self._captures += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._captures -= 1
            if self._captures == 0:
                self._changes.close()

    def _change(self) -> None:
        for name in ("stdout", "stderr"):
            self._replace_stream(name)
        self._capture_logging()
        self._capture_warnings()
        self._let_threads_inherit()
        self._free_debuggers()

    def _replace_stream(self, name: str) -> None:
        before = getattr(sys, name)
        if before is None or isinstance(before, _Stream):
            return
        ours = _Stream(before)
        setattr(sys, name, ours)
        self._changes.callback(_restore, sys, name, ours, before)

    def _capture_logging(self) -> None:
        root, handler = logging.getLogger(), _Handler()
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        before = root.level
        for other in list(root.handlers):
            as_before = partial(_as_before, before, _is_console(other))
            other.addFilter(as_before)
            self._changes.callback(other.removeFilter, as_before)
        root.addHandler(handler)
        self._changes.callback(root.removeHandler, handler)
        if before > logging.INFO:
            self._keep_own_level(before)
            root.setLevel(logging.INFO)
            self._changes.callback(root.setLevel, before)

    def _keep_own_level(self, before: int) -> None:
        """Keep our own loggers quiet if they were before: they log an event for each instance."""
        own = logging.getLogger("orchestrator")
        if own.level == logging.NOTSET:
            own.setLevel(before)
            self._changes.callback(own.setLevel, logging.NOTSET)

    def _capture_warnings(self) -> None:
        """Show each attempt a warning once, even if the process has shown it before."""
        before = warnings.showwarning
        ours = partial(_show_warning, before)
        warnings.showwarning = ours
        self._changes.callback(_restore, warnings, "showwarning", ours, before)
        warnings.simplefilter("always", append=True)
        self._changes.callback(_drop_last_filter)

    def _let_threads_inherit(self) -> None:
        """Assign output of threads to the attempt that starts them, as Python 3.14 can do."""
        before = threading.Thread.start

        def start(thread: threading.Thread) -> None:
            attempt = CURRENT.get()
            if attempt is not None:
                attempt.is_untouched = False
                thread.run = partial(_run_for, attempt, thread.run)  # type: ignore[method-assign]
            before(thread)

        threading.Thread.start = start  # type: ignore[method-assign, assignment]
        self._changes.callback(setattr, threading.Thread, "start", before)

    def _free_debuggers(self) -> None:
        """End an attempt's capture at a `breakpoint()`, so that the debugger can print."""
        before = sys.breakpointhook

        def stop(*args: Any, **options: Any) -> Any:
            attempt = CURRENT.get()
            if attempt is not None:
                attempt.end_capture()
            return before(*args, **options)

        sys.breakpointhook = stop
        self._changes.callback(setattr, sys, "breakpointhook", before)


_HOOKS = _ProcessHooks()


_NO_HOOKS: AbstractContextManager[None] = nullcontext()


def capturing(capture: LogCapture) -> AbstractContextManager[None]:
    """Capture output of this process while the context lasts, if the rule enables it.

    Beginning and ending takes a tenth of a millisecond, so a flow run does it once for all calls.
    """
    return _HOOKS if capture.enabled else _NO_HOOKS


def _is_console(handler: logging.Handler) -> bool:
    """Whether it writes to the console, where people would read captured output twice."""
    streams = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    consoles = [getattr(stream, "stream", stream) for stream in streams]
    return isinstance(handler, logging.StreamHandler) and handler.stream in consoles


def _as_before(level: int, is_console: bool, record: logging.LogRecord) -> bool:  # noqa: FBT001
    """Whether an earlier handler is to get a record despite the capture."""
    attempt = CURRENT.get()
    if is_console and attempt is not None and attempt.sink() is not None:
        return False
    logger: logging.Logger | None = logging.getLogger(record.name)
    while logger is not None and logger.level == logging.NOTSET:
        logger = logger.parent
    return logger is None or logger.parent is not None or record.levelno >= level


def _show_warning(  # noqa: PLR0917 - the signature of `warnings.showwarning`
    otherwise: Callable[..., None],
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    attempt = CURRENT.get()
    output = None if attempt is None or file is not None else attempt.sink()
    if attempt is None or output is None:
        otherwise(message, category, filename, lineno, file, line)
    elif attempt.is_new(category.__name__, str(message), filename, lineno):
        output.add_line(f"{filename}:{lineno}: {category.__name__}: {message}")


def _restore(place: object, name: str, ours: object, before: object) -> None:
    """Restore the former value, unless other code has replaced ours since."""
    if getattr(place, name) is ours:
        setattr(place, name, before)


def _drop_last_filter() -> None:
    """Remove our fallback filter of warnings."""
    filters: Any = warnings.filters
    with suppress(ValueError):  # within `catch_warnings` it may be another list
        filters.remove(("always", None, Warning, None, 0))


def _run_for(attempt: Attempt, run: Callable[[], None]) -> None:
    CURRENT.set(attempt)
    run()
