"""Implementations of a seam by name: this package's own and those that other packages register.

Each seam has a group of entry points (`orchestrator.sources`, `orchestrator.strategies`, ...). Ours
register in pyproject.toml the same way as those of other packages, so a line that is added there
needs `make install`.

Touches importlib.metadata; takes a group and a name; gives what is registered under it; runs on the
driver and on workers.
"""

import sys
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from orchestrator.errors import ConfigError
from orchestrator.user_code import RaisedError, user_code


def names(group: str) -> tuple[str, ...]:
    """Return the names that are registered in a group, sorted."""
    return tuple(sorted(_registered(group, tuple(sys.path))))


def load(group: str, name: object, *, noun: str, file: str | None = None, key: str) -> Any:
    """Import what is registered under a name.

    Args:
        group: The group of entry points.
        name: The configured name.
        noun: The kind of thing in the group, for messages: "source".
        file: The configuration file, for messages.
        key: The key of the name in the file, for messages.

    Raises:
        ConfigError: The name is unknown, or what it stands for cannot be imported.
    """
    known = _registered(group, tuple(sys.path))
    if not isinstance(name, str) or name not in known:
        problem = f"there is no {noun} {name!r}; known are {', '.join(sorted(known))}"
        raise ConfigError(problem, file=file, key=key)
    try:
        with user_code():
            return known[name].load()
    except RaisedError as error:
        problem = f"the {noun} {name!r} ({known[name].value}) cannot be loaded: {error}"
        raise ConfigError(problem, file=file, key=key) from error


@cache
def _registered(group: str, path: tuple[str, ...]) -> dict[str, EntryPoint]:
    return {point.name: point for point in _installed(path) if point.group == group}


@cache
def _installed(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:  # noqa: ARG001 - a key of the cache
    """Return the entry points of our groups; finding them reads every package's metadata (5 ms)."""
    found = entry_points()
    groups = [group for group in found.groups if group.startswith("orchestrator.")]
    return tuple(point for group in groups for point in found.select(group=group))
