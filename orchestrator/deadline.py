"""A time limit for calls that have none of their own, such as those of fsspec or MLflow's client.

Touches no library; takes a function; gives its result within the limit; runs on the driver.
"""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, work: Callable[[], T]) -> T:
    """Call `work` in a thread and return its result; abandon the thread when it takes too long.

    A thread that waits for the network cannot be ended. This one is a daemon, so it does not keep
    the process alive.

    Args:
        seconds: The time limit.
        work: The function to call.

    Returns:
        The result of `work`.

    Raises:
        TimeoutError: The call took longer than `seconds`.
        Exception: `work` raised it.
    """
    done: Future[T] = Future()
    Thread(target=_fill, args=(done, work), name="deadline", daemon=True).start()
    return done.result(seconds)


def _fill(done: "Future[T]", work: Callable[[], T]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised again in the waiting thread
        done.set_exception(error)
