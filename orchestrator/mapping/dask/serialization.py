"""A value that stays on the cluster: too large for the driver (law 10).

Touches distributed; takes a future; gives the value when asked. Lives on the driver; calls that
use it get the value from worker to worker.
"""

import io
import pickle
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any, NoReturn

import cloudpickle
from distributed import Future

from orchestrator.errors import MachineryError
from orchestrator.mapping.dask.worker_results import pack_kept
from orchestrator.mapping.execution.executor import Kept
from orchestrator.user_code import RaisedError, described, user_code

_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds between attempts to bring a value here."""


class KeptValue(Kept):
    """A value on the cluster. It stays there for as long as this object lives."""

    __slots__ = ("future",)

    def __init__(self, future: Future) -> None:
        self.future = future

    def fetch(self) -> Any:
        """The value itself, brought here.

        It is unpickled in this thread rather than Dask's, which would not survive every exception
        of a user's class.

        Raises:
            RaisedError: The value cannot be pickled there or unpickled here.
            MachineryError: It is no longer on the cluster and could not be computed again.
        """
        try:
            packed = self._packed()
        except MachineryError:
            raise
        except Exception as error:
            raise self._gone(described(error)) from error
        if isinstance(packed, str):
            raise RaisedError(TypeError(f"the value cannot be pickled: {packed}"))
        with user_code():
            return pickle.loads(packed)  # noqa: S301 - our workers'

    def _packed(self) -> bytes | str:
        """The value in bytes, or the reason why it cannot be pickled, from a worker that has it.

        A worker may go, or hand it on, between the two questions: then both are asked again.
        """
        client, key = self.future.client, self.future.key
        for pause in _PAUSES:
            error = self.future.exception()  # waits, by its own client
            if error is not None:
                raise self._gone(described(error))
            for address in client.who_has([self.future])[key]:
                answers = client.run(pack_kept, key, workers=[address], on_error="ignore")
                packed: bytes | str | None = answers.get(address)
                if packed is not None:
                    return packed
            time.sleep(pause)
        raise self._gone("no worker gives it")

    def _gone(self, why: str) -> MachineryError:
        return MachineryError(
            f"a value kept on the cluster cannot be brought here: {why}; `orchestrator resume` "
            "computes it again, or store large results by their address"
        )

    def __repr__(self) -> str:
        return f"<value kept on the cluster as {self.future.key!r}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a value kept on the cluster cannot be pickled; fetch() it first")


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
    """Pickle an object for workers.

    Args:
        content: Anything; kept values inside it are left out.
        function: A function whose module is pickled by value if workers cannot import it.

    Raises:
        Exception: The error of an object that cannot be pickled.
    """
    file = io.BytesIO()
    pickler = _Pickler(file)
    with _by_value(function):
        pickler.dump(content)
    return Packed(file.getvalue(), tuple(pickler.kept.values()))


def unpack(blob: bytes, values: Sequence[Any]) -> Any:
    """The packed object, with these values in place of the kept ones, in their order."""
    return _Unpickler(io.BytesIO(blob), values).load()


@contextmanager
def _by_value(function: Callable[..., Any] | None) -> Iterator[None]:
    """Pickle the function's module by value, if it is a script that workers cannot import."""
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
    """Whether a top-level module is on the import path; cached, because every batch asks."""
    return PathFinder.find_spec(name) is not None
