"""What is checked of a section that becomes a record: its keys, its numbers, their bounds.

Touches pydantic; takes records' types and names of their fields; gives validators; driver.
"""

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from math import inf, isfinite
from typing import Any

from pydantic import AfterValidator, BeforeValidator

LONGEST = 1e9
"""Seconds: 30 years. Clocks of operating systems fail on much longer waits."""

_LARGEST = 2**53
"""Beyond it floats skip whole numbers, and databases and C libraries refuse them."""


def keys_of(record: type) -> BeforeValidator:
    """Refuse keys the record does not have: pydantic would let them pass in silence."""
    known = [field.name for field in fields(record)]

    def check(value: Any) -> Any:
        unknown = sorted(map(str, value.keys() - known)) if isinstance(value, Mapping) else []
        if unknown:
            raise ValueError(unknown_key(unknown[0], known))
        return value

    return BeforeValidator(check)


def numbers_of(record: type) -> BeforeValidator:
    """Refuse what pydantic would take for a number of the record: texts, true and false, .inf."""
    numeric = {int, int | None, float, float | None}
    names = [field.name for field in fields(record) if field.type in numeric]

    def check(value: Any) -> Any:
        given = {name: value.get(name) for name in names} if isinstance(value, Mapping) else {}
        for name, number in given.items():
            if isinstance(number, bool | str) or (
                isinstance(number, float) and not isfinite(number)
            ):
                raise ValueError(f"{name} must be a finite number")
            if isinstance(number, int | float) and abs(number) > _LARGEST:
                raise ValueError(f"{name} must be between -2^53 and 2^53")
        return value

    return BeforeValidator(check)


def unknown_key(key: str, known: list[str]) -> str:
    """What is said of a key that is not known: which was likely meant."""
    close = get_close_matches(key, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
    return f"unknown key {key!r}; {hint}"


def within(name: str, least: float, most: float = inf) -> AfterValidator:
    """Refuse a record in which this number could never work."""

    def check(record: Any) -> Any:
        number = getattr(record, name)
        if number is not None and not least <= number <= most:
            bound = f"at least {least:g}" if number < least else f"at most {most:g}"
            raise ValueError(f"{name} must be {bound}, not {number:g}")
        return record

    return AfterValidator(check)
