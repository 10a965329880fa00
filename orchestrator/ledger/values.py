"""What instances returned, as bytes and back.

Touches cloudpickle; takes and gives any value; runs on the driver. Only bytes from our own ledger
are ever loaded: a pickle can run code.
"""

import io
import logging
import pickle
from typing import Any

import cloudpickle

LARGEST = 256 * 1024
"""Bytes of the largest value that is kept; larger ones belong into storage (law 10)."""

NOTHING = object()
"""Stands for a value that could not be brought back: None is a value."""

_ATOMS = frozenset({type(None), bool, int, float, str, bytes})

_log = logging.getLogger(__name__)


class _TooLargeError(Exception):
    """The value has more than `LARGEST` bytes; the rest of it is not even pickled."""


class _Bounded(io.BytesIO):
    """A buffer that refuses to grow past `LARGEST`."""

    def write(self, data: Any) -> int:
        if self.tell() + memoryview(data).nbytes > LARGEST:
            raise _TooLargeError
        return super().write(data)


def freeze(value: Any) -> bytes | None:
    """The value's pickle, None when it has none or it is too large."""
    if type(value) in _ATOMS:
        # Plain pickle is ten times faster, and for these cannot differ.
        frozen = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        return frozen if len(frozen) <= LARGEST else None
    buffer = _Bounded()
    try:
        cloudpickle.dump(value, buffer)
    except _TooLargeError:
        return None
    except Exception as error:  # noqa: BLE001  a user's __reduce__ may raise anything
        _log.debug("a %s is not kept for reuse: %s", type(value).__name__, error)
        return None
    return buffer.getvalue()


def thaw(frozen: bytes) -> Any:
    """The value, or `NOTHING` when its class is gone or has changed: it is then made again."""
    try:
        return pickle.loads(frozen)  # noqa: S301  our own ledger's bytes
    except Exception as error:  # noqa: BLE001  a user's __setstate__ may raise anything
        _log.warning("a recorded value cannot be used again and is made anew: %s", error)
        return NOTHING
