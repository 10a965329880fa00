"""Arguments of an instance's own: its changes to them affect no other instance.

Instances share constants, items of a product and results of earlier tasks. Each call receives its
own copy of everything that can be changed, in this process as on workers. Large values are not
copied: pandas copies frames when they are written to, and arrays of more than a mebibyte are
read-only.

Touches numpy and pandas where the task's arguments do; takes an argument; gives the instance's
own; runs where the task runs.
"""

import copy
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PosixPath, PurePosixPath
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any
from uuid import UUID

from orchestrator.errors import FlowError

COPIED_UP_TO = 1024**2
"""The most bytes of an array that is copied for each call; a larger one is read-only."""

UNCHANGEABLE = frozenset(
    {type(None), bool, int, float, complex, str, bytes, range, slice, type, Decimal, UUID}
    | {date, datetime, time, timedelta, PosixPath, PurePosixPath}
    | {FunctionType, BuiltinFunctionType, ModuleType}
)
"""Types whose objects can be shared."""

_IMMUTABLE_LIBRARIES = frozenset({"pyarrow"})

Copies = dict[int, tuple[Any, Any]]
"""By identity: an object, kept alive so that its identity stays unique, and its copy."""


def own(value: Any, copies: Copies | None = None) -> Any:
    """A copy of an argument that one call may change.

    An object that cannot be copied, such as a connection, is passed on itself.

    Args:
        value: The argument.
        copies: The copies made for this call so far, so that one object stays one object.

    Raises:
        FlowError: A reference is hidden in an object that is not searched for references.
    """
    kind = type(value)
    if kind in UNCHANGEABLE:
        return value
    copies = {} if copies is None else copies
    known = copies.get(id(value))
    if known is not None:
        return known[1]
    copied = _copied(value, kind, copies)
    copies[id(value)] = value, copied
    return copied


def _copied(value: Any, kind: type, copies: Copies) -> Any:
    if hasattr(kind, "__owned__"):  # it copies itself, as items with functions to be applied do
        return value.__owned__(lambda part: own(part, copies))
    if kind in _CONTAINERS:
        return _CONTAINERS[kind](value, copies)
    if isinstance(value, tuple) and hasattr(kind, "_make"):
        return kind._make(own(part, copies) for part in value)
    if is_dataclass(value):
        return _copied_dataclass(value, copies)
    return _copied_object(value, kind)


def _copied_object(value: Any, kind: type) -> Any:
    library = kind.__module__.partition(".")[0]
    if library in _IMMUTABLE_LIBRARIES:
        return value
    if library == "numpy" and kind is sys.modules["numpy"].ndarray and not value.dtype.hasobject:
        return _copied_array(value)
    if library == "pandas" and hasattr(value, "copy"):
        return value.copy(deep=False)  # pandas copies on write
    try:
        return copy.deepcopy(value)
    except FlowError:
        raise
    except Exception:  # noqa: BLE001 - a class may refuse copies by any exception
        return value


def _copied_array(array: Any) -> Any:
    if array.nbytes <= COPIED_UP_TO:
        return array.copy()
    view = array.view()
    view.flags.writeable = False
    return view


def _copied_list(value: list[Any], copies: Copies) -> list[Any]:
    copied: list[Any] = []
    copies[id(value)] = value, copied  # it may contain itself
    copied.extend(own(part, copies) for part in value)
    return copied


def _copied_dict(value: dict[Any, Any], copies: Copies) -> dict[Any, Any]:
    copied: dict[Any, Any] = {}
    copies[id(value)] = value, copied
    copied.update((name, own(part, copies)) for name, part in value.items())
    return copied


def _copied_tuple(value: tuple[Any, ...], copies: Copies) -> tuple[Any, ...]:
    parts = tuple(own(part, copies) for part in value)
    same = all(part is old for part, old in zip(parts, value, strict=True))
    return value if same else parts


def _copied_dataclass(value: Any, copies: Copies) -> Any:
    """A copy of a dataclass; a frozen one without changeable parts is shared."""
    names = [field.name for field in fields(value) if hasattr(value, field.name)]
    parts = {name: own(getattr(value, name), copies) for name in names}
    changed = {name: part for name, part in parts.items() if part is not getattr(value, name)}
    if not changed and value.__dataclass_params__.frozen:
        return value
    copied = copy.copy(value)
    for name, part in changed.items():
        object.__setattr__(copied, name, part)
    return copied


_CONTAINERS: dict[type, Callable[[Any, Copies], Any]] = {
    list: _copied_list,
    dict: _copied_dict,
    tuple: _copied_tuple,
    set: lambda value, _: value.copy(),
    bytearray: lambda value, _: value[:],
    frozenset: lambda value, _: value,
    deque: lambda value, copies: deque((own(p, copies) for p in value), value.maxlen),
}
"""Copies of built-in containers; members of sets can be hashed, and are not changed."""
