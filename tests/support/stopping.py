"""A `stop` for `line.run` that first acts once the flow has begun."""

from collections.abc import Callable
from itertools import count

ASKED_BEFORE = 3
"""How often a run asks until the flow begins: once it has the lists, the lease, the cluster."""


def once_begun(do: Callable[[], object] | None = None) -> Callable[[], bool]:
    """A `stop` that says yes from the flow's beginning on.

    Args:
        do: Where given, it is called once at the flow's beginning instead, and nothing stops.
    """
    asked = count()

    def stop() -> bool:
        number = next(asked)
        if do is not None and number == ASKED_BEFORE:
            do()
        return do is None and number >= ASKED_BEFORE

    return stop
