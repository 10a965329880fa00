"""A limit of time for what has none of its own, such as a file system of fsspec or MLflow's client.

Touches no library; takes a function; gives its result in time; runs on the driver.
"""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T]) -> T:
    """Return what `work` returns; its thread is left to itself when it takes too long.

    Nothing can end a thread that waits for a network; this one does not keep the process.

    Args:
        seconds: How long it may take.
        work: Called once, without arguments.

    Raises:
        TimeoutError: It took longer.
        Exception: An error of `work`.
    """
    done: Future[T] = Future()
    Thread(target=_fill, args=(done, work), name="deadline", daemon=True).start()
    return done.result(seconds)


def _fill(done: "Future[T]", work: Callable[[], T]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
        done.set_exception(error)
