"""The measures that a configuration may name besides orchestrator's own and scikit-learn's scorers.

    measures:                                 in the section `evaluation`: measured in every trial
      - {name: predict_ms, unit: ms, timed: true, source: "mine.costs:predict_ms"}

An installed package adds one by an entry point in the group `orchestrator.measures`: the measure's
name, and the import path of a `Measure`. It is measured if a metric, an objective or a
constraint names it.

Touches no library; takes names; gives `Measure`s that were checked; runs on the driver.
"""

import re

from orchestrator import plugins
from orchestrator.records import MEASURES, OF_TRIAL, Evaluation, Measure

ENTRY_POINTS = "orchestrator.measures"
"""The entry point group: a measure's name, and a `Measure`."""

OF_EVERY_TRIAL = frozenset(each.name for each in MEASURES.values() if each.source == OF_TRIAL)
"""Measures that need no scorer."""

_NAME = re.compile(r"[A-Za-z_]\w*")
_SOURCE = re.compile(r"[\w.]+:[A-Za-z_]\w*")


def installed_measure(name: str) -> Measure | None:
    """Return the measure that an installed package adds under a name; None if there is none.

    Args:
        name: The name of a metric, an objective or the measure of a constraint.

    Raises:
        ConfigError: The package's measure cannot be imported.
        ValueError: The package's object is not a measure of that name.
    """
    if name not in plugins.names(ENTRY_POINTS):
        return None
    found = plugins.load(ENTRY_POINTS, name, noun="measure", key="evaluation.metrics")
    if not isinstance(found, Measure) or found.name != name:
        raise ValueError(
            f"the measure {name!r} of an installed package is {found!r}: expected an "
            "orchestrator.records.Measure of that name"
        )
    return found


def require_well_formed(evaluation: Evaluation) -> Evaluation:
    """Return the evaluation, if its measures have usable names and sources.

    Args:
        evaluation: The evaluation that was read.

    Raises:
        ValueError: A measure has an unusable name or source.
    """
    for each in evaluation.measures:
        if not _NAME.fullmatch(each.name):
            raise ValueError(
                f"measures: {each.name!r} is not a valid name: expected letters, digits and "
                "underscores"
            )
        if not _SOURCE.fullmatch(each.source):
            raise ValueError(
                f"measures: {each.source!r} is not a valid source of {each.name}: expected "
                "'package.module:function'"
            )
    return evaluation
