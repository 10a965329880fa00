"""The sequences a task maps over: lazy, counted and indexed without being iterated.

    Items       a list, range, dict (as pairs) or another iterable of known items
    Mapped      `.map(f)`: the same length, f applied where the item is consumed
    Zip         `.zip(...)`: the shortest, or the longest with a fill value
    Concat      `.concat(...)`: one after the other

The product of several, which `expand` makes, is in `product`.

The law: a length follows from the inputs' lengths alone. Leaves may be references to nodes whose
items are known only at run time; `bound` replaces them by the known items.

Touches no library; pure; runs on the driver.
"""

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any, NamedTuple

from orchestrator import keys
from orchestrator.errors import FlowError
from orchestrator.mapping.authoring.rows import names_of_rows, rows
from orchestrator.mapping.execution.invoke import Deferred, Zipped
from orchestrator.user_code import shown

MOST_LEVELS = 100
"""So deep sequences may be inside each other: all that is asked of them goes down level by level,
on workers too, and Python allows about a thousand calls."""


class Origin(NamedTuple):
    """An instance whose value an item is made of: the number of its node, and its map index."""

    node: int
    instance: int


class Lazy(ABC):
    """A lazy sequence: the type that `expand` takes and that references to tasks are.

    Sub-classes define the number of items, each item, its name, and the instances it comes from.
    """

    levels = 0
    """The depth of other sequences inside it."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, index: int) -> Any: ...

    @abstractmethod
    def name(self, index: int) -> str | None:
        """The item's lasting name; None when only its index identifies it."""

    @property
    def named(self) -> bool:
        """Whether any item may have a name."""
        return False

    @property
    def label(self) -> str | None:
        """The name of the node whose instances the items are; None for other items."""
        return None

    def origins(self, index: int) -> tuple[Origin, ...]:  # noqa: ARG002 - leaves have none
        """The instances whose values the item is made of."""
        return ()

    def require_distinct_names(self) -> None:
        """Refuse two items with one name (law 1).

        Raises:
            FlowError: Two items have one name; the message shows both.
        """
        first: dict[str, int] = {}
        for index in range(len(self)) if self.named else ():
            name = self.name(index)
            name = str(index) if name is None else name
            other = first.setdefault(name, index)
            if other != index:
                both = f"{shown(self[other])} and {shown(self[index])}"
                raise FlowError(f"two items have the key {name!r}: {both}")

    def leaves(self) -> Iterator["Lazy"]:
        """The leaves, left to right."""
        yield self

    def bound(self, known: Callable[["Lazy"], "Lazy"]) -> "Lazy":
        """The same sequence over its leaves' items, now known."""
        return known(self)

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def at(self, indices: Iterable[int]) -> list[Any]:
        """Some of the items."""
        return [self[index] for index in indices]

    def map(self, function: Callable[[Any], Any]) -> "Lazy":
        """Each item passed through a plain function, applied where the item is consumed."""
        if not callable(function) or hasattr(function, "expand"):
            raise FlowError(
                f"map() takes a plain function, not {function!r}; for a task, expand it"
            )
        return self._then(function)

    def _then(self, function: Callable[[Any], Any]) -> "Lazy":
        return Mapped(self, (function,))

    def zip(self, *others: Any, strict: bool = False, **fill: Any) -> "Lazy":
        """Items side by side.

        Args:
            *others: The sequences to zip with.
            strict: Whether different lengths are an error.
            **fill: `fillvalue=` makes the result as long as the longest, filled with it.
        """
        if fill.keys() - {"fillvalue"}:
            raise FlowError(f"zip() takes strict= and fillvalue=, not {', '.join(fill)}=")
        return Zip([self, *map(lazy, others)], strict=strict, fill=tuple(fill.values()))

    def concat(self, *others: Any) -> "Lazy":
        """Items one after the other."""
        return Concat([self, *map(lazy, others)])


def lazy(value: Any) -> Lazy:
    """Anything that can be mapped over, as a lazy sequence.

    Raises:
        FlowError: It is a str, bytes, int or set, or has no items; the message names the type.
    """
    if isinstance(value, Lazy):
        return value
    if isinstance(value, Mapping):
        return Items([*value.items()], [keys.part(str(key)) for key in value])
    if isinstance(value, range):
        return Items(value)
    if isinstance(value, str | bytes | bytearray | int | float | set | frozenset):
        raise FlowError(f"cannot map over {type(value).__name__}: give a list, dict or iterable")
    if hasattr(value, "itertuples"):
        return Items(rows(value), names_of_rows(value))
    if isinstance(value, list | tuple):
        return Items(value, _ids(value))
    if isinstance(value, Iterable):  # iterated now: a user's own class may raise
        known = list(value)
        return Items(known, _ids(known))
    raise FlowError(f"cannot map over {type(value).__name__}: give a list, dict or iterable")


def _ids(items: Sequence[Any]) -> Sequence[str] | None:
    """The items' own ids (a mapping's "id", or an attribute `id`); None where no item has one."""
    found = [_id(item) for item in items]
    if not any(name is not None for name in found):
        return None
    return [str(index) if name is None else name for index, name in enumerate(found)]


def _id(item: Any) -> str | None:
    if isinstance(item, int | float | str | None):
        return None
    found = item.get("id") if isinstance(item, Mapping) else getattr(item, "id", None)
    return keys.part(str(found)) if isinstance(found, str | int) else None


class Items(Lazy):
    """Known items, and their names where they have any."""

    def __init__(self, items: Sequence[Any], names: Sequence[str] | None = None) -> None:
        self._items, self._names = items, names

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Any:
        return self._items[index]

    def at(self, indices: Iterable[int]) -> list[Any]:
        """Some of the items."""
        items = self._items
        return [items[index] for index in indices]

    @property
    def named(self) -> bool:
        """Whether they have names."""
        return self._names is not None

    def name(self, index: int) -> str | None:
        """The item's name."""
        return None if self._names is None else self._names[index]


class Mapped(Lazy):
    """A sequence whose items pass through functions, in this order, when they are consumed."""

    def __init__(self, inner: Lazy, functions: tuple[Callable[[Any], Any], ...]) -> None:
        self.inner, self.functions = inner, functions
        self.levels = inner.levels

    def __len__(self) -> int:
        return len(self.inner)

    def __getitem__(self, index: int) -> Any:
        item = self.inner[index]
        if type(item) is Deferred:
            return Deferred(item.item, (*item.functions, *self.functions))
        return Deferred(item, self.functions)

    def _then(self, function: Callable[[Any], Any]) -> Lazy:
        return Mapped(self.inner, (*self.functions, function))

    @property
    def named(self) -> bool:
        """Whether the items below have names."""
        return self.inner.named

    @property
    def label(self) -> str | None:
        """The label of the sequence below."""
        return self.inner.label

    def require_distinct_names(self) -> None:
        """Check the sequence below."""
        self.inner.require_distinct_names()

    def name(self, index: int) -> str | None:
        """The name of the item below."""
        return self.inner.name(index)

    def origins(self, index: int) -> tuple[Origin, ...]:
        """The origins of the item below."""
        return self.inner.origins(index)

    def leaves(self) -> Iterator[Lazy]:
        """The leaves of the sequence below."""
        return self.inner.leaves()

    def bound(self, known: Callable[[Lazy], Lazy]) -> Lazy:
        """The same functions over the bound sequence below."""
        return Mapped(self.inner.bound(known), self.functions)


class Combined(Lazy):
    """A sequence made of several.

    Attributes:
        parts: The sequences it is made of.

    Raises:
        FlowError: Too many are inside each other.
    """

    def __init__(self, parts: Sequence[Lazy]) -> None:
        self.parts = tuple(parts)
        self.levels = 1 + max((part.levels for part in self.parts), default=0)
        if self.levels > MOST_LEVELS:
            raise FlowError(
                f"more than {MOST_LEVELS} sequences are inside each other, such as a zip of a zip: "
                "give one zip() or concat() all its sequences"
            )

    @property
    def named(self) -> bool:
        """Whether the items of any part have names."""
        return any(part.named for part in self.parts)

    def leaves(self) -> Iterator[Lazy]:
        """The leaves of all parts."""
        for part in self.parts:
            yield from part.leaves()


class Zip(Combined):
    """Items side by side; `fill` is empty, or holds the one fill value."""

    def __init__(self, parts: Sequence[Lazy], *, strict: bool, fill: tuple[Any, ...]) -> None:
        super().__init__(parts)
        self._strict, self._fill = strict, fill

    def __len__(self) -> int:
        lengths = [len(part) for part in self.parts]
        if self._strict and len(set(lengths)) > 1:
            listed = " and ".join(map(str, lengths))
            raise FlowError(f"zip(strict=True) over sequences of different lengths: {listed}")
        return max(lengths) if self._fill else min(lengths)

    def __getitem__(self, index: int) -> Any:
        position = checked(index, len(self))
        return Zipped(
            part[position] if position < len(part) else self._fill[0] for part in self.parts
        )

    def name(self, index: int) -> str | None:
        """The first name that a part has for the item."""
        names = (part.name(index) for part in self.parts if index < len(part))
        return next((name for name in names if name is not None), None)

    def origins(self, index: int) -> tuple[Origin, ...]:
        """The origins in all parts."""
        present = (part for part in self.parts if index < len(part))
        return tuple(origin for part in present for origin in part.origins(index))

    def bound(self, known: Callable[[Lazy], Lazy]) -> Lazy:
        """A zip over the bound parts."""
        parts = [part.bound(known) for part in self.parts]
        return Zip(parts, strict=self._strict, fill=self._fill)


class Concat(Combined):
    """Items one after the other.

    Where two parts or more are instances of mapped nodes, which may have the same keys, each key
    begins with the name of its node: `load/acme`, `guess/acme`.
    """

    def concat(self, *others: Any) -> "Lazy":
        """Items one after the other, as parts of one `Concat`, so that nesting stays flat."""
        return Concat([*self.parts, *map(lazy, others)])

    def __len__(self) -> int:
        return sum(len(part) for part in self.parts)

    def __getitem__(self, index: int) -> Any:
        part, position = self._place(checked(index, len(self)))
        return part[position]

    def name(self, index: int) -> str | None:
        """The item's name in its own part."""
        number, position = self._numbered_place(index)
        name, label = self.parts[number].name(position), self._labels[number]
        return name if name is None or label is None else keys.below(keys.part(label), name)

    def require_distinct_names(self) -> None:
        """Check each part alone if labels distinguish the parts, else all items together."""
        if all(self._labels):
            for part in self.parts:
                part.require_distinct_names()
        else:
            super().require_distinct_names()

    def origins(self, index: int) -> tuple[Origin, ...]:
        """The origins in its own part."""
        part, position = self._place(index)
        return part.origins(position)

    def bound(self, known: Callable[[Lazy], Lazy]) -> Lazy:
        """A concatenation of the bound parts."""
        return Concat([part.bound(known) for part in self.parts])

    @cached_property
    def _labels(self) -> list[str | None]:
        """The beginning of each part's names."""
        labels = [part.label for part in self.parts]
        if sum(label is not None for label in labels) < 2:
            return [None] * len(labels)
        seen: Counter[str] = Counter()
        for number, label in enumerate(labels):
            if label is not None:
                seen[label] += 1
                labels[number] = label if seen[label] == 1 else f"{label}_{seen[label]}"
        return labels

    @cached_property
    def _ends(self) -> list[int]:
        return list(accumulate(len(part) for part in self.parts))

    def _place(self, index: int) -> tuple[Lazy, int]:
        number, position = self._numbered_place(index)
        return self.parts[number], position

    def _numbered_place(self, index: int) -> tuple[int, int]:
        number = bisect_right(self._ends, index)
        return number, index - (self._ends[number - 1] if number else 0)


def checked(index: int, length: int) -> int:
    """The index counted from the front."""
    position = index + length if index < 0 else index
    if not 0 <= position < length:
        raise IndexError(f"index {index} of a sequence of {length}")
    return position
