"""Points of a study's grid as suggestions of an Optuna trial, in both directions.

Touches optuna; takes an Optuna trial and parts of a grid; gives parameters; driver and workers.
"""

from collections.abc import Sequence
from typing import Any

import optuna

from orchestrator.records import Distribution, Grid, Params
from orchestrator.search.spaces import Part, Values, in_order, is_searched, listed, point_of


def suggest_point(trial: optuna.Trial, parts: Grid) -> Params:
    """Suggest a point of a union of grids: in Optuna a choice of the part, then its parameters."""
    if len(parts) == 1:
        return _suggest_params(trial, parts[0], prefix="")
    part = trial.suggest_categorical("part", range(len(parts)))
    return _suggest_params(trial, parts[part], prefix=f"{part}/")


def _suggest_params(trial: optuna.Trial, part: Part, *, prefix: str) -> Params:
    params: dict[str, Any] = {}
    for name, values in in_order(part):
        if is_searched(values, params):
            params[name] = _suggest_value(trial, f"{prefix}{name}", values)
    return dict(sorted(params.items()))


def _suggest_value(trial: optuna.Trial, name: str, values: Values) -> Any:
    every = listed(values)
    if every is not None and len(every) == 1:
        return every[0]  # nothing to suggest, and some samplers reject a range of one value
    if not isinstance(values, Distribution):
        return _ordered(values)[_suggest_index(trial, name, values)]
    if values.kind == "categorical":
        return values.choices[trial.suggest_categorical(name, range(len(values.choices)))]
    high = values.high if every is None else every[-1]  # Optuna warns of one beyond the last step
    if values.kind == "int":
        step = int(values.step or 1)
        return trial.suggest_int(name, int(values.low), int(high), step=step, log=values.log)
    return trial.suggest_float(name, values.low, high, step=values.step, log=values.log)


def suggestions_of(point: Params, parts: Grid) -> dict[str, Any]:
    """Return the suggestions with which `suggest_point` gives this point of a grid."""
    for number, part in enumerate(parts):
        if point_of([part], point) is not None:
            prefix = f"{number}/" if len(parts) > 1 else ""
            named = {f"{prefix}{name}": _index(part[name], value) for name, value in point.items()}
            return named | ({"part": number} if prefix else {})
    raise ValueError(f"{point!r} is not a point of the grid")


def _index(values: Values, value: Any) -> Any:
    """The value that Optuna receives: a position in a list, or the number itself for a range."""
    if isinstance(values, Distribution) and values.kind != "categorical":
        return value
    listed_values = values.choices if isinstance(values, Distribution) else _ordered(values)
    return [repr(each) for each in listed_values].index(repr(value))


def _ordered(values: tuple[Any, ...]) -> Sequence[Any]:
    return sorted(values) if _are_numbers(values) else values


def _suggest_index(trial: optuna.Trial, name: str, values: tuple[Any, ...]) -> int:
    """Suggest a position: Optuna allows few types as choices, and confuses `1` and `True`."""
    if _are_numbers(values):
        return trial.suggest_int(name, 0, len(values) - 1)
    return trial.suggest_categorical(name, range(len(values)))


def _are_numbers(values: tuple[Any, ...]) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
