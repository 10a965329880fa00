"""A limit of time for what has none of its own: a file system of fsspec may wait for ever.

Touches no library; takes a function; gives what it gives, in time; runs on the driver.
"""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T]) -> T:
    """What `work` gives, in a thread that is left to itself when it takes too long.

    Nothing can end a thread that waits for a network; this one does not keep the process.

    Raises:
        TimeoutError: It took longer.
        Exception: Whatever `work` raises.
    """
    done: Future[T] = Future()
    Thread(target=_fill, args=(done, work), name="registry", daemon=True).start()
    return done.result(seconds)


def _fill(done: "Future[T]", work: Callable[[], T]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
        done.set_exception(error)
