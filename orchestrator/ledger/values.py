"""What instances returned, as bytes and back.

Touches cloudpickle; takes and gives any value; runs on the driver. Only bytes from our own ledger
are ever loaded: a pickle can run code.
"""

import io
import logging
import pickle
import zlib
from typing import Any

import cloudpickle

from orchestrator.user_code import RaisedError, is_of_person, user_code

LARGEST = 256 * 1024
"""Bytes a value may take in the ledger; larger ones belong into storage (law 10)."""

_LARGEST_PICKLE = 16 * LARGEST
"""Bytes up to which it is tried whether a value can be compressed so far: the results of a study
with thousands of trials can."""

NOTHING = object()
"""Stands for a value that could not be brought back: None is a value."""

_MAIN = b"__main__"
"""The module of what a script defines, or a notebook; in another process it is another one."""

_WITHOUT_CODE = frozenset({type(None), bool, int, float, str, bytes})
"""Common types of results. Pickling them runs no code of users."""

_log = logging.getLogger(__name__)


class _TooLargeError(Exception):
    """The value has too many bytes; the rest of it is not even pickled."""


class _Bounded(io.BytesIO):
    """A buffer that refuses to grow past `_LARGEST_PICKLE`."""

    def write(self, data: Any) -> int:
        if self.tell() + memoryview(data).nbytes > _LARGEST_PICKLE:
            raise _TooLargeError
        return super().write(data)


def freeze(value: Any) -> bytes | None:
    """The value's pickle, None when it has none or it is too large."""
    if type(value) in _WITHOUT_CODE:
        return _small(pickle.dumps(value, pickle.HIGHEST_PROTOCOL))
    try:
        with user_code():
            return _small(_plainly(value) or _by_value(value))
    except RaisedError as error:
        if isinstance(error.error, _TooLargeError):
            return None
        _log.debug("a %s is not kept for reuse: %s", type(value).__name__, error)
        return None


def _plainly(value: Any) -> bytes | None:
    """By Python's own pickle, which is three times as fast; None where it does not do.

    It names classes and functions, which another process can only find where they have a module.
    """
    buffer = _Bounded()
    try:
        pickle.dump(value, buffer, pickle.HIGHEST_PROTOCOL)
    except _TooLargeError:
        raise
    except BaseException as error:  # as of a lambda; whatever else it is, the other way says so
        if is_of_person(error):
            raise
        return None
    pickled = buffer.getvalue()
    is_by_name = _MAIN not in pickled and not cloudpickle.list_registry_pickle_by_value()
    return pickled if is_by_name else None


def _by_value(value: Any) -> bytes:
    buffer = _Bounded()
    cloudpickle.dump(value, buffer)
    return buffer.getvalue()


def _small(pickled: bytes) -> bytes | None:
    """The pickle as it is kept: compressed where it is large, None where even that is too large."""
    if LARGEST < len(pickled) <= _LARGEST_PICKLE:
        pickled = zlib.compress(pickled, level=1)
    return pickled if len(pickled) <= LARGEST else None


def thaw(frozen: bytes) -> Any:
    """The value, or `NOTHING` when its class is gone or has changed: it is then made again."""
    try:
        with user_code():
            pickled = frozen if frozen.startswith(pickle.PROTO) else zlib.decompress(frozen)
            return pickle.loads(pickled)  # noqa: S301  our own ledger's bytes
    except RaisedError as error:
        _log.warning("a recorded value cannot be used again and is made again: %s", error)
        return NOTHING
