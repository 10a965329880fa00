"""Hypothesis strategies for lazy sequences, each with the plain list of what it holds."""

import itertools
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from orchestrator.mapping.authoring.sequences import Lazy, lazy

short_lists = st.lists(st.integers(), max_size=4)


def add_one(x: object) -> str:
    """Return a text that shows what it was made of."""
    return repr(x) + "+1"


@st.composite
def sequences(draw: Callable[..., Any], depth: int = 2) -> tuple[Lazy, list[Any]]:
    """A lazy sequence, and the plain list of what it holds."""
    kind = draw(
        st.sampled_from(["items", "dict", "map", "zip", "fill", "concat"][: 6 if depth else 2])
    )
    if kind == "items":
        known = draw(short_lists)
        return lazy(known), known
    if kind == "dict":
        pairs = draw(st.dictionaries(st.text(max_size=2), st.integers(), max_size=3))
        return lazy(pairs), [*pairs.items()]
    one, known = draw(sequences(depth - 1))
    if kind == "map":
        return one.map(add_one), [add_one(item) for item in known]
    other, others = draw(sequences(depth - 1))
    if kind == "zip":
        return one.zip(other), list(zip(known, others, strict=False))
    if kind == "fill":
        return one.zip(other, fillvalue="-"), list(
            itertools.zip_longest(known, others, fillvalue="-")
        )
    return one.concat(other), known + others
