"""A candidate's scores on a customer's folds, the quick way: equal work is done once.

The scores are those of `score_plainly` to the last bit. Whatever cannot be shared safely goes
that way: shared inputs are read-only, so an estimator that changes its input fails here instead of
spoiling them; and after any error the plain way decides, so a candidate's failure is always
scikit-learn's own.

Touches scikit-learn; takes an unfitted estimator and `Prepared`; gives `FoldScores`; workers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from sklearn import config_context
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from orchestrator.training.cache import SharedCache
from orchestrator.training.folds import Fold, Inputs, lent
from orchestrator.training.metrics import score_by_sklearn, score_quickly
from orchestrator.training.prepared import Prepared
from orchestrator.training.scoring import FoldScores, fit_params, score_plainly


def score(
    estimator: Any, prepared: Prepared, metrics: Sequence[str], cache: SharedCache
) -> FoldScores:
    """The scores of an unfitted estimator on every fold.

    The seconds of a shared prefix count in full for every candidate that uses it: they say what
    fitting the candidate costs, not who came first.

    Raises:
        Exception: Whatever the estimator or a metric raises.
    """
    if not _is_shareable(estimator):
        return score_plainly(estimator, prepared, metrics)
    try:
        folds = [
            _score_fold(estimator, Fold(prepared, number, cache), metrics)
            for number in range(len(prepared.folds))
        ]
    except Exception:  # noqa: BLE001 - the plain way decides whether it was the candidate's fault
        return score_plainly(estimator, prepared, metrics)
    return FoldScores(
        scores={metric: tuple(fold.scores[metric] for fold in folds) for metric in metrics},
        fit_seconds=tuple(fold.fit_seconds for fold in folds),
        score_seconds=tuple(fold.score_seconds for fold in folds),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _FoldScore:
    scores: dict[str, float]
    fit_seconds: float
    score_seconds: float


def _score_fold(estimator: Any, fold: Fold, metrics: Sequence[str]) -> _FoldScore:
    *transformers, final = _steps(estimator)
    inputs, final = fold.inputs(transformers), clone(final)
    weight = fit_params(final, fold.targets.weight_train)
    with fold.checked_once(final, inputs):
        began = perf_counter()
        final.fit(lent(inputs.X_train), lent(fold.targets.y_train), **weight)
        fitted = perf_counter()
    scores = _scores(final, fold, inputs, metrics)
    ended = perf_counter()
    return _FoldScore(
        scores=scores,
        fit_seconds=inputs.fit_seconds + fitted - began,
        score_seconds=inputs.score_seconds + ended - fitted,
    )


def _scores(final: Any, fold: Fold, inputs: Inputs, metrics: Sequence[str]) -> dict[str, float]:
    with fold.checked_once(final, inputs):
        quick = score_quickly(final, lent(inputs.X_test), fold.targets.binary, metrics)
    if quick is not None:
        return quick
    with config_context(skip_parameter_validation=True):
        return score_by_sklearn(final, lent(inputs.X_test), lent(fold.targets.y_test), metrics)


def _steps(estimator: Any) -> list[Any]:
    if isinstance(estimator, Pipeline):
        return [step for _, step in estimator.steps]
    return [estimator]


def _is_shareable(estimator: Any) -> bool:
    """Whether a fold is a choice of rows alone, and steps depend on nothing outside of it."""
    if get_tags(estimator).input_tags.pairwise:
        return False
    if isinstance(estimator, Pipeline) and (estimator.memory or estimator.transform_input):
        return False
    return not any(
        value is True and name.endswith("warm_start")
        for name, value in estimator.get_params(deep=True).items()
    )
