"""Fingerprints: a hash of a task's code and of an instance's dependencies (law 4).

Touches cloudpickle; takes a task and arguments; gives hex digits; runs on the driver.
"""

import copyreg
import hashlib
import io
import marshal
import pickle
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, ClassVar

import cloudpickle

from orchestrator.mapping.authoring.sequences import Mapped
from orchestrator.mapping.execution.invoke import Deferred, Zipped
from orchestrator.mapping.outcomes import Outcomes
from orchestrator.project_code import files_hash, rests_on
from orchestrator.user_code import RaisedError, is_of_person, user_code

_MARSHAL_VERSION = 2
"""The last version without back-references: equal content gives equal bytes."""


_CONSTANT = (int, float, complex, str, bytes, tuple, frozenset)


def code_digest(function: Callable[..., Any]) -> bytes | None:
    """A hash of a function's behaviour; None if it has no Python code.

    It covers code, constants, defaults, closure, and everything of its own module that the function
    uses: other functions, classes and constants there, and what these use in turn. Functions of
    other modules count by their names only, so a new version of a library changes nothing here.
    Values of the module that may change while it runs (lists, dicts, objects) do not count at all.
    """
    if getattr(function, "__code__", None) is None:
        return None
    hashed = hashlib.blake2b(digest_size=16)
    _feed_function(hashed, function, seen=set())
    return hashed.digest()


def code_digest_across_runs(function: Callable[..., Any]) -> bytes | None:
    """A hash of everything that a function's result depends on besides its arguments.

    It covers what `code_digest` covers, the current values of its module that it uses, whatever
    their type, and the contents of every other module of the project that its module imports,
    directly or through others. Installed packages do not count.

    Returns:
        None if it has no Python code, or uses a value that cannot be compared: then it is unknown
        whether an earlier result is still right.
    """
    code = code_digest(function)
    if code is None:
        return None
    hashed = hashlib.blake2b(code, digest_size=16)
    hashed.update(files_hash(rests_on(function).files - _own_file(function)).encode())
    for name, value in sorted(_values_used(function, seen=set()).items()):
        compared = content(value)
        if compared is None:
            return None
        hashed.update(f"{name}=".encode() + compared)
    return hashed.digest()


def _own_file(function: Callable[..., Any]) -> frozenset[Path]:
    """The file of a function: the parts that the function uses are hashed one by one."""
    return frozenset({Path(function.__code__.co_filename).resolve()})


def _values_used(function: Callable[..., Any], seen: set[int]) -> dict[str, Any]:
    """The values that a function, and others of its module that it calls, take from the module."""
    if id(function) in seen:
        return {}
    seen.add(id(function))
    found: dict[str, Any] = {}
    for name in _names(function.__code__):
        if name not in function.__globals__:
            continue
        value = function.__globals__[name]
        if not (callable(value) or isinstance(value, ModuleType)):
            found[name] = value
        elif getattr(value, "__module__", None) == function.__module__:
            for called in _functions_of(value):
                found |= _values_used(called, seen)
    return found


def _functions_of(value: Any) -> Iterator[Callable[..., Any]]:
    value = getattr(value, "__wrapped__", value)
    if isinstance(value, FunctionType):
        yield value
    elif isinstance(value, type):
        yield from (part for part in vars(value).values() if isinstance(part, FunctionType))


def fingerprints(
    code: bytes, constants: Mapping[str, Any], columns: Mapping[str, Sequence[Any]], count: int
) -> Sequence[str | None]:
    """The fingerprints of some instances; None where arguments cannot be compared.

    Args:
        code: The digest of their task.
        constants: Arguments they share.
        columns: Arguments that differ, one list a name.
        count: The number of instances.
    """
    shared = content((sorted(constants.items()), sorted(columns)))
    if shared is None:
        return [None] * count
    key = hashlib.blake2b(shared, digest_size=16, key=code).digest()
    ordered = [columns[name] for name in sorted(columns)]
    rows: Iterable[tuple[Any, ...]] = zip(*ordered, strict=True) if ordered else [()] * count
    return [fingerprint(key, row) for row in rows]


def fingerprint(code: bytes, depends_on: Any) -> str | None:
    """The fingerprint of one instance; None where what it depends on cannot be compared.

    Args:
        code: The digest of its task.
        depends_on: Its arguments, or the value of a `cache` option in place of them.
    """
    compared = content(depends_on)
    if compared is None:
        return None
    return hashlib.blake2b(compared, digest_size=16, key=code).hexdigest()


def content(value: Any) -> bytes | None:
    """Bytes that are equal for equal values, in this and later processes; None without such bytes.

    Built-in types go through marshal, which is fastest; others through pickle without its memo,
    since a memo distinguishes equal strings from identical ones.
    """
    marshalled = _marshalled(value)
    if marshalled is not None:
        return marshalled
    plain = _plain(value)
    return _marshalled(plain) or _pickled(plain)


def _marshalled(value: Any) -> bytes | None:
    try:
        return marshal.dumps(value, _MARSHAL_VERSION)
    except ValueError:
        return None


def _plain(value: Any) -> Any:
    """A row of arguments in which functions yet to be applied stand as their code."""
    if type(value) is Deferred:
        return _plain(value.item), [_comparable(f) for f in value.functions]
    if isinstance(value, Zipped) or type(value) is tuple:
        return tuple(map(_plain, value))
    return value


def _comparable(function: Callable[..., Any]) -> bytes | str:
    return code_digest(function) or _name(function)


_COMPARED: Mapping[type, Callable[[Any], tuple[Any, ...]]] = {
    Outcomes: lambda outcomes: (tuple, (outcomes.fingerprint_content(),)),
    Mapped: lambda mapped: (tuple, ((mapped.inner, *map(_comparable, mapped.functions)),)),
}
"""Types that are compared differently from how they are pickled, as a `dispatch_table`."""


_PLAINLY = {**copyreg.dispatch_table, **_COMPARED}


class _ByValue(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    """Pickles by value what plain pickle cannot: functions of a flow's own module, closures."""

    dispatch_table: ClassVar = ChainMap(dict(_COMPARED), cloudpickle.Pickler.dispatch_table)


def _pickled(value: Any) -> bytes | None:
    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=5)
    pickler.dispatch_table = _PLAINLY
    pickler.fast = True
    try:
        pickler.dump(value)
    except BaseException as error:
        if is_of_person(error):
            raise
        return _pickled_by_value(value)
    return buffer.getvalue()


def _pickled_by_value(value: Any) -> bytes | None:
    buffer = io.BytesIO()
    try:
        with user_code():
            _ByValue(buffer).dump(value)
    except RaisedError:  # what cannot be pickled cannot be compared
        return None
    return buffer.getvalue()


def _feed_function(hashed: Any, function: Callable[..., Any], seen: set[int]) -> None:
    if id(function) in seen:
        return
    seen.add(id(function))
    code = function.__code__
    _feed_code(hashed, code)
    used = {name: function.__globals__.get(name) for name in sorted(_names(code))}
    constant = {n: v for n, v in used.items() if callable(v) or isinstance(v, _CONSTANT)}
    given = {"defaults": (function.__defaults__, function.__kwdefaults__), **_closure(function)}
    for name, value in (*constant.items(), *given.items()):
        hashed.update(f"{name}=".encode())
        _feed_value(hashed, value, function.__module__, seen)


def _feed_value(hashed: Any, value: Any, module: str, seen: set[int]) -> None:
    """Hash a value a function uses: code of its own module by content, other code by name."""
    value = getattr(value, "__wrapped__", value)
    is_own = getattr(value, "__module__", None) == module
    if is_own and isinstance(value, FunctionType):
        _feed_function(hashed, value, seen)
    elif is_own and isinstance(value, type):
        for name, part in sorted(vars(value).items()):
            if isinstance(part, FunctionType):
                hashed.update(name.encode())
                _feed_function(hashed, part, seen)
    elif callable(value) or isinstance(value, ModuleType):
        hashed.update(_name(value).encode())
    else:
        hashed.update(content(value) or b"?")


def _name(value: Any) -> str:
    kind = type(value)
    module = getattr(value, "__module__", kind.__module__)
    return f"{module}.{getattr(value, '__qualname__', getattr(value, '__name__', kind.__name__))}"


def _names(code: CodeType) -> set[str]:
    """The global names a code object may use, those of the functions inside it included."""
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _feed_code(hashed: Any, code: CodeType) -> None:
    """Hash a code object by its behaviour, not by file and line, which change without it."""
    hashed.update(code.co_code)
    hashed.update(repr((code.co_names, code.co_varnames, code.co_freevars)).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _feed_code(hashed, constant)
        elif isinstance(constant, frozenset):  # its order differs between processes
            hashed.update(repr(sorted(map(repr, constant))).encode())
        else:
            hashed.update(repr(constant).encode())


def _closure(function: Callable[..., Any]) -> dict[str, Any]:
    cells = getattr(function, "__closure__", None) or ()
    found = {}
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # a name that is assigned later
            continue
    return found
