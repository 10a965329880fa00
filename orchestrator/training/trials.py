"""One trial: its candidate is scored on the folds, rows and iterations of its budget.

Touches scikit-learn through its sibling modules; takes a `Trial`, its earlier result, and
`PreparedData`; gives a `TrialResult`; runs on workers.
"""

import math
import os
import socket
import time
from dataclasses import replace

from orchestrator.records import Trial, TrialResult, TrialState
from orchestrator.training.budgets import with_iterations, with_rows
from orchestrator.training.cache import SharedCache
from orchestrator.training.candidates import candidate
from orchestrator.training.dataset import PreparedData
from orchestrator.training.plain_scoring import FoldScores
from orchestrator.training.scorers import sources
from orchestrator.training.shared_scoring import score
from orchestrator.user_code import described, is_of_person

_NOTHING = FoldScores(scores={}, fit_seconds=(), score_seconds=())


def evaluate_trial(
    trial: Trial, before: TrialResult | None, prepared: PreparedData, cache: SharedCache
) -> TrialResult:
    """Score a trial as far as its budget goes.

    Args:
        trial: The trial, with its study, searched parameters and budget.
        before: The trial's result with a smaller budget, or from an earlier generation of its
            study; None if it has none. The folds in it are not scored again.
        prepared: The customer's data.
        cache: The cache that the studies of a customer share.

    Returns:
        The trial's result. It is a failure if the candidate cannot be fitted or scored, and then
        still contains the folds of `before`.
    """
    started, error = time.time(), None
    found = kept = _kept(trial, before)
    try:
        found = _scores(trial, kept, prepared, cache)
    except BaseException as reason:  # a candidate's failure is a value (law 2)
        if is_of_person(reason):
            raise
        error = described(reason)
    # A result of an earlier generation has all folds already, however few the budget asks for.
    is_whole = trial.budget is None or (
        trial.budget.resource == "folds" and len(found.fit_seconds) == trial.budget.of
    )
    good: TrialState = "success" if is_whole else "pruned"
    return TrialResult(
        trial=trial,
        state=good if error is None else "failed",
        scores=found.scores,
        fit_seconds=found.fit_seconds,
        score_seconds=found.score_seconds,
        rows=prepared.rows,
        data_version=prepared.version,
        started=before.started if before and _is_of_this_run(trial, before) else started,
        ended=time.time(),
        worker=f"{socket.gethostname()}:{os.getpid()}",
        error=error,
    )


def _scores(
    trial: Trial, kept: FoldScores, prepared: PreparedData, cache: SharedCache
) -> FoldScores:
    """The scores of the kept folds, followed by those of the folds that still had to be scored."""
    if prepared.problem:
        raise ValueError(prepared.problem)
    estimator = candidate(trial, prepared.data.y)
    budget, evaluation = trial.budget, trial.study.evaluation
    last = len(prepared.folds)
    if budget is not None and budget.resource == "folds":
        last = budget.amount
    elif budget is not None and budget.resource == "rows":
        prepared = with_rows(prepared, budget, trial.study)
    elif budget is not None:
        estimator = with_iterations(estimator, budget)
    folds = range(len(kept.fit_seconds), last)
    if not folds:
        return kept
    found = score(estimator, prepared, sources(evaluation), cache, folds)
    scores = dict(zip(evaluation.metrics, found.scores.values(), strict=True))
    for metric, values in scores.items():
        for fold, value in zip(folds, values, strict=True):
            if not math.isfinite(value):
                raise ValueError(f"the {metric} of fold {fold} is {value}")
    return _joined(kept, replace(found, scores=scores))


def _joined(first: FoldScores, then: FoldScores) -> FoldScores:
    return FoldScores(
        scores={
            metric: (*first.scores.get(metric, ()), *values)
            for metric, values in then.scores.items()
        },
        fit_seconds=(*first.fit_seconds, *then.fit_seconds),
        score_seconds=(*first.score_seconds, *then.score_seconds),
    )


def _kept(trial: Trial, before: TrialResult | None) -> FoldScores:
    """The earlier scores to keep; none if a budget of rows or iterations makes the folds differ."""
    if before is None or not {_resource(trial), _resource(before.trial)} <= {None, "folds"}:
        return _NOTHING
    return FoldScores(
        scores=before.scores,
        fit_seconds=before.fit_seconds,
        score_seconds=before.score_seconds,
    )


def _resource(trial: Trial) -> str | None:
    return None if trial.budget is None else trial.budget.resource


def _is_of_this_run(trial: Trial, before: TrialResult) -> bool:
    return trial.study.flow_run == before.trial.study.flow_run
