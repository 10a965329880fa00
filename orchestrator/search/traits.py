"""The traits of a strategy: what the rest of the program has to know of it before it searches.

Touches no library; data only; driver and workers.
"""

from collections.abc import Callable
from dataclasses import dataclass


def _nothing_to_check() -> None:
    """Accept the settings: their mistakes show when the strategy is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a strategy declares about itself.

    Attributes:
        learns: Whether its trials follow from the results it is sent. One that does not learn asks
            for the same trials whatever their results are, and is sent results as they end.
        prunes: Whether it gives up trials by what they have so far. Such a strategy looks at one
            metric alone.
        is_exhaustive: Whether it tries every point of the grid, each as a whole.
        resource: What it gives trials a share of: "folds", "iterations", "rows"; "" for nothing.
        one_objective: Which part of it can do with one objective only, such as the name of a
            sampler; "" where it takes any number.
        check: Tries settings whose mistakes show only in use, once for all studies, and raises
            `ConfigError` for them.
    """

    learns: bool = True
    prunes: bool = False
    is_exhaustive: bool = False
    resource: str = ""
    one_objective: str = ""
    check: Callable[[], None] = _nothing_to_check
