"""What the studies of one customer share on a worker: data, folds, fitted prefixes.

Touches no library; takes keys and functions that make values; gives values; lives in the worker.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cache
from threading import Lock
from typing import Any, Protocol, TypeVar

MAX_BYTES = 256 * 2**20
MAX_ENTRIES = 4096


class Sized(Protocol):
    """A value that knows the memory it holds."""

    @property
    def nbytes(self) -> int:
        """Bytes, about."""
        ...


V = TypeVar("V", bound=Sized)


@dataclass(slots=True)
class _Entry:
    lock: Lock = field(default_factory=Lock)
    value: Any = None
    made: bool = False
    nbytes: int = 0


class SharedCache:
    """Values made once, the least recently used forgotten beyond a limit; safe between threads.

    Two threads that need the same value wait for one of them to make it. A value must not be
    changed after it was made, unless it sees to that itself and is weighed again. The newest value
    is kept however large it is.

    Args:
        max_bytes: Of all values together, about.
        max_entries: However small they are.
    """

    def __init__(self, max_bytes: int = MAX_BYTES, max_entries: int = MAX_ENTRIES) -> None:
        self._max_bytes, self._max_entries = max_bytes, max_entries
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._nbytes = 0
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value of a key, made now if it is not there.

        Raises:
            Exception: Whatever `make` raises; nothing is then kept.
        """
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            self._entries.move_to_end(key)
        with entry.lock:
            if not entry.made:
                self._fill(key, entry, make)
        value: V = entry.value
        return value

    def weigh(self, key: Hashable) -> None:
        """Ask a value for its size again: one that grows has no lasting one."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or not entry.made:
                return
            before, entry.nbytes = entry.nbytes, entry.value.nbytes
            self._nbytes += entry.nbytes - before
            self._forget_the_oldest(newest=key)

    @property
    def nbytes(self) -> int:
        """Bytes held now, about."""
        return self._nbytes

    def __len__(self) -> int:
        return len(self._entries)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()
            self._nbytes = 0

    def _fill(self, key: Hashable, entry: _Entry, make: Callable[[], Any]) -> None:
        try:
            entry.value = make()
        except BaseException:
            with self._lock:
                self._entries.pop(key, None)
            raise
        entry.made, entry.nbytes = True, entry.value.nbytes
        with self._lock:
            if self._entries.get(key) is entry:
                self._nbytes += entry.nbytes
            self._forget_the_oldest(newest=key)

    def _forget_the_oldest(self, newest: Hashable) -> None:
        while self._nbytes > self._max_bytes or len(self._entries) > self._max_entries:
            oldest = next(iter(self._entries))
            if oldest == newest:
                return
            self._nbytes -= self._entries.pop(oldest).nbytes


@cache
def of_this_process() -> SharedCache:
    """The one cache of this worker process: tasks are handed no object that outlives them."""
    return SharedCache()


def forget() -> None:
    """Let go of all that this process shares: no study of a flow run is left to come."""
    of_this_process().clear()
