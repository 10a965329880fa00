"""Optuna's plots of recorded trials: history, importances, parallel coordinates, slices.

An Optuna study is built from the trials in the ledger, so that Optuna's own plots work for the
trials of any strategy.

Touches optuna and plotly; takes `TrialResult`s of one search; gives figures; runs on the driver.
"""

import json
import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import (
    BaseImportanceEvaluator,
    FanovaImportanceEvaluator,
    PedAnovaImportanceEvaluator,
)
from optuna.trial import FrozenTrial, TrialState
from plotly.graph_objects import Figure

from orchestrator.records import Distribution, Grid, Measure, TrialResult

_DECADES_OF_A_LOG_SCALE = 1.5
_MANY, _MOST_LINES = 100, 300
_TREES = 16
"""The number of trees of fANOVA: a quarter of its default, for a quarter of the time."""

_FEWEST_TO_WEIGH = 8
"""The smallest number of trials for which importances are meaningful."""

_STATES = {"success": TrialState.COMPLETE, "pruned": TrialState.PRUNED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One figure, with its title and whether it needs the whole width of the page."""

    title: str
    figure: Figure
    wide: bool = False


def pictures(results: Sequence[TrialResult]) -> tuple[Picture, ...]:
    """Return the plots of one search.

    Args:
        results: The results of its trials, in the order they were made.
    """
    metric = results[0].trial.study.evaluation.metric if results else ""
    scores = [each.mean(metric) if each.state == "success" else None for each in results]
    drawing = _Drawing(results, scores, metric)
    return tuple(drawing.history()) + tuple(drawing.of_parameters()) + tuple(drawing.parallel())


def pictures_of_many(
    results: Sequence[TrialResult], scores: Sequence[float], name: str
) -> tuple[Picture, ...]:
    """Return the plots of the searches of one model for many customers.

    Args:
        results: The results of their successful trials.
        scores: The score of each result, comparable with the scores of other customers.
        name: The name of these scores.
    """
    return tuple(_Drawing(results, scores, name).of_parameters())


class _Drawing:
    """Optuna's plots of one Optuna study that is built from recorded trials."""

    def __init__(
        self, results: Sequence[TrialResult], scores: Sequence[float | None], name: str
    ) -> None:
        # Optuna would log each study it creates.
        logging.getLogger("optuna.storages").setLevel(logging.WARNING)
        self._name = escape(name)
        self._metric = _metric(results)
        self._study = _study(results, scores, self._metric)
        self._scored = self._study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
        self._varied = _varied(self._scored)

    def history(self) -> Iterator[Picture]:
        if self._scored:
            figure = optuna.visualization.plot_optimization_history(
                self._study, target_name=self._name
            )
            yield Picture(title="History of the best score", figure=figure)

    def of_parameters(self) -> Iterator[Picture]:
        if self._varied and len(self._scored) >= _FEWEST_TO_WEIGH:
            figure = optuna.visualization.plot_param_importances(
                self._study, _evaluator(len(self._scored)), target_name=self._name
            )
            yield Picture(title="Importance of parameters", figure=figure)
        if self._varied:
            figure = optuna.visualization.plot_slice(
                self._study, self._varied, target_name=self._name
            )
            yield Picture(title="Score by parameter", figure=figure, wide=True)

    def parallel(self) -> Iterator[Picture]:
        if self._varied:
            left_out = len(self._scored) > _MOST_LINES
            figure = optuna.visualization.plot_parallel_coordinate(
                self._best() if left_out else self._study, self._varied, target_name=self._name
            )
            title = "Parallel coordinates" + (f" of the best {_MOST_LINES}" if left_out else "")
            yield Picture(title=title, figure=figure, wide=True)

    def _best(self) -> optuna.Study:
        """A study of the best trials only: each is a line, and too many lines are unreadable."""
        best = optuna.create_study(direction=self._study.direction)
        ranked = sorted(self._scored, key=lambda t: -self._metric.goodness(t.value or 0.0))
        best.add_trials(ranked[:_MOST_LINES])
        return best


def _evaluator(trials: int) -> BaseImportanceEvaluator:
    """Use fANOVA for few trials, because it is slow for hundreds; else PED-ANOVA (needs many)."""
    many = trials >= _MANY
    return (
        PedAnovaImportanceEvaluator() if many else FanovaImportanceEvaluator(n_trees=_TREES, seed=0)
    )


def _metric(results: Sequence[TrialResult]) -> Measure:
    """The measure that the trials were compared by."""
    if results:
        return results[0].trial.study.evaluation.selecting
    return Measure(name="score", source="score", direction="maximize", kind="score")


def _study(
    results: Sequence[TrialResult], scores: Sequence[float | None], metric: Measure
) -> optuna.Study:
    study = optuna.create_study(direction=metric.direction)
    distributions = _distributions(results)
    study.add_trials([_frozen(*each, distributions) for each in zip(results, scores, strict=True)])
    return study


def _frozen(
    result: TrialResult,
    score: float | None,
    distributions: Mapping[str, BaseDistribution],
) -> FrozenTrial:
    state = _STATES.get(result.state, TrialState.FAIL)
    params = {
        escape(name): _shown(value, distributions[escape(name)])
        for name, value in result.trial.params.items()
    }
    return optuna.trial.create_trial(
        state=state,
        value=score,
        params=params,
        distributions={name: distributions[name] for name in params},
    )


def _distributions(results: Sequence[TrialResult]) -> dict[str, BaseDistribution]:
    """The distributions by escaped parameter name: plotly interprets HTML in names and labels."""
    values: dict[str, list[Any]] = {}
    scales: dict[str, bool] = {}
    for trial in (result.trial for result in results):
        for name, value in trial.params.items():
            values.setdefault(escape(name), []).append(value)
        scales |= _scales(trial.study.grid)
    return {name: _distribution(found, is_log=scales.get(name)) for name, found in values.items()}


def _scales(grid: Grid) -> dict[str, bool]:
    """Whether each range was searched on a logarithmic scale, by escaped name."""
    return {
        escape(name): values.log
        for part in grid
        for name, values in part.items()
        if isinstance(values, Distribution)
    }


def _distribution(values: Sequence[Any], *, is_log: bool | None) -> BaseDistribution:
    """The distribution of these values; a list of numbers that spans decades is logarithmic."""
    if not all(_is_number(value) for value in values):
        return CategoricalDistribution(sorted({_text(value) for value in values}))
    low, high = min(values), max(values)
    if is_log is None:
        is_log = low > 0 and math.log10(high / low) >= _DECADES_OF_A_LOG_SCALE
    return FloatDistribution(low, high, log=is_log and low > 0)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _shown(value: Any, distribution: BaseDistribution) -> Any:
    return _text(value) if isinstance(distribution, CategoricalDistribution) else float(value)


def _text(value: Any) -> str:
    return escape(value if isinstance(value, str) else json.dumps(value))


def _varied(trials: Sequence[FrozenTrial]) -> list[str]:
    """The parameters with more than one scored value."""
    tried: dict[str, set[Any]] = {}
    for trial in trials:
        for name, value in trial.params.items():
            tried.setdefault(name, set()).add(value)
    return sorted(name for name, values in tried.items() if len(values) > 1)
