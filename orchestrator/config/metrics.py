"""The metrics of a configuration -> fields of `Evaluation`.

    metrics: [roc_auc, "experiments.scorers:worth"]     scikit-learn's names, or import paths
    metric: roc_auc                                     selects; by default the first, or roc_auc
                                                        for classification and r2 for regression
    objectives: [roc_auc, fit_seconds]                  `metric`, then further selection criteria
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
"""The default metric of each task."""

CONSTRAINT = re.compile(r"\s*([\w.:]+)\s*(<=|>=)\s*(\S+)\s*")


def evaluation_fields(written: Any) -> Any:
    """Return the fields of an `Evaluation`; a value of a wrong type is returned unchanged.

    A metric written as an import path goes by its function's name from here on. The measures that
    constraints and objectives name are measured, whether or not they are among the metrics.

    Raises:
        ValueError: Two metrics share a name, the project's own scorer has the name of another
            figure of a trial, a constraint cannot be read, `metric` is not the first objective, or
            an installed package adds something that is not a measure.
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
    """Return the metric that selects, and all metrics, in the notation of the configuration."""
    metrics = [str(each) for each in written.get("metrics", ())]
    default = _DEFAULTS.get(str(written.get("task")), _DEFAULTS["classification"])
    first = str(written.get("metric") or next(iter([*objectives, *metrics]), default))
    if objectives and _name(objectives[0]) != _name(first):
        raise ValueError(f"metric is {first!r}, and the first of objectives {objectives[0]!r}")
    return first, metrics or [first]


def _declared(written: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Return the section's own measures by name; later checks refuse malformed ones.

    Raises:
        ValueError: Two have one name.
    """
    named = [each for each in written.get("measures", ()) if isinstance(each, Mapping)]
    names = [str(each["name"]) for each in named if "name" in each]
    if len(set(names)) < len(names):
        raise ValueError(f"two of the measures have one name: {', '.join(names)}")
    return {
        str(each["name"]): each
        for each in written.get("measures", ())
        if isinstance(each, Mapping) and "name" in each
    }


def _installed(names: Iterable[str], others: Collection[str]) -> list[Measure]:
    """Return the measures of installed packages among the names that the section lacks."""
    asked = [name for name in names if ":" not in name and name not in {*MEASURES, *others}]
    found = map(installed_measure, asked)
    return [each for each in found if each is not None]


def _direction(
    written: Mapping[str, Any],
    metric: str,
    declared: Mapping[str, Mapping[str, Any]],
    installed: Iterable[Measure],
) -> Mapping[str, Any]:
    """Return the direction of a metric that is a measure; nothing for other metrics.

    Raises:
        ValueError: The configuration contradicts the measure's direction.
    """
    known = {each.name: str(each.direction) for each in installed}
    known |= {name: str(each.get("direction", "minimize")) for name, each in declared.items()}
    if metric not in known:
        return {}
    if written.get("direction", known[metric]) != known[metric]:
        raise ValueError(f"direction is {written['direction']!r}, and {metric} is {known[metric]}d")
    return {"direction": known[metric]}


def _require_free(own: Iterable[str], names: Collection[str]) -> None:
    """Refuse the project's own scorers with the name of another figure of a trial.

    Raises:
        ValueError: There is such a scorer.
    """
    of_metrics = {f"{name}{suffix}" for name in names for suffix in ("_std", "_fold")}
    for name in own:
        if name in {"rows", *MEASURES} | of_metrics:
            raise ValueError(
                f"an own scorer or measure cannot be called {name!r}, since that is the name of "
                "another figure of trials: rename it"
            )


def _name(metric: str) -> str:
    """Return the short name of a metric: its name, or that of its function."""
    return metric.rpartition(":")[2]


def _are_lists(written: Mapping[str, Any]) -> bool:
    names = ("metrics", "objectives", "constraints", "measures")
    return all(isinstance(written.get(name, []), list) for name in names)


def _constraint(text: Any) -> dict[str, Any]:
    """Return a constraint's fields.

    Raises:
        ValueError: The text is not a constraint.
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
