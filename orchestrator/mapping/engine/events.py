"""The engine's instructions and effects, as plain records; its events are those of executors.

Touches no library; made and read by the driver loop and the coordinators; driver.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Start:
    """An instruction: start these instances of a node."""

    node: int
    indices: Sequence[int]
    suspect: bool = False


@dataclass(frozen=True, slots=True)
class Retry:
    """An instruction: call the engine's `due` after this many seconds."""

    node: int
    index: int
    delay: float


@dataclass(slots=True)
class Effects:
    """The effects of events since the last call of `Engine.effects`.

    Attributes:
        ended: Instances that have ended, by the number of their node: for the record. The index
            -1 stands for a map that ended without any instance.
        retries: Instances to retry later.
        cancelled: Running ones that are no longer wanted.
        done: Nodes all of whose instances have ended.
    """

    ended: list[tuple[int, Sequence[int]]] = field(default_factory=list)
    retries: list[Retry] = field(default_factory=list)
    cancelled: list[tuple[int, Sequence[int]]] = field(default_factory=list)
    done: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.ended or self.retries or self.cancelled or self.done)
