"""A fitted estimator's scores by several metrics, predicted once for all of them.

For a few hundred predictions, scikit-learn spends more time on checking their types at every call
than on computing the commonest metrics. For those metrics, on ordinary binary targets, this module
does the same arithmetic without the repeated checks; the tests require results that are equal to
the last bit. Everything else is scored by scikit-learn's own scorers.

Touches scikit-learn and numpy; takes a fitted estimator and targets; gives scores; workers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import is_classifier
from sklearn.metrics import check_scoring

from orchestrator.training.scorers import find_scorer

Answer = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryTargets:
    """A fold's test targets with two labels, both present.

    Attributes:
        y: The targets as an array.
        labels: The two labels, sorted; the second is the positive one.
        positive: A mask of the rows that have the positive label.
    """

    y: NDArray[Any]
    labels: NDArray[Any]
    positive: NDArray[np.bool_]


def binary_targets(y: Any) -> BinaryTargets | None:
    """Return the targets for the quick metrics; None unless they are ordinary binary targets."""
    values = y.to_numpy() if isinstance(y, pd.Series) and isinstance(y.dtype, np.dtype) else y
    if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind not in "biuU":
        return None
    labels = np.unique(values)
    if len(labels) != 2:
        return None
    return BinaryTargets(y=values, labels=labels, positive=values == labels[1])


def score_quickly(
    estimator: Any, X: Any, targets: BinaryTargets | None, metrics: Sequence[str]
) -> dict[str, float] | None:
    """Return the scores if every metric has a quick implementation here, else None.

    Raises:
        FloatingPointError: A prediction is not finite; scikit-learn's metrics reject that, too.
        TypeError: The predictions do not have the ordinary kind or shape.
    """
    if targets is None or not all(metric in _QUICK for metric in metrics):
        return None
    if not is_classifier(estimator) or not np.array_equal(estimator.classes_, targets.labels):
        return None
    answers: dict[str, Answer] = {}
    return {metric: _QUICK[metric](estimator, X, targets, answers) for metric in metrics}


def score_by_sklearn(estimator: Any, X: Any, y: Any, metrics: Sequence[str]) -> dict[str, float]:
    """Return the scores by ordinary scorers; scikit-learn's predict once for all metrics."""
    found = _scorer(tuple(metrics))(estimator, X, y)
    return {metric: float(value) for metric, value in found.items()}


def scorers(metrics: Sequence[str]) -> dict[str, Any]:
    """Return the scorers by metric name, in the form that scikit-learn takes."""
    return {metric: find_scorer(metric) for metric in metrics}


@cache
def _scorer(metrics: tuple[str, ...]) -> Any:
    return check_scoring(scoring=scorers(metrics), raise_exc=True)


def _roc_auc(estimator: Any, X: Any, targets: BinaryTargets, answers: dict[str, Answer]) -> float:
    """`roc_auc_score` of two classes: the area under the curve of corners, by trapezoids.

    The order of equal scores does not matter, so the sort need not be stable. Counts are whole
    numbers, which float64 holds exactly; the divisions and the sum are in scikit-learn's order.
    """
    ranking = _ranking(estimator, X, targets, answers)
    order = np.argsort(-ranking)
    last_of_equals = np.append(np.nonzero(np.diff(ranking[order]))[0], len(order) - 1)
    true = np.cumsum(targets.positive[order], dtype=np.float64)[last_of_equals]
    false = 1.0 + last_of_equals - true
    if len(false) > 2:
        corner = np.ones(len(false), dtype=bool)
        corner[1:-1] = np.logical_or(np.diff(false, 2), np.diff(true, 2))
        false, true = false[corner], true[corner]
    return float(np.trapezoid(_from_zero(true) / true[-1], _from_zero(false) / false[-1]))


def _from_zero(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate(([0.0], counts))


def _accuracy(estimator: Any, X: Any, targets: BinaryTargets, answers: dict[str, Answer]) -> float:
    """`accuracy_score`: the share of equal labels."""
    return float(np.mean(_answer(estimator, "predict", X, targets, answers) == targets.y))


def _ranking(estimator: Any, X: Any, targets: BinaryTargets, answers: dict[str, Answer]) -> Answer:
    """The scores that rank the rows: those of the decision function, else the probabilities."""
    if getattr(estimator, "decision_function", None):
        return _answer(estimator, "decision_function", X, targets, answers)
    return _answer(estimator, "predict_proba", X, targets, answers)[:, 1]


def _answer(
    estimator: Any, method: str, X: Any, targets: BinaryTargets, answers: dict[str, Answer]
) -> Answer:
    if method not in answers:
        answer = getattr(estimator, method)(X)
        kind, shape = _ordinary(method, targets)
        if type(answer) is not np.ndarray or answer.dtype.kind != kind or answer.shape != shape:
            raise TypeError(f"{type(estimator).__name__}.{method} gave no {shape} array of {kind}")
        if kind == "f" and not np.isfinite(answer).all():
            raise FloatingPointError(f"{type(estimator).__name__}.{method} gave NaN or infinity")
        answers[method] = answer
    return answers[method]


def _ordinary(method: str, targets: BinaryTargets) -> tuple[str, tuple[int, ...]]:
    """The kind and shape of a method's ordinary result; scikit-learn inspects any other result."""
    rows = len(targets.y)
    if method == "predict":
        return targets.y.dtype.kind, (rows,)
    return "f", (rows,) if method == "decision_function" else (rows, 2)


_QUICK: Mapping[str, Callable[[Any, Any, BinaryTargets, dict[str, Answer]], float]] = {
    "roc_auc": _roc_auc,
    "accuracy": _accuracy,
}
