"""The text that one attempt prints, logs and warns of, bounded: its beginning and its end.

Touches zlib; takes text in pieces; gives the whole, compressed for the way to the driver; runs
wherever tasks run.
"""

import zlib
from collections import deque
from threading import Lock

_LONGEST_PIECE = 4096
"""The step, in bytes, by which the end of a bounded text is cut; up to this much is lost."""


class BoundedText:
    """Collects text; beyond the limit its middle is left out, and a line says how much.

    Args:
        limit: Bytes of UTF-8 that are kept.
    """

    __slots__ = ("_head", "_limit", "_lock", "_room", "_tail", "_tail_size", "_total")

    def __init__(self, limit: int) -> None:
        self._limit, self._lock = limit, Lock()
        self._head: list[bytes] = []
        self._room = limit - limit // 2
        self._tail: deque[bytes] = deque()
        self._tail_size = self._total = 0

    def add(self, text: str) -> None:
        """Add some text, which need not be whole lines."""
        content = text.encode("utf-8", "backslashreplace")
        with self._lock:
            self._total += len(content)
            if self._room:
                self._head.append(content[: self._room])
                content = content[self._room :]
                self._room -= len(self._head[-1])
            for start in range(0, len(content), _LONGEST_PIECE):
                self._tail.append(content[start : start + _LONGEST_PIECE])
                self._tail_size += len(self._tail[-1])
            while self._tail and self._tail_size - len(self._tail[0]) >= self._limit // 2:
                self._tail_size -= len(self._tail.popleft())

    def add_line(self, line: str) -> None:
        """Add a line of its own, even after an unfinished line."""
        last = (self._tail or self._head or [b"\n"])[-1]
        self.add(f"{line}\n" if last.endswith(b"\n") else f"\n{line}\n")

    def text(self) -> str:
        """The text in whole lines; a line overwritten by carriage returns has its last state."""
        with self._lock:
            head, tail = b"".join(self._head), b"".join(self._tail)
            tail = tail[max(0, len(tail) - self._limit // 2) :] if self._total else tail
            whole = len(head) + len(tail) == self._total
        if not whole:
            head = head[: head.rfind(b"\n") + 1] or head + b"\n"
            tail = tail[tail.find(b"\n") + 1 :] or tail
            left_out = self._total - len(head) - len(tail)
            head += f"... {left_out:,} bytes left out ...\n".encode()
        text = (head + tail).decode("utf-8", "replace")
        return "".join(f"{_last_state(line)}\n" for line in text.removesuffix("\n").split("\n"))


def compressed(text: str) -> bytes:
    """Compress text for the way to the driver and for the ledger."""
    return zlib.compress(text.encode())


def uncompressed(content: bytes) -> str:
    """Decompress text."""
    return zlib.decompress(content).decode()


def _last_state(line: str) -> str:
    """The final state of a line on a terminal: a progress bar returns to its beginning."""
    return next((state for state in reversed(line.split("\r")) if state), "")
