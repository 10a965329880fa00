"""The points of a grid, counted and indexed without being listed.

Touches no library; takes a `Study`'s grid; gives parameters; driver and workers.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, overload

from orchestrator.errors import ConfigError
from orchestrator.records import Study


class GridPoints(Sequence[Mapping[str, Any]]):
    """Every point of a study's grid, in the order of scikit-learn's `ParameterGrid`.

    That is: part after part; within a part, names sorted, the last one changing fastest. A study
    without a grid has one point, which sets nothing. scikit-learn's own class is not used because
    the driver counts grids of thousands of studies and need not wait for scikit-learn's import.

    Raises:
        ConfigError: A parameter has no values.
    """

    def __init__(self, study: Study) -> None:
        for part in study.grid:
            for name, values in part.items():
                if not values:
                    raise ConfigError(
                        f"the grid of study {study.key!r} has no values for {name!r}; "
                        "give it at least one or leave it out"
                    )
        self.parts = tuple(dict(sorted(part.items())) for part in study.grid) or ({},)

    def __len__(self) -> int:
        return sum(_size(part) for part in self.parts)

    @overload
    def __getitem__(self, index: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mapping[str, Any]]: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        position = index + len(self) if index < 0 else index
        if position < 0:
            raise IndexError(index)
        for part in self.parts:
            if position < _size(part):
                return _point(part, position)
            position -= _size(part)
        raise IndexError(index)


def _size(part: Mapping[str, Sequence[Any]]) -> int:
    return math.prod(len(values) for values in part.values())


def _point(part: Mapping[str, Sequence[Any]], position: int) -> Mapping[str, Any]:
    chosen = {}
    for name, values in reversed(tuple(part.items())):
        position, index = divmod(position, len(values))
        chosen[name] = values[index]
    return {name: chosen[name] for name in part}
