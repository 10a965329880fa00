"""The cross product that `expand` makes: row-major, the last axis fastest.

A product of a billion costs nothing until it is taken from. Touches no library; pure; driver.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orchestrator.mapping.authoring.sequences import Combined, Lazy, Origin, checked


class Product(Combined):
    """The cross product of named axes, row-major, the last axis fastest; items are dicts."""

    def __init__(self, axes: Mapping[str, Lazy]) -> None:
        super().__init__(tuple(axes.values()))
        self.axes = dict(axes)

    def __len__(self) -> int:
        return math.prod(len(axis) for axis in self.parts)

    def __getitem__(self, index: int) -> dict[str, Any]:
        columns = self.columns([checked(index, len(self))])
        return {name: column[0] for name, column in columns.items()}

    def columns(self, indices: Sequence[int]) -> dict[str, list[Any]]:
        """Some of the items, as one list for each name, for a batch of calls."""
        lengths = [len(axis) for axis in self.parts]
        columns, stride = {}, math.prod(lengths)
        for (name, axis), length in zip(self.axes.items(), lengths, strict=True):
            stride //= length or 1  # an empty product is never indexed
            columns[name] = axis.at([index // stride % length for index in indices])
        return columns

    def name(self, index: int) -> str | None:
        """The names or places on all axes, joined by `/`; None where no axis has names."""
        if not self.named:
            return None
        places = zip(self.parts, self._places(index), strict=True)
        names = [(axis.name(place), place) for axis, place in places]
        return "/".join(str(place) if name is None else name for name, place in names)

    def require_distinct_names(self) -> None:
        """Check each axis alone: names of a product differ if those of every axis do."""
        for axis in self.parts:
            axis.require_distinct_names()

    def origins(self, index: int) -> tuple[Origin, ...]:
        """The origins of its items on all axes."""
        places = zip(self.parts, self._places(index), strict=True)
        return tuple(origin for axis, place in places for origin in axis.origins(place))

    def bound(self, known: Callable[[Lazy], Lazy]) -> "Product":
        """A product over the bound axes."""
        return Product({name: axis.bound(known) for name, axis in self.axes.items()})

    def _places(self, index: int) -> list[int]:
        """The item's place on every axis."""
        places = [0] * len(self.parts)
        for number in range(len(self.parts) - 1, -1, -1):
            index, places[number] = divmod(index, len(self.parts[number]))
        return places
