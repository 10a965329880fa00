"""Conversion of a row's cells to plain JSON, so that every source gives the same values.

SQL returns its own numbers and dates, CSV only text, Parquet lists, pandas NumPy scalars. After
`plain_row` each of them holds what a YAML list would have held. A cell without a value (null,
empty) is left out.

Touches no library; takes what a source read; gives dicts of JSON values; runs on the driver.
"""

import math
import re
import reprlib
import sys
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from orchestrator.records import Json
from orchestrator.registry.documents import read_json
from orchestrator.registry.sources import Unreadable

_HOLD_JSON = frozenset({"pipeline", "params", "grid", "space", "when", "grids", "spaces"})
"""Fields whose text is JSON, in sources that know only text."""

_HOLD_LABELS = frozenset({"params", "grid", "space", "grids", "spaces"})
"""Fields in which a key may be a label of the data, which is often a number."""

_DEEPEST = 100
"""The deepest allowed nesting of lists and mappings; JSON encoders fail at a few hundred."""


class RowProblem(NamedTuple):
    """One problem of a row: the key inside the row ("" for the whole row) and the reason."""

    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.key}: {self.text}" if self.key else self.text


class BadRowError(Exception):
    """A row cannot be used; `problems` says why."""

    def __init__(self, *problems: RowProblem) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


def plain_row(row: object) -> dict[str, Json]:
    """Return the row's fields that have a value, as JSON.

    Raises:
        BadRowError: The row is not a mapping of fields, or a cell cannot be converted to JSON.
    """
    if isinstance(row, Unreadable):
        raise BadRowError(RowProblem("", row.reason))
    if not isinstance(row, Mapping):
        raise BadRowError(RowProblem("", f"is {reprlib.repr(row)} instead of fields with names"))
    fields: dict[str, Json] = {}
    problems: list[RowProblem] = []
    for name, cell in row.items():
        try:
            value = plain(_decoded(str(name), cell), str(name))
        except BadRowError as error:
            problems += error.problems
        else:
            fields |= {} if value is None else {str(name): value}
    if problems:
        raise BadRowError(*problems)
    return fields


def plain(value: Any, key: str) -> Json:
    """Return the value as JSON: finite numbers, storable text, lists, dicts.

    Raises:
        BadRowError: JSON cannot hold the value; the problem names `key` and the place inside.
    """
    return _plain(value, key, _DEEPEST)


def _plain(value: Any, key: str, levels: int) -> Json:  # noqa: PLR0911 - one case a type
    if levels < 0:
        # Only the beginning of the key: the full key would be too long to read.
        start = re.split(r"[.\[]", key, maxsplit=1)[0]
        raise BadRowError(RowProblem(start, f"is nested more than {_DEEPEST} deep"))
    match value:
        case None | bool():
            return value
        case int():
            return _whole(value, key)
        case str():
            return _storable(value, key)
        case float() | Decimal():
            return _finite(value, key)
        case datetime() | date() | time() | UUID():
            return _moment(value, key)
        case Mapping():
            return _plain_mapping(value, key, levels - 1)
        case list() | tuple():
            return [_plain(v, f"{key}[{i}]", levels - 1) for i, v in enumerate(value)]
    python = _from_numpy(value)
    if python is not value:
        return _plain(python, key, levels)
    raise BadRowError(RowProblem(key, f"is a {type(value).__name__}, which JSON cannot hold"))


def _from_numpy(value: Any) -> Any:
    """Return NumPy scalars and arrays as Python values; anything else unchanged."""
    if not (hasattr(value, "tolist") and hasattr(value, "dtype")):
        return value
    python = value.tolist()
    return value if type(python) is type(value) else python


def parted_tags(tags: Any) -> Any:
    """Split tags given as one text, `large; domestic`; return anything else unchanged."""
    if not isinstance(tags, str):
        return tags
    return [tag for tag in map(str.strip, tags.split(";")) if tag]


def _decoded(name: str, cell: Any) -> Any:
    """Decode a text cell in a field that may hold more than text."""
    if not isinstance(cell, str):
        return cell
    if name == "tags" and not cell.lstrip().startswith("["):
        return parted_tags(cell)
    if name in _HOLD_JSON or name == "tags":
        return _json_cell(name, cell)
    return _object_or_text(cell) if name == "data" else cell


def _json_cell(name: str, cell: str) -> Any:
    if not cell.strip():
        return None
    try:
        return read_json(cell)
    except ValueError as error:
        raise BadRowError(RowProblem(name, f"is not valid JSON: {error}")) from error


def _object_or_text(cell: str) -> Any:
    """Parse text that is a JSON object or list; any other text is an address, kept unchanged."""
    if not cell.lstrip().startswith(("{", "[")):
        return cell
    try:
        return read_json(cell)
    except ValueError:
        return cell


def _moment(value: date | time | UUID, key: str) -> str:
    if value != value:  # noqa: PLR0124 - like NaN, pandas' NaT does not equal itself
        raise BadRowError(RowProblem(key, f"is {value}, not a valid date or time"))
    return str(value)


def _finite(value: float | Decimal, key: str) -> int | float:
    number = math.nan if isinstance(value, Decimal) and value.is_snan() else float(value)
    if not math.isfinite(number):
        raise BadRowError(RowProblem(key, f"is {value}, not a finite number"))
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    return number


def _whole(value: int, key: str) -> int:
    if abs(value) > sys.float_info.max:  # Python compares the two exactly
        raise BadRowError(RowProblem(key, "is a whole number of more than 308 digits"))
    return int(value)


def _storable(text: str, key: str) -> str:
    if "\0" in text or (not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text)):
        raise BadRowError(
            RowProblem(key, "has a NUL or half a character, which no database can hold")
        )
    return text


def _plain_mapping(value: Mapping[Any, Any], key: str, levels: int) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name, inner in value.items():
        text = _name(name, key)
        if text in found:
            raise BadRowError(RowProblem(key, f"has the key {text!r} twice"))
        found[text] = _plain(inner, f"{key}.{text}", levels)
    return found


def _name(name: object, key: str) -> str:
    if isinstance(name, bool | int) and re.split(r"[.\[]", key, maxsplit=1)[0] in _HOLD_LABELS:
        # JSON turns the labels of `class_weight: {0: 1}` into text; estimators get the label back.
        return str(name).lower() if isinstance(name, bool) else str(name)
    if not isinstance(name, str):
        raise BadRowError(
            RowProblem(key, f"has the key {name!r}, which is not text; put it in quotes")
        )
    return _storable(name, key)
