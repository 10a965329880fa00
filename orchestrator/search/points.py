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

    That is: part after part; within a part, names sorted, the last one changing fastest. A study
    without a grid has one point, which sets nothing. Ranges count where they are finite: whole
    numbers, and floats with a step; a part with conditions is as many parts as there are ways to
    decide them. scikit-learn's own class is not used because the driver counts grids of thousands
    of studies and need not wait for scikit-learn's import.

    Raises:
        ConfigError: A parameter has no values, or no end of them.
    """

    def __init__(self, study: Study) -> None:
        self.parts = tuple(
            _listed_part(part, study) for whole in study.grid for part in unfolded(whole)
        ) or ({},)

    @property
    def size(self) -> int:
        """How many there are; Python's `len` fails where they are more than 2^63."""
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
    """Whether the points of a study's grid can be counted."""
    reachable = (part for whole in study.grid for part in unfolded(whole))
    return all(listed(values) is not None for part in reachable for values in part.values())


def count_at_most(study: Study, most: int) -> int:
    """The points of a study's grid, or `most` where there are more."""
    return min(most, GridPoints(study).size) if is_finite(study) else most


def _listed_part(part: Part, study: Study) -> Listed:
    """A part's values by name, sorted.

    Raises:
        ConfigError: There are none, or no end of them.
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
