"""Ranges of a search space, written in Optuna's terms -> `Distribution`.

    C: {float: [0.01, 100], log: true}
    n_estimators: {int: [50, 500], step: 50}
    kernel: {categorical: [rbf, linear]}                  # same as a plain list
    gamma: {float: [0.001, 1], log: true, when: {kernel: rbf}}    # or a list of values

`when` names other parameters of the same part and the values at which this parameter is searched;
at other values it keeps its default.

Touches no library; takes JSON values of a row; gives records and problems; runs on the driver.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from orchestrator.records import Distribution
from orchestrator.registry.cells import RowProblem

_KINDS: tuple[Literal["float", "int", "categorical"], ...] = ("float", "int", "categorical")
_LARGEST_WHOLE = 2**53
"""The largest whole number that every float, and so every sampler, represents exactly."""

_MOST_STEPS = 1_000_000
"""The largest number of values of a float with a step; they are listed in memory."""

_OPTIONS = {"float": {"log", "step"}, "int": {"log", "step"}, "categorical": set[str]()}


def read_distribution(given: Mapping[str, Any]) -> Distribution:
    """Parse the range that a mapping describes.

    Raises:
        ValueError: The mapping does not describe a range; the message says why.
    """
    stated = {name: value for name, value in given.items() if value is not None}
    kinds = [kind for kind in _KINDS if kind in stated]
    if len(kinds) != 1:
        raise ValueError(f"must have one of {', '.join(_KINDS)}, such as {{float: [0.1, 10]}}")
    kind = kinds[0]
    known = {kind, "when", *_OPTIONS[kind]}
    for name in stated:
        if name not in known:
            raise ValueError(f"has {name!r}, which {kind} does not take; it takes {_listed(known)}")
    when = _read_when(stated.get("when", {}))
    if kind == "categorical":
        return Distribution(kind=kind, choices=read_values(stated[kind]), when=when)
    low, high = _bounds(kind, stated[kind])
    log, step = stated.get("log", False), stated.get("step")
    step = None if step is None else _number(kind, step)
    _require_scale(low, log, step)
    _require_size(kind, low, high, step)
    return Distribution(kind=kind, low=low, high=high, log=log, step=step, when=when)


def read_values(value: Any) -> tuple[Any, ...]:
    """Return the values of a list.

    Raises:
        ValueError: The value is not a list, is empty, or repeats an item.
    """
    if not isinstance(value, list):
        raise ValueError(f"is {value!r}; give a list of values")
    if not value:
        raise ValueError("has no values; list at least one")
    value = [in_one_order(item) for item in value]
    seen: set[str] = set()
    for item in map(repr, value):
        if item in seen:
            raise ValueError(f"lists {item} more than once")
        seen.add(item)
    return tuple(value)


def in_one_order(value: Any) -> Any:
    """Sort the keys of every mapping in the value, so that equal values are written equally."""
    if isinstance(value, dict):
        return {name: in_one_order(value[name]) for name in sorted(value)}
    return [in_one_order(each) for each in value] if isinstance(value, list) else value


def condition_problems(
    key: str, part: Mapping[str, tuple[Any, ...] | Distribution]
) -> Iterator[RowProblem]:
    """Yield the problems of the `when` of a part's parameters.

    Args:
        key: The name of the part in problems, such as `space`.
        part: The parameters of the part.
    """
    conditions = {n: v.when for n, v in part.items() if isinstance(v, Distribution) and v.when}
    for name, when in conditions.items():
        for parent, wanted in when.items():
            problem = _problem_of_condition(part.get(parent), parent, wanted)
            if problem:
                yield RowProblem(f"{key}.{name}.when.{parent}", problem)
    circle = _circle(conditions)
    if circle:
        yield RowProblem(f"{key}.{circle[0]}.when", f"depends on itself: {' -> '.join(circle)}")


def _problem_of_condition(
    values: tuple[Any, ...] | Distribution | None, parent: str, wanted: Sequence[Any]
) -> str:
    if values is None:
        return "is not a searched parameter of this part"
    choices = values.choices if isinstance(values, Distribution) else values
    if not choices:
        return (
            f"refers to {parent!r}, which is a range; `when` needs a parameter with listed values"
        )
    unknown = [value for value in wanted if repr(value) not in map(repr, choices)]
    return f"never has the value {unknown[0]!r}; its values are {list(choices)}" if unknown else ""


def _circle(conditions: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return a cycle among the conditions; empty without one."""
    for start in conditions:
        chain, ahead = [start], [iter(conditions[start])]
        while ahead:
            name = next(ahead[-1], None)
            if name is None:
                ahead.pop()
                chain.pop()
            elif name in chain:
                return [*chain[chain.index(name) :], name]
            else:
                chain.append(name)
                ahead.append(iter(conditions.get(name, {})))
    return []


def _read_when(given: Any) -> dict[str, tuple[Any, ...]]:
    if not isinstance(given, Mapping):
        raise ValueError(f"has when: {given!r}; give it as {{parameter: value}}")
    return {
        name: read_values(wanted if isinstance(wanted, list) else [wanted])
        for name, wanted in sorted(given.items())
    }


def _bounds(kind: str, given: Any) -> tuple[float, float]:
    if not isinstance(given, list) or len(given) != 2:
        raise ValueError(f"has {kind}: {given!r}; give it as [low, high]")
    low, high = (_number(kind, bound) for bound in given)
    if low > high:
        raise ValueError(f"has low {low} above high {high}")
    return low, high


def _number(kind: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"has {value!r}, which is not a finite number")
    if kind == "int" and value != int(value):
        raise ValueError(f"has {value!r}, which is not a whole number")
    return int(value) if kind == "int" else float(value)


def _require_scale(low: float, log: Any, step: float | None) -> None:
    if not isinstance(log, bool):
        raise ValueError(f"has log: {log!r}; expected true or false")
    if log and low <= 0:
        raise ValueError(f"has log: true, and low is {low}; it must be above zero")
    if step is None:
        return
    if log:
        raise ValueError("has both log and step; give one of them")
    if step <= 0:
        raise ValueError(f"has step {step}; it must be above zero")


def _require_size(kind: str, low: float, high: float, step: float | None) -> None:
    """Refuse a range that samplers cannot compute with, or that has too many steps."""
    if kind == "int" and max(abs(low), abs(high)) > _LARGEST_WHOLE:
        raise ValueError(
            f"reaches from {low} to {high}; whole numbers are searched between -2^53 and 2^53"
        )
    if not math.isfinite(high - low):
        raise ValueError(f"reaches from {low} to {high}, which is wider than a float can hold")
    if kind == "float" and step is not None and (high - low) / step > _MOST_STEPS:
        raise ValueError(f"has step {step}, which makes more than {_MOST_STEPS:,} values")


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
