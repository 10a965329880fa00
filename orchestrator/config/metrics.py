"""What a configuration writes about metrics, made into fields of `Evaluation`.

    metrics: [roc_auc, "experiments.scorers:worth"]     scikit-learn's names, or import paths
    metric: roc_auc                                     which selects; by default the first, or
                                                        roc_auc for classes and r2 for amounts
    objectives: [roc_auc, fit_seconds]                  what else selects, in order of importance
    constraints: ["fit_seconds <= 2", "model_kb <= 500"]

Touches no library; takes and gives plain values; runs on the driver.
"""

import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from orchestrator.config.measures import OF_EVERY_TRIAL, installed_measure
from orchestrator.records import MEASURES, Measure

_DEFAULTS = {"classification": "roc_auc", "regression": "r2"}
"""The metric of a task where the configuration names none."""

CONSTRAINT = re.compile(r"\s*([\w.:]+)\s*(<=|>=)\s*(\S+)\s*")


def evaluation_fields(written: Any) -> Any:
    """The fields of an `Evaluation`; what is no mapping, or of wrong types, stays as it is.

    A metric written as an import path is known by its function's name from here on. What a
    constraint or an objective asks for is measured, whether it stands among the metrics or not.

    Raises:
        ValueError: Two metrics have one name, an own one has that of another figure of a trial, a
            constraint cannot be read, `metric` is not the first objective, or an installed package
            adds a measure that is none.
    """
    if not isinstance(written, Mapping) or not _are_lists(written):
        return written
    objectives = [str(each) for each in written.get("objectives", ())]
    constraints = [_constraint(text) for text in written.get("constraints", ())]
    first, metrics = _metrics(written, objectives)
    asked = [*objectives, *(each["measure"] for each in constraints)]
    declared = _declared(written)
    measured = {*metrics, *map(_name, metrics), *OF_EVERY_TRIAL}
    metrics += [each for each in dict.fromkeys([*declared, *asked]) if each not in measured]
    names = {metric: _name(metric) for metric in metrics}
    if len(set(names.values())) < len(metrics):
        raise ValueError(f"two of the metrics have one name: {', '.join(names.values())}")
    installed = _installed(names, {*declared, *written.get("scorers", {})})
    own = {name: path for path, name in names.items() if ":" in path}
    _require_free([*own, *declared, *(each.name for each in installed)], names.values())
    return {
        **written,
        "metrics": list(names.values()),
        "metric": names.get(first, first),
        **_direction(written, names.get(first, first), declared, installed),
        "objectives": [names.get(each, each) for each in objectives],
        "constraints": [
            {**each, "measure": names.get(each["measure"], each["measure"])} for each in constraints
        ],
        **({"scorers": {**written.get("scorers", {}), **own}} if own else {}),
        "measures": [*written.get("measures", ()), *installed],
    }


def _metrics(written: Mapping[str, Any], objectives: Sequence[str]) -> tuple[str, list[str]]:
    """The metric that selects, and all metrics, as they are written."""
    metrics = [str(each) for each in written.get("metrics", ())]
    default = _DEFAULTS.get(str(written.get("task")), _DEFAULTS["classification"])
    first = str(written.get("metric") or next(iter([*objectives, *metrics]), default))
    if objectives and _name(objectives[0]) != _name(first):
        raise ValueError(f"metric is {first!r}, and the first of objectives {objectives[0]!r}")
    return first, metrics or [first]


def _declared(written: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """The section's own measures by name; what is no measure is refused with the other fields."""
    return {
        str(each["name"]): each
        for each in written.get("measures", ())
        if isinstance(each, Mapping) and "name" in each
    }


def _installed(names: Iterable[str], others: Collection[str]) -> list[Measure]:
    """The measures of installed packages among some names, which the section does not define."""
    asked = [name for name in names if ":" not in name and name not in {*MEASURES, *others}]
    found = map(installed_measure, asked)
    return [each for each in found if each is not None]


def _direction(
    written: Mapping[str, Any],
    metric: str,
    declared: Mapping[str, Mapping[str, Any]],
    installed: Iterable[Measure],
) -> Mapping[str, Any]:
    """The direction of a metric that is a measure; others have the one that is written.

    Raises:
        ValueError: Another one is written.
    """
    known = {each.name: str(each.direction) for each in installed}
    known |= {name: str(each.get("direction", "minimize")) for name, each in declared.items()}
    if metric not in known:
        return {}
    if written.get("direction", known[metric]) != known[metric]:
        raise ValueError(f"direction is {written['direction']!r}, and {metric} is {known[metric]}d")
    return {"direction": known[metric]}


def _require_free(own: Iterable[str], names: Collection[str]) -> None:
    """Refuse own scorers by whose names something else of a trial is known already.

    Raises:
        ValueError: There is one.
    """
    of_metrics = {f"{name}{suffix}" for name in names for suffix in ("_std", "_fold")}
    for name in own:
        if name in {"rows", *MEASURES} | of_metrics:
            raise ValueError(
                f"an own scorer or measure cannot be called {name!r}, since that is the name of "
                "another figure of trials: rename it"
            )


def _name(metric: str) -> str:
    """What a metric is known by: its name, or that of its function."""
    return metric.rpartition(":")[2]


def _are_lists(written: Mapping[str, Any]) -> bool:
    names = ("metrics", "objectives", "constraints", "measures")
    return all(isinstance(written.get(name, []), list) for name in names)


def _constraint(text: Any) -> dict[str, Any]:
    """A constraint's fields.

    Raises:
        ValueError: It is not written as one.
    """
    found = CONSTRAINT.fullmatch(str(text))
    try:
        bound = float(found[3]) if found else math.nan
    except ValueError:
        bound = math.nan
    if found is None or not math.isfinite(bound):
        raise ValueError(
            f"constraints: {text!r} is not valid; write a measure, <= or >=, and a number, such as "
            "'fit_seconds <= 2'"
        )
    return {"measure": found[1], "relation": found[2], "bound": bound}
