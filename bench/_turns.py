"""Ways of doing one thing, in turn and in one process, so that all of them see the same machine."""

import sys
import time
from collections.abc import Callable, Mapping
from math import inf
from typing import TypeVar

from rich.console import Console
from rich.table import Table

T = TypeVar("T")

ROUNDS, QUICK_ROUNDS = 5, 3
WARM_UP = 0

Figures = dict[str, float | str]
"""What programs measure, by name; a text says why there is no number."""


def in_turn(
    what: str, ways: Mapping[str, Callable[[int], T]], *, rounds: int, budget: float = inf
) -> dict[str, list[T]]:
    """What each way gave in each round; every other round goes through them backwards.

    Args:
        what: Is being done, for the lines that say how far it is.
        ways: Each is told the number of the round; what the first, `WARM_UP`, gives is dropped.
        rounds: How many count.
        budget: Seconds of a way in all: one that has used them up is left out of later rounds.
    """
    given: dict[str, list[T]] = {name: [] for name in ways}
    spent = dict.fromkeys(ways, 0.0)
    for number in range(rounds + 1):
        for name in list(ways)[:: -1 if number % 2 else 1]:
            if spent[name] >= budget and given[name]:
                continue
            began = time.perf_counter()
            answer = ways[name](number)
            seconds = time.perf_counter() - began
            say(f"{what}: {name}, round {number} of {rounds}, {seconds:.1f} s")
            if number != WARM_UP:
                given[name].append(answer)
                spent[name] += seconds
    return given


def say(line: str) -> None:
    """Tell who waits."""
    print(f"  {line}", file=sys.stderr, flush=True)


def show(figures: Figures) -> None:
    """One table."""
    table = Table("figure", "value")
    table.columns[1].justify = "right"
    for name, value in figures.items():
        table.add_row(name, value if isinstance(value, str) else f"{value:,.3f}")
    Console().print(table)
