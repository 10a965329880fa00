"""The values that the studies of one customer share on a worker: data, folds, fitted prefixes.

Touches no library; takes keys and functions that make values; gives values; runs on workers.
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
        """The approximate size in bytes."""
        ...


V = TypeVar("V", bound=Sized)


@dataclass(slots=True)
class _Entry:
    lock: Lock = field(default_factory=Lock)
    value: Any = None
    made: bool = False
    nbytes: int = 0


class SharedCache:
    """A thread-safe cache that makes each value once and evicts the least recently used.

    When two threads need the same value, one makes it and the other waits. A value must not be
    changed after it was made, unless it does its own locking and the caller calls `weigh`
    afterwards. The newest value is kept however large it is.

    Args:
        max_bytes: The approximate limit for all values together, in bytes.
        max_entries: The largest number of values, however small they are.
    """

    def __init__(self, max_bytes: int = MAX_BYTES, max_entries: int = MAX_ENTRIES) -> None:
        self._max_bytes, self._max_entries = max_bytes, max_entries
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._nbytes = 0
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """Return the value of a key, and make it first if it is not cached.

        Raises:
            Exception: Whatever `make` raises; nothing is cached then.
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
        """Read a value's size again, because the value may have grown."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or not entry.made:
                return
            before, entry.nbytes = entry.nbytes, entry.value.nbytes
            self._nbytes += entry.nbytes - before
            self._forget_the_oldest(newest=key)

    @property
    def nbytes(self) -> int:
        """The approximate number of bytes held now."""
        return self._nbytes

    def __len__(self) -> int:
        return len(self._entries)

    def clear(self) -> None:
        """Drop all values."""
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
    """The cache of this worker process: global, because no argument of a task outlives the task."""
    return SharedCache()


def forget() -> None:
    """Drop all shared values of this process once no studies of a flow run are left."""
    of_this_process().clear()
