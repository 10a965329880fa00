"""A candidate's scores on a customer's folds, computed quickly by doing equal work once.

The scores are those of `score_plainly` to the last bit. That function scores whatever cannot be
shared safely. Shared inputs are read-only, so an estimator that changes its input fails here
instead of spoiling them. After any error, `score_plainly` decides, so a candidate's failure is
always scikit-learn's own.

Touches scikit-learn; takes an unfitted estimator and `PreparedData`; gives `FoldScores`; workers.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from sklearn import config_context

from orchestrator.training.cache import SharedCache
from orchestrator.training.candidates import CandidateStep, shareable_steps
from orchestrator.training.dataset import PreparedData
from orchestrator.training.fast_metrics import score_by_sklearn, score_quickly, scorers
from orchestrator.training.folds import Fold, Inputs, lent
from orchestrator.training.grown_ensembles import Grown, ensemble, key_of
from orchestrator.training.plain_scoring import FoldScores, fit_params, score_plainly
from orchestrator.training.scorers import sees_only_predictions
from orchestrator.user_code import is_of_person


def score(
    estimator: Any,
    prepared: PreparedData,
    metrics: Sequence[str],
    cache: SharedCache,
    folds: Sequence[int] | None = None,
) -> FoldScores:
    """Return the scores of an unfitted estimator, with shared work where that is possible.

    Args:
        estimator: The unfitted estimator or pipeline.
        prepared: The customer's data and folds.
        metrics: The metrics, by the names that `find_scorer` takes.
        cache: The cache of shared inputs and ensembles.
        folds: The numbers of the folds to score; None stands for all of them.

    Raises:
        Exception: Whatever the estimator or a metric raises.
    """
    try:
        shared = score_by_sharing(estimator, prepared, metrics, cache, folds)
    except BaseException as error:  # `score_plainly` decides whether the candidate is at fault
        if is_of_person(error):
            raise
        shared = None
    return shared or score_plainly(estimator, prepared, metrics, folds)


def score_by_sharing(
    estimator: Any,
    prepared: PreparedData,
    metrics: Sequence[str],
    cache: SharedCache,
    folds: Sequence[int] | None = None,
) -> FoldScores | None:
    """Return the scores if sharing is safe, else None.

    The seconds of a shared prefix count in full for every candidate that uses it: they measure the
    cost of fitting the candidate, whichever candidate came first.

    Raises:
        Exception: Something failed, perhaps only because it was shared.
    """
    if not all(map(sees_only_predictions, scorers(metrics).values())):
        return None
    steps = shareable_steps(estimator)
    if not steps:
        return None
    numbers = range(len(prepared.folds)) if folds is None else folds
    found = [_score_fold(steps, Fold(prepared, number, cache), metrics) for number in numbers]
    return FoldScores(
        scores={metric: tuple(fold.scores[metric] for fold in found) for metric in metrics},
        fit_seconds=tuple(fold.fit_seconds for fold in found),
        score_seconds=tuple(fold.score_seconds for fold in found),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _FoldScore:
    scores: dict[str, float]
    fit_seconds: float
    score_seconds: float


def _score_fold(steps: Sequence[CandidateStep], fold: Fold, metrics: Sequence[str]) -> _FoldScore:
    inputs, last = fold.inputs(steps), steps[-1]
    with fold.checked_once(last, inputs):
        final, fit_seconds = _fitted(steps, fold, inputs)
        fitted = perf_counter()
        scores = score_quickly(final, lent(inputs.X_test), fold.targets.binary, metrics)
    if scores is None:
        with config_context(skip_parameter_validation=fold.is_later):
            y_test = lent(fold.targets.y_test)
            scores = score_by_sklearn(final, lent(inputs.X_test), y_test, metrics)
    ended = perf_counter()
    return _FoldScore(
        scores=scores,
        fit_seconds=inputs.fit_seconds + fit_seconds,
        score_seconds=inputs.score_seconds + ended - fitted,
    )


def _fitted(steps: Sequence[CandidateStep], fold: Fold, inputs: Inputs) -> tuple[Any, float]:
    """The last step, fitted on the training rows that the others transformed, and its seconds."""
    last = steps[-1]
    final = last.fresh()
    weight = fit_params(final, copy.copy(fold.targets.weight_train))

    def fit(estimator: Any) -> Any:
        return estimator.fit(lent(inputs.X_train), fold.y_train(last), **weight)

    kind = ensemble(final)
    if kind is not None:
        before = tuple(step.key for step in steps[:-1])
        with fold.changing(("grown", *before, key_of(final, kind)), Grown) as grown:
            return grown.fitted(final, kind, fit)
    began = perf_counter()
    return fit(final), perf_counter() - began
