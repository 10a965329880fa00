"""A candidate's scores on a customer's folds by scikit-learn's own `cross_validate`.

Touches scikit-learn; takes an unfitted estimator and `PreparedData`; gives `FoldScores`; workers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.model_selection import cross_validate
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import has_fit_parameter

from orchestrator.training.dataset import PreparedData
from orchestrator.training.fast_metrics import scorers
from orchestrator.training.scorers import NoNumberError


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldScores:
    """The values of every metric, and the seconds for fitting and scoring, one a fold."""

    scores: Mapping[str, tuple[float, ...]]
    fit_seconds: tuple[float, ...]
    score_seconds: tuple[float, ...]


def score_plainly(
    estimator: Any,
    prepared: PreparedData,
    metrics: Sequence[str],
    folds: Sequence[int] | None = None,
) -> FoldScores:
    """Return the scores by `cross_validate`, which every quicker implementation must equal.

    Raises:
        NoNumberError: One of the project's scorers did not return a number; the message names the
            metric and the fold.
        Exception: Whatever the estimator or a metric raises.
    """
    numbers = range(len(prepared.folds)) if folds is None else folds
    found = [_score_fold(estimator, prepared, fold, metrics) for fold in numbers]
    return FoldScores(
        scores={metric: tuple(fold[f"test_{metric}"] for fold in found) for metric in metrics},
        fit_seconds=tuple(fold["fit_time"] for fold in found),
        score_seconds=tuple(fold["score_time"] for fold in found),
    )


def _score_fold(
    estimator: Any, prepared: PreparedData, fold: int, metrics: Sequence[str]
) -> dict[str, float]:
    data = prepared.data
    try:
        found = cross_validate(
            estimator,
            data.X,
            data.y,
            cv=[prepared.folds[fold]],
            scoring=scorers(metrics),
            params=fit_params(estimator, data.sample_weight),
            error_score="raise",
        )
    except NoNumberError as error:
        raise error.of_fold(fold) from error
    return {name: values.item() for name, values in found.items()}


def fit_params(estimator: Any, sample_weight: Any) -> dict[str, Any]:
    """Return the arguments of `fit` besides X and y: the weights, for the last step of a pipeline.

    Raises:
        TypeError: There are weights, and the estimator does not take any.
    """
    if sample_weight is None:
        return {}
    prefix, final = "", estimator
    if isinstance(estimator, Pipeline):
        name, final = estimator.steps[-1]
        prefix = f"{name}__"
    if not has_fit_parameter(final, "sample_weight"):
        raise TypeError(f"the data has sample weights, {type(final).__name__}.fit takes none")
    return {f"{prefix}sample_weight": sample_weight}
