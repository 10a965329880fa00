"""The checks of a section that becomes a record: its keys, its numbers, their bounds.

Touches pydantic; takes types of records and names of their fields; gives validators; driver.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from math import inf, isfinite
from typing import Any

from pydantic import BeforeValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema

from orchestrator.clusters import Cluster, own_settings

LONGEST = 1e9
"""Seconds: 30 years. Clocks of operating systems fail on much longer waits."""

_LARGEST = 2**53
"""Beyond this, floats skip whole numbers, and databases and C libraries refuse them."""


def keys_of(record: type) -> BeforeValidator:
    """Refuse keys that the record does not have; pydantic would silently ignore them."""
    known = [field.name for field in fields(record)]

    def check(value: Any) -> Any:
        unknown = sorted(map(str, value.keys() - known)) if isinstance(value, Mapping) else []
        if unknown:
            raise ValueError(unknown_key(unknown[0], known))
        return value

    return BeforeValidator(check)


def cluster_fields(value: Any) -> Any:
    """Split `{kind: ssh, hosts: [...]}` into fields of `Cluster` and settings of the kind."""
    if not isinstance(value, Mapping):
        return value
    common = [field.name for field in fields(Cluster) if field.name != "settings"]
    own = own_settings(value.get("kind", Cluster().kind))
    unknown = sorted(map(str, value.keys() - {*common, *own}))
    if unknown:
        raise ValueError(unknown_key(unknown[0], [*common, *own]))
    settings = {key: value[key] for key in own if key in value}
    return {key: value[key] for key in value if key not in settings} | {"settings": settings}


def numbers_of(record: type) -> BeforeValidator:
    """Refuse values that pydantic would convert to numbers: texts, true, false, and .inf."""
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
    """Return the message about an unknown key, with the key that was probably meant."""
    close = get_close_matches(key, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
    return f"unknown key {key!r}; {hint}"


@dataclass(frozen=True, slots=True)
class within:  # noqa: N801 - used in annotations beside pydantic's own functions
    """A validator that refuses a number out of bounds; the schema states the bounds.

    Args:
        name: The number's attribute.
        least: The minimum value.
        most: The maximum value.
    """

    name: str
    least: float
    most: float = inf

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        found = handler(schema)
        number = handler.resolve_ref_schema(found)["properties"][self.name]
        bounds = {"minimum": self.least} | ({} if self.most == inf else {"maximum": self.most})
        for each in number.get("anyOf", [number]):
            if each.get("type") in {"integer", "number"}:
                each.update(bounds)
        return found

    def _check(self, record: Any) -> Any:
        number = getattr(record, self.name)
        if number is not None and not self.least <= number <= self.most:
            is_less = number < self.least
            bound = f"at least {self.least:g}" if is_less else f"at most {self.most:g}"
            raise ValueError(f"{self.name} must be {bound}, not {number:g}")
        return record
