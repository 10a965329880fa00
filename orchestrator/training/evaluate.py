"""A study on a worker: its strategy asks for rounds of trials, each trial is scored.

Touches scikit-learn through its sibling modules; takes a `Study` and its search in progress;
gives one `TrialResult` a trial; runs on workers.
"""

import math
import os
import socket
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import replace

from orchestrator.records import Study, Trial, TrialResult
from orchestrator.training.cache import SharedCache, of_this_process
from orchestrator.training.candidates import candidate
from orchestrator.training.isolation import isolated
from orchestrator.training.prepared import Prepared, prepare
from orchestrator.training.scorers import sources
from orchestrator.training.scoring import FoldScores
from orchestrator.training.sharing import score

Rounds = Generator[Sequence[Trial], Sequence[TrialResult], None]


def evaluate_study(
    study: Study, strategy: Rounds, cache: SharedCache | None = None
) -> tuple[TrialResult, ...]:
    """Score every trial the strategy asks for.

    Args:
        study: What is searched, on whose data.
        strategy: The search, not yet begun: a generator that yields rounds of trials and is sent
            the results of each.
        cache: What studies of one customer share; this process's by default.

    Returns:
        One result a trial, in the order asked for. A candidate that cannot be fitted or scored
        is a failed result, its siblings go on. None at all when the customer has fewer rows than
        the model is meant for: like any result, that is known until the data changes.

    Raises:
        DataError: The customer's data cannot be used.
    """
    cache = cache or of_this_process()
    with isolated(study.key):
        prepared = prepare(study, cache)
        if prepared.rows < study.model.when.min_rows:
            return ()
        return _drive(strategy, lambda trial: _evaluate(trial, prepared, cache))


def _drive(strategy: Rounds, evaluate: Callable[[Trial], TrialResult]) -> tuple[TrialResult, ...]:
    results: list[TrialResult] = []
    try:
        trials = next(strategy)
        while True:
            answers = [evaluate(trial) for trial in trials]
            results += answers
            trials = strategy.send(answers)
    except StopIteration:
        return tuple(results)


def _evaluate(trial: Trial, prepared: Prepared, cache: SharedCache) -> TrialResult:
    started, error, found = time.time(), None, _NOTHING
    try:
        found = _scores(trial, prepared, cache)
    except Exception as reason:  # noqa: BLE001 - a candidate's failure is a value (law 2)
        error = _in_one_line(reason)
    return TrialResult(
        trial=trial,
        state="success" if error is None else "failed",
        scores=found.scores,
        fit_seconds=found.fit_seconds,
        score_seconds=found.score_seconds,
        rows=prepared.rows,
        data_version=prepared.version,
        started=started,
        ended=time.time(),
        worker=f"{socket.gethostname()}:{os.getpid()}",
        error=error,
    )


_NOTHING = FoldScores(scores={}, fit_seconds=(), score_seconds=())


def _scores(trial: Trial, prepared: Prepared, cache: SharedCache) -> FoldScores:
    if prepared.problem:
        raise ValueError(prepared.problem)
    evaluation = trial.study.evaluation
    found = score(candidate(trial), prepared, sources(evaluation), cache)
    scores = dict(zip(evaluation.metrics, found.scores.values(), strict=True))
    for metric, values in scores.items():
        for fold, value in enumerate(values):
            if not math.isfinite(value):
                raise ValueError(f"the {metric} of fold {fold} is {value}")
    return replace(found, scores=scores)


def _in_one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
