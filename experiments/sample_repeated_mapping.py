"""Airflow's example of repeated mapping: a map over two lists, and the reduce of its values.

    orchestrator run experiments/sample_repeated_mapping.py

shows `[print_x] [7, 12, 9, 14, 13, 18]`: two plus five, two plus ten, four plus five, and so on.
"""

from collections.abc import Sequence

from orchestrator import flow, task


@task
def add(x: int, y: int) -> int:
    """Return one sum."""
    return x + y


@task
def print_x(x: Sequence[int]) -> None:
    """Print all sums."""
    print(list(x))


@flow
def sample_repeated_mapping() -> None:
    """Six instances of `add`, and one of `print_x`."""
    added = add.expand(x=[2, 4, 8], y=[5, 10])
    print_x(added)
