"""The search space of a study: listed values and ranges, some of them only under conditions.

Touches no library; takes the parts of a study's grid; gives values, order and random points;
driver and workers.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Any

from orchestrator.records import Distribution, Params

Values = tuple[Any, ...] | Distribution
Part = Mapping[str, Values]
"""One part of a grid: a product of lists and ranges."""

_NOTHING = object()


def listed(values: Values) -> Sequence[Any] | None:
    """Return every value in order; None for a range with infinitely many."""
    if not isinstance(values, Distribution):
        return values
    if values.kind == "categorical":
        return values.choices
    if values.low == values.high:
        return (values.low,)
    if values.kind == "int":
        return range(int(values.low), int(values.high) + 1, int(values.step or 1))
    if values.step is None:
        return None
    return _stepped(values, values.step)


def unfolded(part: Part) -> Iterator[Part]:
    """Yield parts without conditions that have the same points: one for each way to decide them."""
    conditions = {n: v.when for n, v in part.items() if isinstance(v, Distribution) and v.when}
    parents = {parent for when in conditions.values() for parent in when}
    first = next((name for name in part if name in parents and name not in conditions), None)
    if first is None:
        yield part
        return
    for value in listed(part[first]) or ():
        yield from unfolded(_decided(part, first, value))


def in_order(part: Part) -> Iterator[tuple[str, Values]]:
    """Yield parameters sorted by name, except that each comes after those it depends on."""
    waiting, settled = dict(sorted(part.items())), set[str]()
    while waiting:
        name = next(n for n, v in waiting.items() if _conditions(v).keys() <= settled)
        yield name, waiting.pop(name)
        settled.add(name)


def is_searched(values: Values, params: Params) -> bool:
    """Return whether a parameter is searched, given the values chosen before it."""
    return all(
        parent in params and _is_in(params[parent], wanted)
        for parent, wanted in _conditions(values).items()
    )


def draw(part: Part, random: Random) -> Params:
    """Draw a point: each parameter independently and uniformly on its scale."""
    params: dict[str, Any] = {}
    for name, values in in_order(part):
        if is_searched(values, params):
            params[name] = _draw(values, random)
    return dict(sorted(params.items()))


def point_of(parts: Sequence[Part], params: Params) -> Params | None:
    """Return the point with these parameters, with the values of the parts; None if there is none.

    Args:
        parts: A study's grid; without parts there is one point, which sets no parameters.
        params: The parameters as a ledger or a file may hold them, with lists for tuples.
    """
    for part in parts or ({},):
        point = _matching(part, params)
        if point is not None:
            return point
    return None


def _matching(part: Part, params: Params) -> Params | None:
    point: dict[str, Any] = {}
    for name, values in in_order(part):
        if not is_searched(values, point):
            continue
        like = next(_like(values, params[name]), _NOTHING) if name in params else _NOTHING
        if like is _NOTHING:
            return None
        point[name] = like
    return dict(sorted(point.items())) if point.keys() == params.keys() else None


def _like(values: Values, wanted: Any) -> Iterator[Any]:
    """The values that have the same JSON as this one."""
    every = listed(values)
    if every is not None:
        yield from (value for value in every if _written(value) == _written(wanted))
    elif isinstance(values, Distribution) and isinstance(wanted, float):
        yield from (wanted,) if values.low <= wanted <= values.high else ()


def _written(value: Any) -> str:
    return json.dumps(value, default=repr)


def _draw(values: Values, random: Random) -> Any:
    every = listed(values)
    if not isinstance(values, Distribution) or (every is not None and not values.log):
        return random.choice(every or ())
    low, high = values.low, values.high
    if values.kind == "int":  # logarithmic; each whole number stands for the interval around it
        drawn = math.exp(random.uniform(math.log(low - 0.5), math.log(high + 0.5)))
        return min(max(round(drawn), int(low)), int(high))
    if values.log:
        return min(max(math.exp(random.uniform(math.log(low), math.log(high))), low), high)
    return random.uniform(low, high)


def _stepped(values: Distribution, step: float) -> tuple[float, ...]:
    """The steps as Optuna counts them: in floats, except the last one, which is a decimal."""
    # The tolerance includes an intended upper bound, although 0.3 / 0.1 is a little less than 3.
    steps = math.floor((values.high - values.low) / step + 1e-9)
    last = float(Decimal(str(values.low)) + steps * Decimal(str(step)))
    return tuple(min(values.low + number * step, last) for number in range(steps + 1))


def _conditions(values: Values) -> Mapping[str, tuple[Any, ...]]:
    return values.when if isinstance(values, Distribution) else {}


def _decided(part: Part, parent: str, value: Any) -> Part:
    """The part with one parameter decided, and without those whose conditions then fail."""
    left: dict[str, Values] = {}
    for name, values in part.items():
        when = dict(_conditions(values))
        if name == parent:
            left[name] = (value,)
        elif parent not in when:
            left[name] = values
        elif isinstance(values, Distribution) and _is_in(value, when.pop(parent)):
            left[name] = replace(values, when=when)
    while orphans := [n for n, v in left.items() if not _conditions(v).keys() <= left.keys()]:
        left = {name: values for name, values in left.items() if name not in orphans}
    return left


def _is_in(value: Any, wanted: Sequence[Any]) -> bool:
    """Whether a value is among these by its repr, because Python treats `1` and `True` as equal."""
    return repr(value) in map(repr, wanted)
