"""Hears what tasks print, log and warn of, and tells whose it is.

While anybody listens, `sys.stdout`, `sys.stderr`, the root logger and `warnings` pass what the
current attempt says to its `Voice`, and everything else to where it went before. All of them
belong to the process, and several calls run in one: they are changed when the first begins to
listen, and restored when the last has ended.

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
"""In place of what an attempt said, where that is neither kept nor shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """What is heard of the tasks of a flow run.

    Attributes:
        flow_run: The flow run's id.
        logs: What is kept.
        shown: Whether a person wants to see all of it.
        heard: Whether we listen at all; else what tasks say goes where it always goes.
    """

    flow_run: str = ""
    logs: Logs = field(default_factory=Logs)
    shown: bool = False
    heard: bool = False

    def attempt(self, node: str, key: str, number: int, scratch_in: str | None = None) -> Attempt:
        """An attempt that is about to begin."""
        limit = self.logs.bytes if self.heard else None
        return Attempt(self.flow_run, node, key, number, limit=limit, scratch_in=scratch_in)

    def keeps(self, failure: Failure | None) -> bool:
        """Whether the words of an attempt are kept that ended so."""
        if self.logs.keep == "failed":
            return failure is not None and not failure.skipped
        return self.logs.keep == "all"

    def wanted(self, said: dict[int, bytes], failures: Mapping[int, Failure]) -> dict[int, bytes]:
        """What is kept or shown of what was said; of the rest, that something was."""
        if self.shown or not said:
            return said
        return {p: said[p] if self.keeps(failures.get(p)) else UNKEPT for p in said}


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """Whose calls are made, one after the other, and what is heard of them.

    Attributes:
        hearing: What is heard.
        node: The node's name.
        keys: The instances' keys, one a call.
        tries: Which attempt each call is; empty where all are the first.
    """

    hearing: Hearing
    node: str
    keys: Sequence[str]
    tries: Sequence[int] = ()

    def attempt(self, position: int, scratch_in: str | None = None) -> Attempt:
        """The attempt that a call is."""
        key, number = self.keys[position], self.number(position)
        return self.hearing.attempt(self.node, key, number, scratch_in)

    def number(self, position: int) -> int:
        """Which attempt of its instance a call is."""
        return self.tries[position] if self.tries else 1


class Listening:
    """Listens to calls that are made one after the other in this thread.

    Between `__enter__` and `__exit__`, `begin` is told of each call just before it is made.

    Args:
        callers: Whose calls.
        scratch_in: Where their scratch folders are made.
        then: Told of each call as well, afterwards.
    """

    def __init__(
        self,
        callers: Callers,
        scratch_in: str | None = None,
        then: Callable[[int], None] | None = None,
    ) -> None:
        self._callers, self._scratch_in, self._then = callers, scratch_in, then
        self._ears = listening(callers.hearing)
        self._current: tuple[int, Attempt, Token[Attempt | None]] | None = None
        self.said: dict[int, bytes] = {}

    def __enter__(self) -> Self:
        self._ears.__enter__()
        return self

    def begin(self, position: int) -> None:
        """A call is about to be made; the one before has ended."""
        if self._then is not None:
            self._then(position)
        if self._current is not None and self._current[1].is_untouched:
            _, attempt, token = self._current  # most calls are silent: theirs serves the next one
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
        self._ears.__exit__(kind, error, trace)

    def _end(self) -> None:
        if self._current is None:
            return
        position, attempt, token = self._current
        self._current = None
        CURRENT.reset(token)
        said = said_by(attempt)
        if said is not None:
            self.said[position] = said


@contextmanager
def speaking(attempt: Attempt) -> Iterator[None]:
    """While it lasts, an attempt that has begun before continues in this thread."""
    token = CURRENT.set(attempt)
    try:
        yield
    finally:
        CURRENT.reset(token)


def said_by(attempt: Attempt) -> bytes | None:
    """End an attempt: what it said, compressed; None where it was silent."""
    attempt.end()
    return None if attempt.voice is None else compressed(redacted(attempt.voice.text()))


class _Stream:
    """Stands for stdout or stderr: the current attempt's words go to its voice.

    Args:
        stream: What it stands for, and is in everything else.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Say something."""
        attempt = CURRENT.get()
        voice = None if attempt is None else attempt.ear()
        if voice is None:
            return self.stream.write(text)
        voice.add(text)
        return len(text)

    def writelines(self, lines: Sequence[str]) -> None:
        """Say several things."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


class _Handler(logging.Handler):
    """Stands at the root: records of the current attempt go to its voice.

    Where no attempt runs it does what `logging` does where nobody has said anything: it tells of
    trouble on stderr, unless there are others who may.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record."""
        attempt = CURRENT.get()
        voice = None if attempt is None else attempt.ear()
        if voice is not None:
            try:
                voice.add_line(self.format(record))
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


class _Ears(AbstractContextManager[None]):
    """What is changed in the process while anybody listens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners = 0
        self._changes = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._listeners == 0:
                self._change()
            self._listeners += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._listeners -= 1
            if self._listeners == 0:
                self._changes.close()

    def _change(self) -> None:
        for name in ("stdout", "stderr"):
            self._replace_stream(name)
        self._listen_to_logging()
        self._listen_to_warnings()
        self._let_threads_inherit()
        self._let_debuggers_speak()

    def _replace_stream(self, name: str) -> None:
        before = getattr(sys, name)
        if before is None or isinstance(before, _Stream):
            return
        ours = _Stream(before)
        setattr(sys, name, ours)
        self._changes.callback(_restore, sys, name, ours, before)

    def _listen_to_logging(self) -> None:
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
        """Of our own events, one an instance, nobody wants to hear who did not before."""
        own = logging.getLogger("orchestrator")
        if own.level == logging.NOTSET:
            own.setLevel(before)
            self._changes.callback(own.setLevel, logging.NOTSET)

    def _listen_to_warnings(self) -> None:
        """Each attempt hears of a warning once, though the process may have heard of it before."""
        before = warnings.showwarning
        ours = partial(_show_warning, before)
        warnings.showwarning = ours
        self._changes.callback(_restore, warnings, "showwarning", ours, before)
        warnings.simplefilter("always", append=True)
        self._changes.callback(_drop_last_filter)

    def _let_threads_inherit(self) -> None:
        """Threads that an attempt starts speak for it, as from Python 3.14 on they can do."""
        before = threading.Thread.start

        def start(thread: threading.Thread) -> None:
            attempt = CURRENT.get()
            if attempt is not None:
                attempt.is_untouched = False
                thread.run = partial(_run_for, attempt, thread.run)  # type: ignore[method-assign]
            before(thread)

        threading.Thread.start = start  # type: ignore[method-assign, assignment]
        self._changes.callback(setattr, threading.Thread, "start", before)

    def _let_debuggers_speak(self) -> None:
        """Who stops at a `breakpoint()` wants to see what is said from there on."""
        before = sys.breakpointhook

        def stop(*args: Any, **options: Any) -> Any:
            attempt = CURRENT.get()
            if attempt is not None:
                attempt.hush()
            return before(*args, **options)

        sys.breakpointhook = stop
        self._changes.callback(setattr, sys, "breakpointhook", before)


_EARS = _Ears()


_NO_EARS: AbstractContextManager[None] = nullcontext()


def listening(hearing: Hearing) -> AbstractContextManager[None]:
    """Holds for as long as calls are made in this process, where we listen to them.

    To begin and to end takes a tenth of a millisecond, which calls of a flow run need not take.
    """
    return _EARS if hearing.heard else _NO_EARS


def _is_console(handler: logging.Handler) -> bool:
    """Whether it writes where people would read what we hear a second time."""
    streams = (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__)
    consoles = [getattr(stream, "stream", stream) for stream in streams]
    return isinstance(handler, logging.StreamHandler) and handler.stream in consoles


def _as_before(level: int, is_console: bool, record: logging.LogRecord) -> bool:  # noqa: FBT001
    """Whether a handler that was there before is to get a record although we listen."""
    attempt = CURRENT.get()
    if is_console and attempt is not None and attempt.ear() is not None:
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
    voice = None if attempt is None or file is not None else attempt.ear()
    if attempt is None or voice is None:
        otherwise(message, category, filename, lineno, file, line)
    elif attempt.is_new(category.__name__, str(message), filename, lineno):
        voice.add_line(f"{filename}:{lineno}: {category.__name__}: {message}")


def _restore(place: object, name: str, ours: object, before: object) -> None:
    """Put back what was there; whoever has replaced ours meanwhile puts it back by itself."""
    if getattr(place, name) is ours:
        setattr(place, name, before)


def _drop_last_filter() -> None:
    """Take back the filter of warnings that applied where no other does."""
    filters: Any = warnings.filters
    with suppress(ValueError):  # within `catch_warnings` it may be another list
        filters.remove(("always", None, Warning, None, 0))


def _run_for(attempt: Attempt, run: Callable[[], None]) -> None:
    CURRENT.set(attempt)
    run()
