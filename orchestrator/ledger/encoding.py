"""Records to text and back: JSON that keeps NaN and infinity, and text any database stores.

Touches pydantic; takes and gives records; runs on the driver. Tuples inside a parameter's value
come back as lists, as from any registry.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json, to_jsonable_python

from orchestrator.errors import MachineryError
from orchestrator.redaction import redacted

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
