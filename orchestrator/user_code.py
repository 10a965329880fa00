"""User code: exceptions of a person's own functions and classes, caught and described.

Loaders, versions, scorers, estimators, tasks, options and the classes of their values may raise
anything: SystemExit, KeyboardInterrupt, an exception that has no text. All of it is the failure of
that customer or that call. The one exception is a person's Ctrl-C, which is never caught.

    user_code       a block that calls user code; what it raises comes out as `RaisedError`
    is_of_person    whether an exception is a person's Ctrl-C
    described       an exception in words, all its lines
    traced          its traceback
    interruptible   a block in which Ctrl-C raises `Interrupted`, which user code does not

Touches signal; driver and workers.
"""

import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from orchestrator.redaction import redacted

MOST_CHARACTERS = 65_536
"""The characters kept of one exception's text; the rest is counted."""


class Interrupted(KeyboardInterrupt):
    """A person's Ctrl-C, or another signal to stop, raised by a handler of this program."""


class RaisedError(Exception):
    """User code raised an exception.

    Attributes:
        error: The exception itself.
    """

    def __init__(self, error: BaseException) -> None:
        super().__init__(described(error))
        self.error = error


@contextmanager
def user_code() -> Iterator[None]:
    """Call user code in here.

    Raises:
        RaisedError: The code raised an exception of any kind.
    """
    with interruptible():
        try:
            yield
        except RaisedError:
            raise
        except BaseException as error:
            if is_of_person(error):
                raise
            raise RaisedError(error) from error


@dataclass(frozen=True)
class Handler:
    """A handler of SIGINT that raises nothing but `Interrupted`, if anything."""

    act: Callable[[int, FrameType | None], None]

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Act on the signal."""
        self.act(number, frame)


def is_of_person(error: BaseException) -> bool:
    """Whether an exception is a person's Ctrl-C, and not something user code raised.

    Python handles signals in the main thread only, so a KeyboardInterrupt elsewhere is user
    code's. Nor can the two be confused where SIGINT has a handler of ours.
    """
    if not isinstance(error, KeyboardInterrupt) or isinstance(error, Interrupted):
        return isinstance(error, Interrupted)
    handler = signal.getsignal(signal.SIGINT)
    in_main = threading.current_thread() is threading.main_thread()
    return in_main and callable(handler) and not isinstance(handler, Handler)


@contextmanager
def interruptible() -> Iterator[None]:
    """Have Ctrl-C raise `Interrupted` where Python would raise a plain KeyboardInterrupt."""
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, Handler(_interrupt))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise Interrupted


def described(error: BaseException) -> str:
    """An exception's type and its whole message, even if its `__str__` fails."""
    text, name = said(error), type(error).__name__
    return f"{name}: {text}" if text else name


def said(error: BaseException) -> str:
    """The message of an exception, without its type."""
    try:
        return writable(str(error).strip())
    except BaseException as second:
        if is_of_person(second):
            raise
        return f"(its __str__ raised {type(second).__name__})"


def traced(error: BaseException) -> str:
    """The traceback of an exception."""
    frames = "".join(traceback.format_exception(error)).rstrip()
    return writable(frames[-MOST_CHARACTERS:])  # its end says most


def shown(value: object) -> str:
    """The `repr` of a value, even if it fails."""
    try:
        return writable(repr(value))
    except BaseException as error:
        if is_of_person(error):
            raise
        return f"<{type(value).__name__}, whose __repr__ raised {type(error).__name__}>"


def writable(text: str) -> str:
    """Text that every database, file and terminal can take, without secrets, bounded in length."""
    more = len(text) - MOST_CHARACTERS
    if more > 0:
        text = f"{text[:MOST_CHARACTERS]}... ({more:,} more characters)"
    plain = text.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()
    return redacted(plain)
