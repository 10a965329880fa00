"""Records to text and back: JSON that keeps NaN and infinity, and text any database stores.

Touches pydantic; takes and gives records; runs on the driver. Tuples inside a parameter's value
come back as lists, as from any registry.
"""

import io
import json
import logging
import pickle
import zlib
from collections.abc import Mapping
from typing import Any, TypeVar

import cloudpickle
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json, to_jsonable_python

from orchestrator.errors import MachineryError
from orchestrator.redaction import redacted
from orchestrator.user_code import RaisedError, is_of_person, user_code

T = TypeVar("T")


def dump(value: Any) -> str:
    """A record, or anything made of JSON and NumPy scalars, as JSON text.

    Raises:
        TypeError: It holds something that is neither.
    """
    return to_json(value, inf_nan_mode="constants", fallback=_plain_number).decode()


def dump_for_people(values: Mapping[str, Any]) -> str:
    """Named values as JSON text; one that is no JSON is kept as its repr."""
    return json.dumps({name: _json_or_repr(value) for name, value in values.items()})


def _json_or_repr(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value, default=_plain_number))
    except (TypeError, ValueError):
        return repr(value)


def canonical(value: Any) -> str:
    """A record as JSON text that is equal for equal records, whatever the order of keys."""
    plain = to_jsonable_python(value, inf_nan_mode="constants", fallback=_plain_number)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"))


def load(adapter: TypeAdapter[T], text: str | bytes) -> T:
    """The record a text was made of.

    Raises:
        MachineryError: The text is not of this record.
    """
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        raise MachineryError(f"ledger: a row was changed by other hands: {error}") from error


def storable(text: str) -> str:
    """What people read of an instance, without secrets, as every database holds it."""
    return clean(redacted(text))


def clean(text: str) -> str:
    """The text without NUL and surrogates, which not every database holds."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _plain_number(value: Any) -> Any:
    """A NumPy scalar or array as Python's own, recognised without importing NumPy."""
    if type(value).__module__ == "numpy":
        return value.tolist()
    raise TypeError(f"{value!r} of {type(value).__name__} is neither JSON nor a NumPy number")


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
