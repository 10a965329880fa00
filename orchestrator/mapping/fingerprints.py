"""Fingerprints: a hash of a task's code and of what an instance's result depends on (law 4).

Touches cloudpickle; takes a task and arguments; gives hex digits; runs on the driver.
"""

import hashlib
import io
import marshal
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import cloudpickle

_MARSHAL_VERSION = 2
"""The last one without references to objects seen before: equal content gives equal bytes."""


def code_digest(function: Callable[..., Any]) -> bytes | None:
    """A hash of a function's code, its constants, defaults and closure; None if it has no code."""
    code = getattr(function, "__code__", None)
    if code is None:
        return None
    hashed = hashlib.blake2b(digest_size=16)
    _feed_code(hashed, code)
    for part in (function.__defaults__, function.__kwdefaults__, _closure(function)):
        hashed.update(content(part) or b"?")
    hashed.update(f"{function.__module__}.{function.__qualname__}".encode())
    return hashed.digest()


def fingerprint(code: bytes, depends_on: Any) -> str | None:
    """The fingerprint of one instance; None where its arguments cannot be compared.

    Args:
        code: The digest of its task.
        depends_on: Its arguments, or what a `cache` option gave in place of them.
    """
    told = content(depends_on)
    if told is None:
        return None
    return hashlib.blake2b(told, digest_size=16, key=code).hexdigest()


def content(value: Any) -> bytes | None:
    """Bytes that are equal for equal values, in this and later processes; None if there are none.

    Built-in types go through marshal, which is fastest; others through pickle without its memo,
    since a memo tells equal strings from identical ones.
    """
    try:
        return marshal.dumps(value, _MARSHAL_VERSION)
    except ValueError:
        return _pickled(value)


def _pickled(value: Any) -> bytes | None:
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=5)
    pickler.fast = True
    try:
        pickler.dump(value)
    except Exception:  # noqa: BLE001 - whatever cannot be pickled cannot be compared
        return _pickled_by_value(value)
    return buffer.getvalue()


def _pickled_by_value(value: Any) -> bytes | None:
    try:
        return bytes(cloudpickle.dumps(value))
    except Exception:  # noqa: BLE001 - as above
        return None


def _feed_code(hashed: Any, code: Any) -> None:
    """A code object by what it does; not by file and line, which change without it."""
    hashed.update(code.co_code)
    hashed.update(repr((code.co_names, code.co_varnames, code.co_freevars)).encode())
    for constant in code.co_consts:
        if hasattr(constant, "co_code"):
            _feed_code(hashed, constant)
        else:
            hashed.update(repr(constant).encode())


def _closure(function: Callable[..., Any]) -> Mapping[str, Any]:
    cells = getattr(function, "__closure__", None) or ()
    names = function.__code__.co_freevars
    found = {}
    for name, cell in zip(names, cells, strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # a name that is assigned later
            continue
    return found
