"""Pickling for the way to workers: functions by value, kept values by reference.

Touches cloudpickle; takes Python objects; gives bytes, and the Dask futures they rest on. `pack`
runs on the driver, `unpack` on workers.
"""

import io
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

import cloudpickle

from orchestrator.mapping.dask.kept import KeptValue


@dataclass(frozen=True, slots=True)
class Packed:
    """A pickled object and the kept values inside it, which travel as Dask's dependencies."""

    blob: bytes
    kept: tuple[KeptValue, ...]


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle ships no types
    """Leaves kept values out, wherever they are inside the object: their number stands there."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file, protocol=pickle.HIGHEST_PROTOCOL)
        self.kept: dict[int, KeptValue] = {}
        self._numbers: dict[int, int] = {}

    def persistent_id(self, obj: Any) -> int | None:
        if type(obj) is not KeptValue:
            return None
        number = self._numbers.setdefault(id(obj), len(self._numbers))
        self.kept[number] = obj
        return number


class _Unpickler(pickle.Unpickler):
    """Puts the values themselves where kept values were left out."""

    def __init__(self, file: io.BytesIO, values: Sequence[Any]) -> None:
        super().__init__(file)
        self._values = values

    def persistent_load(self, pid: int) -> Any:
        return self._values[pid]


def pack(content: Any, function: Callable[..., Any] | None = None) -> Packed:
    """Pickle for workers.

    Args:
        content: Anything; kept values inside it are left out.
        function: Whose module to pickle by value where workers could not import it.

    Raises:
        Exception: Whatever the object raises that cannot be pickled.
    """
    file = io.BytesIO()
    pickler = _Pickler(file)
    with _by_value(function):
        pickler.dump(content)
    return Packed(file.getvalue(), tuple(pickler.kept.values()))


def unpack(blob: bytes, values: Sequence[Any]) -> Any:
    """What was packed, with these values for the kept ones, in their order."""
    return _Unpickler(io.BytesIO(blob), values).load()


@contextmanager
def _by_value(function: Callable[..., Any] | None) -> Iterator[None]:
    """Pickle the function's module by value meanwhile, when it is a script nobody can import."""
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    if module is None or not _is_script(module):
        yield
        return
    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def _is_script(module: ModuleType) -> bool:
    """Whether it was loaded from a file that is not on the import path."""
    if (
        module.__name__ == "__main__"
        or module.__name__ in cloudpickle.list_registry_pickle_by_value()
    ):
        return False
    top = module.__name__.partition(".")[0]
    return top not in sys.builtin_module_names and not _can_be_imported(top, tuple(sys.path))


@lru_cache(maxsize=256)
def _can_be_imported(name: str, _path: tuple[str, ...]) -> bool:
    """Whether a top-level module is on the import path; asked for every batch."""
    return PathFinder.find_spec(name) is not None
