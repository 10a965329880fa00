"""The points of a grid, counted and indexed without being listed.

Touches no library; takes a `Study`'s grid; gives parameters; driver and workers.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, overload

from orchestrator.errors import ConfigError
from orchestrator.records import Study
from orchestrator.search.spaces import Part, listed, unfolded

Listed = Mapping[str, Sequence[Any]]


class GridPoints(Sequence[Mapping[str, Any]]):
    """Every point of a study's grid, in the order of scikit-learn's `ParameterGrid`.

    The order is part after part; within a part, names are sorted and the last one changes fastest.
    A study without a grid has one point, which sets no parameters. Ranges must be finite: whole
    numbers, or floats with a step. A part with conditions counts as one part for each way to decide
    them. scikit-learn's own class is not used because the driver counts the grids of thousands of
    studies, and should not have to import scikit-learn for that.

    Raises:
        ConfigError: A parameter has no values, or infinitely many.
    """

    def __init__(self, study: Study) -> None:
        self.parts = tuple(
            _listed_part(part, study) for whole in study.grid for part in unfolded(whole)
        ) or ({},)

    @property
    def size(self) -> int:
        """The number of points; Python's `len` fails for more than 2^63."""
        return sum(_size(part) for part in self.parts)

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self.size))]
        position = index + self.size if index < 0 else index
        if position < 0:
            raise IndexError(index)
        for part in self.parts:
            if position < _size(part):
                return _point(part, position)
            position -= _size(part)
        raise IndexError(index)


def is_finite(study: Study) -> bool:
    """Return whether the points of a study's grid can be counted."""
    reachable = (part for whole in study.grid for part in unfolded(whole))
    return all(listed(values) is not None for part in reachable for values in part.values())


def count_at_most(study: Study, most: int) -> int:
    """Return the number of points of a study's grid, or `most` if there are more."""
    return min(most, GridPoints(study).size) if is_finite(study) else most


def _listed_part(part: Part, study: Study) -> Listed:
    """A part's values by name, sorted.

    Raises:
        ConfigError: A parameter has no values, or infinitely many.
    """
    found = {}
    for name, values in sorted(part.items()):
        every = listed(values)
        if every is None:
            raise ConfigError(
                f"the space of study {study.key!r} has no end of values for {name!r}, of which a "
                "grid tries every one; give it a step, or search by `random` or `optuna`",
                key="search.strategy",
            )
        if not every:
            raise ConfigError(
                f"the grid of study {study.key!r} has no values for {name!r}; "
                "give it at least one or leave it out"
            )
        found[name] = every
    return found


def _size(part: Listed) -> int:
    return math.prod(len(values) for values in part.values())


def _point(part: Listed, position: int) -> Mapping[str, Any]:
    chosen = {}
    for name, values in reversed(tuple(part.items())):
        position, index = divmod(position, len(values))
        chosen[name] = values[index]
    return {name: chosen[name] for name in part}
