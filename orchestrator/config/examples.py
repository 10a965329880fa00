"""Whole configurations that show every key, in `examples.yaml` beside this module.

Touches no library; takes that file; gives examples and values by key; runs on the driver.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from orchestrator.registry.documents import read_yaml

Examples = Mapping[str, Any]
"""Values by key, such as `evaluation.folds`, `search[optuna].n_trials` or `registry[sql].url`."""

_BETWEEN = "\n---\n"
_CHOSEN_BY = {"registry": ("source", None), "search": ("strategy", "grid")}
"""Sections whose keys depend on the value of one key: that key, and its default value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One whole configuration.

    Attributes:
        title: Its first line, a comment.
        text: The rest of the file.
    """

    title: str
    text: str

    @property
    def document(self) -> Mapping[str, Any]:
        """The content."""
        content: Mapping[str, Any] = read_yaml(self.text)
        return content


def whole_examples() -> tuple[Example, ...]:
    """Return the examples in the order of the file."""
    text = (files(__package__) / "examples.yaml").read_text(encoding="utf-8")
    parts = (part.partition("\n") for part in text.split(_BETWEEN))
    return tuple(Example(title=first.lstrip("# "), text=rest) for first, _, rest in parts)


def read_examples() -> Examples:
    """Return the first value of each key."""
    found: dict[str, Any] = {}
    for example in whole_examples():
        for key, value in _values(example.document, ""):
            found.setdefault(key, value)
    return found


def _values(section: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, value in section.items():
        key = f"{path}.{name}".lstrip(".")
        yield key, value
        if name == "registry" and not path and "source" not in value:
            for each in value.values():
                yield from _values(each, f"registry[{each['source']}]")
        elif name in _CHOSEN_BY and not path:
            by, default = _CHOSEN_BY[name]
            yield from _values(value, f"{name}[{value.get(by, default)}]")
            yield from _values(value, name)
        elif isinstance(value, Mapping):
            yield from _values(value, key)
