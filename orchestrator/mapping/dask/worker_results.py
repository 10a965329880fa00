"""Results pickled for the driver, and results that are too large to go there at once.

Touches cloudpickle and distributed; takes a task's result; gives bytes. Runs on workers.
"""

import asyncio
import pickle
import sys
from collections.abc import Callable
from typing import Any

import cloudpickle
from distributed import Worker

from orchestrator.user_code import RaisedError, is_of_person, user_code

LARGE = 64 * 1024
"""Bytes from which a result stays on the cluster (law 10)."""


def pack_result(value: Any, kept_from: int = LARGE) -> bytes | None:
    """A task's result, pickled for the driver; None if it has too many bytes to go there.

    Raises:
        Exception: Whatever the value raises that cannot be pickled.
    """
    buffers: list[pickle.PickleBuffer] = []
    blob = _dumps(value, buffers.append)
    if len(blob) + sum(buffer.raw().nbytes for buffer in buffers) > kept_from:
        return None
    return _dumps(value, None) if buffers else blob


async def pack_kept(key: str, dask_worker: Worker) -> bytes | str | None:
    """Pickle a value on this worker for the driver, which has asked for it.

    It takes no thread of the worker, all of which may run long calls.

    Args:
        key: The value's key.
        dask_worker: Given by Dask.

    Returns:
        The bytes, or the error of a value that cannot be pickled; None where it is not here.
    """
    if key not in dask_worker.data:
        return None
    return await asyncio.to_thread(_pack_whole, dask_worker.data[key])


def _pack_whole(value: Any) -> bytes | str | None:
    try:
        with user_code():
            return pack_result(value, sys.maxsize)
    except RaisedError as error:
        return str(error)


def _dumps(value: Any, buffer_callback: Callable[[pickle.PickleBuffer], Any] | None) -> bytes:
    """Pickle the fast way if possible, else by cloudpickle."""
    protocol = pickle.HIGHEST_PROTOCOL
    try:
        blob = pickle.dumps(value, protocol, buffer_callback=buffer_callback)
    except BaseException as error:  # cloudpickle may succeed where this fails
        if is_of_person(error):
            raise
        blob = b"__main__"
    if b"__main__" in blob:  # by reference to a script that is another one on the other side
        blob = cloudpickle.dumps(value, protocol, buffer_callback)
    return blob
