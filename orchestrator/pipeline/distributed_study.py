"""A study whose trials are spread over the workers, its strategy running on the driver.

    spread [studies]      one coordinator per study
      attempt [trials]    on workers: one trial, as far as its budget goes

Touches no library itself; takes `Study`; gives its `TrialResult`s; runs on the driver, except where
it says "on workers".
"""

import math
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from orchestrator.mapping import Fail, FirstEnded, Outcome, Skip, task
from orchestrator.mapping.authoring.nodes import Reference
from orchestrator.records import CHAMPION, Study, Trial, TrialResult
from orchestrator.search import learns, open_strategy

_ONE_BY_ONE = 32
"""The most trials of a round that are awaited one by one, without `max_parallel`. A longer round
comes from a strategy that does not learn, or learns from many trials at a time; it is one map."""

_NO_LIMIT = 2**62

_HOPELESS = 3
"""The number of trials that end a study if all of them time out or kill their workers."""


_UnderWay = tuple[Sequence[Trial], Reference]
"""Trials that were started together, and the reference to their outcomes."""


def study_key(study: Study) -> str:
    """A study's name among those of its customer."""
    return f"{study.model.id}{CHAMPION}" if study.champion else study.model.id


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialAttempt:
    """A trial to be evaluated, and its result with a smaller budget, if any."""

    trial: Trial
    before: TrialResult | None


def _attempt_key(what: TrialAttempt) -> str:
    budget = what.trial.budget
    return f"{what.trial.number}" + ("" if budget is None else f"@{budget.amount}")


def _attempt_fingerprint(what: TrialAttempt) -> str | None:
    trial = what.trial
    name = trial.study.fingerprint
    return f"{name} {trial.number} {trial.budget} {sorted(trial.params.items())}" if name else None


@task(key=_attempt_key, cache=_attempt_fingerprint, grows=True)
def attempt(what: TrialAttempt) -> TrialResult | None:
    """Score one trial, on a worker; None if the customer has too few rows for the model."""
    # scikit-learn is imported on the workers only
    from orchestrator.training.evaluate import evaluate_alone

    return evaluate_alone(what.trial, what.before)


@task(key=study_key, cache=False, grows=True)
async def spread(
    study: Study, known: tuple[TrialResult, ...], timeout: float | None, until: float
) -> tuple[TrialResult, ...]:
    """Evaluate a study's trials on as many workers as there are.

    Args:
        study: The study to search.
        known: Results of an earlier generation, which need not be fitted again.
        timeout: The seconds that a trial may take.
        until: The time, in epoch seconds, after which the study may not start.
    """
    require_time(until)
    search, found = open_strategy(study.search, study), _Found(study.search.seconds, known)
    begin = _Beginning(study, found, timeout)
    begin.these(next(search))
    while begin.under_way:
        trials, reference = await begin.next_to_tell()
        outcomes = await reference
        following: list[Trial] = []
        for trial, outcome in zip(trials, outcomes.items(), strict=True):
            result = found.note(trial, outcome)
            if result is None:
                return ()
            with suppress(StopIteration):  # the search is over, while trials are still running
                following += search.send(result)
        begin.these(following)
    return tuple(result for _, result in sorted(found.results.items()))


def require_time(until: float) -> None:
    """Skip a study that starts too late.

    Args:
        until: The time, in epoch seconds, after which a study may not start.

    Raises:
        Skip: That time has passed.
    """
    if time.time() > until:
        raise Skip("the flow run's time for beginning studies (limits.seconds) was up")


class _Found:
    """The results of a study's trials so far.

    Args:
        seconds: The seconds during which further trials may start; None for no limit.
        known: Results of an earlier generation.
    """

    def __init__(self, seconds: float | None, known: Sequence[TrialResult]) -> None:
        self._known = {repr(result.trial.params): result for result in known}
        self.results: dict[int, TrialResult] = {}
        self._deaths, self._lives = 0, 0
        self._until = math.inf if seconds is None else time.monotonic() + seconds

    @property
    def has_lived(self) -> bool:
        """Whether any trial neither timed out nor killed its workers."""
        return self._lives > 0

    @property
    def may_go_on(self) -> bool:
        """Whether there is time left, and the first trials did not all time out or kill workers."""
        is_hopeless = not self.has_lived and self._deaths >= _HOPELESS
        return not is_hopeless and (not self.results or time.monotonic() <= self._until)

    def note(self, trial: Trial, outcome: Outcome) -> TrialResult | None:
        """Keep a trial's result and return it; None if there are too few rows for the model.

        Raises:
            Fail: The customer's data cannot be used, by this trial or any other.
        """
        if outcome.cause == "raised":
            raise Fail(outcome.error or "it failed")
        result = outcome.value if outcome.cause is None else self._ended(trial, outcome)
        if result is not None:
            # Use the driver's trial: each result brought its own copy of the study and its grid.
            result = self.results[trial.number] = replace(result, trial=trial)
            self._lives += outcome.cause is None
            self._deaths += outcome.cause is not None
        return result

    def attempts(self, trials: Sequence[Trial]) -> list[TrialAttempt]:
        """The trials with their earlier results."""
        return [TrialAttempt(trial=trial, before=self._before(trial)) for trial in trials]

    def _before(self, trial: Trial) -> TrialResult | None:
        return self.results.get(trial.number) or self._known.get(repr(trial.params))

    def _ended(self, trial: Trial, outcome: Outcome) -> TrialResult:
        """The result of a trial that did not return; it keeps its earlier scores."""
        before = self.results.get(trial.number)
        blank = TrialResult(trial=trial, state="failed", started=outcome.started or 0.0)
        return replace(
            before or blank,
            trial=trial,
            state="timed_out" if outcome.cause == "timed_out" else "failed",
            ended=outcome.ended or 0.0,
            worker=outcome.worker,
            error=outcome.error,
        )


class _Beginning:
    """Starts a study's trials in the order requested, and knows which are running.

    Args:
        study: The study of the trials.
        found: The results of its trials so far.
        timeout: The seconds that a trial may take.
    """

    def __init__(self, study: Study, found: _Found, timeout: float | None) -> None:
        self.under_way: list[_UnderWay] = []
        self._in_order = study.search.reproducible and learns(study.search)
        self._waiting: deque[Trial] = deque()
        self._found, at_once = found, study.search.max_parallel
        self._task = attempt.options(timeout=timeout, max_active_per_call=at_once)
        self._few = at_once or _ONE_BY_ONE  # a map keeps to its own limit of running trials
        self._may_be_hopeless = timeout is not None
        # Few trials are started at once in two cases: the study has a time limit; or its trials may
        # hang and `max_parallel` limits them, since another map would run as many beside them.
        self._is_rationed = study.search.seconds is not None or bool(timeout and at_once)

    async def next_to_tell(self) -> _UnderWay:
        """Return the trials to report to the strategy next: those started or ended first.

        A strategy that does not learn makes the same trials either way.
        """
        if self._in_order or len(self.under_way) == 1:
            return self.under_way.pop(0)
        ended = await FirstEnded(reference for _, reference in self.under_way)
        place = next(n for n, (_, each) in enumerate(self.under_way) if each is ended)
        return self.under_way.pop(place)

    def these(self, trials: Sequence[Trial]) -> None:
        """Start these trials and those still waiting, unless the study has to stop.

        Each trial is its own call, so that its result arrives at once; a large round is one map.
        """
        self._waiting += trials
        if not self._found.may_go_on:
            return
        some = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._room))]
        for these in [some] if len(some) > self._few else [[trial] for trial in some]:
            self.under_way.append((these, self._task.expand(what=self._found.attempts(these))))

    @property
    def _room(self) -> int:
        """The number of trials that may start now: few while all of them may still hang."""
        may_all_hang = self._may_be_hopeless and not self._found.has_lived
        most = self._few if self._is_rationed or may_all_hang else _NO_LIMIT
        return most - sum(len(some) for some, _ in self.under_way)
