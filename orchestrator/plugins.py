"""Implementations of a seam by name: this package's own and those that other packages register.

Each seam has a group of entry points (`orchestrator.sources`, `orchestrator.strategies`, ...). Ours
register in pyproject.toml the same way as those of other packages.

Touches importlib.metadata; takes a group and a name; gives what is registered under it; runs on the
driver and on workers.
"""

import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from orchestrator.errors import ConfigError


def names(group: str) -> tuple[str, ...]:
    """Return the names that are registered in a group, sorted."""
    return tuple(sorted(_registered(group, tuple(sys.path))))


def load(group: str, name: object, *, noun: str, file: str | None = None, key: str) -> Any:
    """Import what is registered under a name.

    Args:
        group: The group of entry points.
        name: The name, as it was configured.
        noun: What the group holds, for messages: "source".
        file: The configuration file, for messages.
        key: Where the name stands in it, for messages.

    Raises:
        ConfigError: The name is unknown, or what it stands for cannot be imported.
    """
    known = _registered(group, tuple(sys.path))
    if not isinstance(name, str) or name not in known:
        problem = f"there is no {noun} {name!r}; known are {', '.join(sorted(known))}"
        raise ConfigError(problem, file=file, key=key)
    try:
        return known[name].load()
    except (ImportError, AttributeError) as error:
        problem = f"the {noun} {name!r} ({known[name].value}) cannot be loaded: {error}"
        raise ConfigError(problem, file=file, key=key) from error


@cache
def _registered(group: str, path: tuple[str, ...]) -> Mapping[str, EntryPoint]:  # noqa: ARG001 - the path is a part of the cache's key
    """Return the entry points by name; finding them reads every package's metadata (5 ms)."""
    return {point.name: point for point in entry_points(group=group)}
