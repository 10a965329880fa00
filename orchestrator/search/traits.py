"""The traits of a strategy: the facts about it that the program needs before it searches.

Touches no library; data only; driver and workers.
"""

from collections.abc import Callable
from dataclasses import dataclass


def _nothing_to_check() -> None:
    """Accept the settings, because mistakes in them show when the strategy is constructed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """The traits that a strategy declares.

    Attributes:
        learns: Whether its trials depend on the results it is sent. A strategy that does not learn
            asks for the same trials whatever their results are, and is sent results in the order
            in which trials end.
        prunes: Whether it stops trials early because of their results so far. Such a strategy
            considers one metric only.
        is_exhaustive: Whether it tries every point of the grid, each as a whole.
        resource: The resource of which trials get a share: "folds", "iterations" or "rows"; "" for
            none.
        one_objective: The part of it that takes one objective only, such as the name of a sampler;
            "" if it takes any number.
        check: A function that tries settings whose mistakes show only in use, once for all studies,
            and raises `ConfigError` for them.
    """

    learns: bool = True
    prunes: bool = False
    is_exhaustive: bool = False
    resource: str = ""
    one_objective: str = ""
    check: Callable[[], None] = _nothing_to_check
