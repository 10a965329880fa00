"""A study on a worker: its strategy asks for rounds of trials, and each trial is scored.

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
"""A function that scores a trial, given its result with a smaller budget if it has one."""


def evaluate_study(
    study: Study,
    strategy: Rounds,
    cache: SharedCache | None = None,
    known: Sequence[TrialResult] = (),
) -> tuple[TrialResult, ...]:
    """Score every trial the strategy asks for.

    Args:
        study: The study: one model and its search on one customer's data.
        strategy: The search, not yet begun: a generator that yields rounds of trials and is sent
            one result after the other (`orchestrator.search.Strategy` is the contract).
        cache: The cache that the studies of a customer share; by default that of this process.
        known: Results of points that need not be fitted again.

    Returns:
        One result a trial, in the order asked for. A candidate that cannot be fitted or scored
        gives a failed result, and the other trials continue. Empty if the customer has fewer rows
        than the model requires: like any result, this one is valid until the data changes.

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
                before = known  # a complete result, so nothing has to be fitted again
            return evaluate_trial(trial, before, prepared, cache)

        return _drive(strategy, evaluate, study.search.seconds)


def evaluate_alone(
    trial: Trial, before: TrialResult | None, cache: SharedCache | None = None
) -> TrialResult | None:
    """Score one trial of a study whose search runs elsewhere.

    Args:
        trial: The trial, with its study and searched parameters.
        before: The trial's result with a smaller budget; None if it has none.
        cache: The cache that the studies of a customer share; by default that of this process.

    Returns:
        The trial's result; None if the customer has fewer rows than the model requires.

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
    """Evaluate trials in the order asked for until time is up; the last result of each counts.

    At least one trial is evaluated, however short the time is.
    """
    results: dict[int, TrialResult] = {}
    until = math.inf if seconds is None else time.monotonic() + seconds
    waiting = deque(next(strategy, ()))
    while waiting and not (results and time.monotonic() > until):
        trial = waiting.popleft()
        results[trial.number] = evaluate(trial, results.get(trial.number))
        with suppress(StopIteration):  # the search has ended, but some of its trials are waiting
            waiting += strategy.send(results[trial.number])
    return tuple(results.values())
