"""Records to text and back: JSON that keeps NaN and infinity, and text for any database.

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
        TypeError: It holds another type.
    """
    return to_json(value, inf_nan_mode="constants", fallback=_plain_number).decode()


def dump_for_people(values: Mapping[str, Any]) -> str:
    """Named values as JSON text; a value that is not JSON is kept as its repr."""
    return json.dumps({name: _json_or_repr(value) for name, value in values.items()})


def _json_or_repr(value: Any) -> Any:
    try:
        return json.loads(json.dumps(value, default=_plain_number))
    except (TypeError, ValueError):
        return repr(value)


def canonical(value: Any) -> str:
    """A record as JSON text that is equal for equal records, regardless of the order of keys."""
    plain = to_jsonable_python(value, inf_nan_mode="constants", fallback=_plain_number)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"))


def load(adapter: TypeAdapter[T], text: str | bytes) -> T:
    """The record that a text stands for.

    Raises:
        MachineryError: The text does not fit this record type.
    """
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        raise MachineryError(f"ledger: a row was changed outside orchestrator: {error}") from error


def storable(text: str) -> str:
    """Text about an instance for people, without secrets and in a form every database holds."""
    return clean(redacted(text))


def clean(text: str) -> str:
    """The text without NUL and surrogates, which not every database holds."""
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def _plain_number(value: Any) -> Any:
    """A NumPy scalar or array as Python's own type, recognised without importing NumPy."""
    if type(value).__module__ == "numpy":
        return value.tolist()
    raise TypeError(f"{value!r} of {type(value).__name__} is neither JSON nor a NumPy number")


LARGEST = 256 * 1024
"""The most bytes a value may take in the ledger; larger ones belong in storage (law 10)."""

_LARGEST_PICKLE = 16 * LARGEST
"""The most bytes of a value that is compressed to fit: the results of a study with thousands of
trials do fit."""

NOTHING = object()
"""Stands for a value that could not be loaded: None is a value."""

_MAIN = b"__main__"
"""The module of a script's or a notebook's definitions; another process has another one."""

_WITHOUT_CODE = frozenset({type(None), bool, int, float, str, bytes})
"""Common types of results; pickling them runs no users' code."""

_log = logging.getLogger(__name__)


class _TooLargeError(Exception):
    """The value has too many bytes; the rest is not pickled."""


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
    """Pickle by Python's own pickle, which is three times as fast; None where it cannot.

    It stores only the names of classes and functions, which another process can find only in a
    module.
    """
    buffer = _Bounded()
    try:
        pickle.dump(value, buffer, pickle.HIGHEST_PROTOCOL)
    except _TooLargeError:
        raise
    except BaseException as error:  # such as a lambda's; pickling by value reports any other error
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
    """The pickle, compressed if it is large; None if even that is too large."""
    if LARGEST < len(pickled) <= _LARGEST_PICKLE:
        pickled = zlib.compress(pickled, level=1)
    return pickled if len(pickled) <= LARGEST else None


def thaw(frozen: bytes) -> Any:
    """The value, or `NOTHING` if its class is gone or has changed: it is then computed again."""
    try:
        with user_code():
            pickled = frozen if frozen.startswith(pickle.PROTO) else zlib.decompress(frozen)
            return pickle.loads(pickled)  # noqa: S301  our own ledger's bytes
    except RaisedError as error:
        _log.warning("a recorded value cannot be reused and is computed again: %s", error)
        return NOTHING
