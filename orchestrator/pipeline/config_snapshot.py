"""The copy of a configuration stored with a flow run: mask secrets, compare, restore secrets.

Touches no library; takes and gives documents in the form of a configuration file, with `${NAME}`
not yet replaced; pure, runs on the driver.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

HIDDEN = "***"
"""The text that replaces a secret written into the configuration."""

_PASSWORD_IN_ADDRESS = re.compile(r"(?<=://)([^/@:\s]*):(?!\$\{)([^/@\s]+)@")
_SECRET_KEY = re.compile(r"password|passwd|secret|token|authorization|api_?key", re.IGNORECASE)
_LISTS = frozenset({"models", "customers"})
_NOTHING = object()


def kept(document: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The part of a configuration that is stored: no secrets, and no lists (see the snapshot)."""
    return None if document is None else masked(_without_lists(document))


def masked(document: Any, key: str = "") -> Any:
    """The document with `***` in place of anything that looks like a secret, except `${NAME}`."""
    if isinstance(document, Mapping):
        return {name: masked(value, str(name)) for name, value in document.items()}
    if isinstance(document, list):
        return [masked(value, key) for value in document]
    if not isinstance(document, str):
        return document
    if _SECRET_KEY.search(key) and "${" not in document:
        return HIDDEN
    return _PASSWORD_IN_ADDRESS.sub(rf"\1:{HIDDEN}@", document)


def with_secrets(document: Any, now: Any) -> Any:
    """The document with its hidden values filled in from the same places of another document."""
    if isinstance(document, Mapping):
        others = now if isinstance(now, Mapping) else {}
        return {name: with_secrets(value, others.get(name)) for name, value in document.items()}
    if isinstance(document, list):
        same = isinstance(now, list) and len(now) == len(document)
        return [
            with_secrets(value, other)
            for value, other in zip(document, now if same else document, strict=True)
        ]
    is_hidden = isinstance(document, str) and HIDDEN in document
    return now if is_hidden and now is not None else document


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The differences of what is stored, one line per key: `gate.min_gain: 0.0 -> 0.01`."""
    old, new = dict(_leaves(kept(before))), dict(_leaves(kept(after)))
    return [
        f"{key}: {_shown(old.get(key, _NOTHING))} -> {_shown(new.get(key, _NOTHING))}"
        for key in dict.fromkeys((*old, *new))
        if old.get(key, _NOTHING) != new.get(key, _NOTHING)
    ]


def _without_lists(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document without inline lists of models and customers, which may be long."""
    registry = document.get("registry")
    if not isinstance(registry, Mapping) or registry.get("source") != "inline":
        return dict(document)
    without = {key: value for key, value in registry.items() if key not in _LISTS}
    return {**document, "registry": without}


def _leaves(document: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if not isinstance(document, Mapping):
        yield key, document
        return
    for name, value in document.items():
        yield from _leaves(value, f"{key}.{name}" if key else str(name))


def _shown(value: Any) -> str:
    return "(not there)" if value is _NOTHING else repr(value)
