"""The measures of trials: scores with a direction, and costs.

One table, `MEASURES`, lists every measure of orchestrator's own; a configuration and installed
packages add others. Only a `Measure` knows its direction.

Touches no library; data only; driver and workers.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from orchestrator.records.pickling import quickly_pickled

Direction = Literal["maximize", "minimize"]
"""Optuna's words for which way a number is better."""

OF_TRIAL = "trial"
"""The source of a measure that every trial has, in a field of its result with the same name."""


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One number that trials are measured by.

    Attributes:
        name: Its name among metrics, objectives and constraints, and in MLflow.
        source: The import path of its scorer, a function `(estimator, X, y) -> number`.
        unit: The unit of the number; empty where it has none.
        direction: Whether more or less of it is better.
        kind: A `cost` may be a later objective or a constraint; a `score` may also be the metric
            that selects.
        timed: Whether it is measured by a clock, so that it differs each time: a search that is
            reproducible does not learn from it.
    """

    name: str
    source: str
    unit: str = ""
    direction: Direction = "minimize"
    kind: Literal["cost", "score"] = "cost"
    timed: bool = False

    @property
    def is_minimized(self) -> bool:
        """Whether less of it is better."""
        return self.direction == "minimize"

    def goodness(self, value: float) -> float:
        """Turn a value so that greater is better."""
        return -value if self.is_minimized else value

    def best(self, values: Iterable[float]) -> float | None:
        """Return the best of some values; None of none."""
        return max(values, key=self.goodness, default=None)

    def __str__(self) -> str:
        return f"{self.name} ({self.unit})" if self.unit else self.name


MEASURES: Mapping[str, Measure] = {
    each.name: each
    for each in (
        Measure(name="fit_seconds", unit="s", timed=True, source=OF_TRIAL),
        Measure(name="score_seconds", unit="s", timed=True, source=OF_TRIAL),
        Measure(name="model_kb", unit="kB", source="orchestrator.training.costs:model_kb"),
    )
}
"""Orchestrator's own measures by name; seconds are those of all folds together."""
