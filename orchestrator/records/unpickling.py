"""Records that come out of a pickle quickly.

Touches no library; takes and gives a class; driver and workers.
"""

from collections.abc import Sequence
from typing import TypeVar

R = TypeVar("R")


def quickly_unpickled(record: type[R]) -> type[R]:
    """A frozen record with slots that comes out of a pickle five times as fast.

    What `dataclasses` gives it asks for the record's fields at each object. A flow run in which
    nothing changed does little but unpickle hundreds of thousands of them.
    """
    names: tuple[str, ...] = record.__slots__  # type: ignore[attr-defined]  # dataclass gave it

    def restore(self: object, state: Sequence[object]) -> None:
        for name, value in zip(names, state, strict=True):
            object.__setattr__(self, name, value)

    record.__setstate__ = restore  # type: ignore[attr-defined]  # as pickle looks it up
    return record
