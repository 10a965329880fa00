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
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from orchestrator.records import TIMES

_DEFAULTS = {"classification": "roc_auc", "regression": "r2"}
"""The metric of a task where the configuration names none."""

CONSTRAINT = re.compile(r"\s*([\w.:]+)\s*(<=|>=)\s*(\S+)\s*")


def evaluation_fields(written: Any) -> Any:
    """The fields of an `Evaluation`; what is no mapping, or of wrong types, stays as it is.

    A metric written as an import path is known by its function's name from here on. What a
    constraint or an objective asks for is measured, whether it stands among the metrics or not.

    Raises:
        ValueError: Two metrics have one name, an own one has that of another figure of a trial, a
            constraint cannot be read, or `metric` is not the first objective.
    """
    if not isinstance(written, Mapping) or not _are_lists(written):
        return written
    objectives = [str(each) for each in written.get("objectives", ())]
    constraints = [_constraint(text) for text in written.get("constraints", ())]
    metrics = [str(each) for each in written.get("metrics", ())]
    default = _DEFAULTS.get(str(written.get("task")), _DEFAULTS["classification"])
    first = str(written.get("metric") or next(iter(objectives + metrics), default))
    if objectives and _name(objectives[0]) != _name(first):
        raise ValueError(f"metric is {first!r}, and the first of objectives {objectives[0]!r}")
    asked = [*objectives, *(each["measure"] for each in constraints)]
    metrics = metrics or [first]
    measured = {*metrics, *map(_name, metrics), *TIMES}
    metrics += [each for each in dict.fromkeys(asked) if each not in measured]
    names = {metric: _name(metric) for metric in metrics}
    if len(set(names.values())) < len(metrics):
        raise ValueError(f"two of the metrics have one name: {', '.join(names.values())}")
    own = {name: path for path, name in names.items() if ":" in path}
    _require_free(own, names.values())
    return {
        **written,
        "metrics": list(names.values()),
        "metric": names.get(first, first),
        "objectives": [names.get(each, each) for each in objectives],
        "constraints": [
            {**each, "measure": names.get(each["measure"], each["measure"])} for each in constraints
        ],
        **({"scorers": {**written.get("scorers", {}), **own}} if own else {}),
    }


def _require_free(own: Iterable[str], names: Collection[str]) -> None:
    """Refuse own scorers by whose names MLflow already shows something else of a trial.

    Raises:
        ValueError: There is one.
    """
    of_metrics = {f"{name}{suffix}" for name in names for suffix in ("_std", "_fold")}
    for name in own:
        if name in {"rows", *TIMES} | of_metrics:
            raise ValueError(
                f"an own scorer cannot be called {name!r}, since every trial has a figure of that "
                "name already: rename its function"
            )


def _name(metric: str) -> str:
    """What a metric is known by: its name, or that of its function."""
    return metric.rpartition(":")[2]


def _are_lists(written: Mapping[str, Any]) -> bool:
    names = ("metrics", "objectives", "constraints")
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
            f"constraints: {text!r} is none; write a measure, <= or >=, and a number, such as "
            "'fit_seconds <= 2'"
        )
    return {"measure": found[1], "relation": found[2], "bound": bound}
