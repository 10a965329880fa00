"""A study on a worker: its strategy asks for rounds of trials, each trial is scored.

Touches scikit-learn through its sibling modules; takes a `Study` and its search in progress;
gives one `TrialResult` a trial; runs on workers.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress

from orchestrator.records import Study, Trial, TrialResult
from orchestrator.training.cache import SharedCache, of_this_process
from orchestrator.training.dataset import prepare
from orchestrator.training.isolation import isolated
from orchestrator.training.trials import evaluate_trial

Rounds = Generator[Sequence[Trial], TrialResult, None]
Evaluate = Callable[[Trial, TrialResult | None], TrialResult]
"""Scores a trial, given what it had with a smaller budget."""


def evaluate_study(
    study: Study,
    strategy: Rounds,
    cache: SharedCache | None = None,
    known: Sequence[TrialResult] = (),
) -> tuple[TrialResult, ...]:
    """Score every trial the strategy asks for.

    Args:
        study: What is searched, on whose data.
        strategy: The search, not yet begun: a generator that yields rounds of trials and is sent
            one result after the other (`orchestrator.search.Strategy` is the contract).
        cache: What studies of one customer share; this process's by default.
        known: Results of points that need not be fitted again.

    Returns:
        One result a trial, in the order asked for. A candidate that cannot be fitted or scored
        is a failed result, its siblings go on. None at all when the customer has fewer rows than
        the model is meant for: like any result, that is known until the data changes.

    Raises:
        DataError: The customer's data cannot be used.
    """
    cache = of_this_process() if cache is None else cache
    with isolated(study.key):
        prepared = prepare(study, cache)
        if prepared.rows < study.model.when.min_rows:
            return ()
        points = {repr(result.trial.params): result for result in known}

        def evaluate(trial: Trial, before: TrialResult | None) -> TrialResult:
            known = points.get(repr(trial.params))
            if known is not None and (before is None or trial.budget is None):
                before = known  # which is whole: nothing of it has to be fitted again
            return evaluate_trial(trial, before, prepared, cache)

        return _drive(strategy, evaluate, study.search.seconds)


def evaluate_alone(
    trial: Trial, before: TrialResult | None, cache: SharedCache | None = None
) -> TrialResult | None:
    """Score one trial of a study whose search runs elsewhere.

    Args:
        trial: What is tried.
        before: What it had with a smaller budget.
        cache: What studies of one customer share; this process's by default.

    Returns:
        Its result; None where the customer has fewer rows than the model is meant for.

    Raises:
        DataError: The customer's data cannot be used.
    """
    cache, study = of_this_process() if cache is None else cache, trial.study
    with isolated(study.key):
        prepared = prepare(study, cache)
        if prepared.rows < study.model.when.min_rows:
            return None
        return evaluate_trial(trial, before, prepared, cache)


def _drive(strategy: Rounds, evaluate: Evaluate, seconds: float | None) -> tuple[TrialResult, ...]:
    """Evaluate trials in the order asked for, while there is time; the last result of each counts.

    There is time for one trial at least.
    """
    results: dict[int, TrialResult] = {}
    until = math.inf if seconds is None else time.monotonic() + seconds
    waiting = deque(next(strategy, ()))
    while waiting and not (results and time.monotonic() > until):
        trial = waiting.popleft()
        results[trial.number] = evaluate(trial, results.get(trial.number))
        with suppress(StopIteration):  # it is over, while trials of it are still under way
            waiting += strategy.send(results[trial.number])
    return tuple(results.values())
