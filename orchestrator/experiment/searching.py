"""How a study is searched: as a whole on one worker, or its trials spread over all of them.

    evaluate [studies]    on workers: a whole study
    spread [studies]      a coordinator a study: its strategy runs on the driver
      attempt [trials]    on workers: one trial, as far as its budget goes
    gather [studies]      on the driver: what was spread, under the name of the whole study

Both ways make the same trials: the strategy is the same, and is told the same in the same order.

Touches no library itself; takes `Study`; gives its `TrialResult`s; runs on the driver but for what
is said to run on workers.
"""

import math
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from orchestrator.experiment.settings import Experiment
from orchestrator.mapping import Fail, Outcome, Outcomes, Skip, task
from orchestrator.mapping.nodes import Reference
from orchestrator.records import CHAMPION, Study, Trial, TrialResult
from orchestrator.search import open_strategy

_ONE_BY_ONE = 32
"""Most trials of a round that are awaited one by one; a longer one is of a strategy that does not
learn, or learns of many at a time, and is one map."""

_NO_LIMIT = 2**62

_MOST_LOST = 1
"""Dead workers a whole study survives before it is run trial by trial."""

_HOPELESS = 3
"""So many trials that time out or kill their worker, and none that does not, end a study."""


def study_key(study: Study) -> str:
    """A study's name among those of its customer."""
    return f"{study.model.id}{CHAMPION}" if study.champion else study.model.id


def _fingerprint(study: Study) -> str | None:
    return study.fingerprint or None


@task(key=study_key, cache=_fingerprint)
def evaluate(
    study: Study, gathered: tuple[TrialResult, ...] | None = None, until: float = math.inf
) -> tuple[TrialResult, ...]:
    """Score every candidate of a study, on a worker; or file what was scored trial by trial.

    Args:
        study: Which.
        gathered: What was scored already.
        until: When, in epoch seconds, it is too late to begin.
    """
    if gathered is not None:
        return gathered
    _require_time(until)
    # scikit-learn is imported on the workers only
    from orchestrator.training.evaluate import evaluate_study

    return evaluate_study(study, open_strategy(study.search, study))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A trial to be evaluated, and what it had with a smaller budget."""

    trial: Trial
    before: TrialResult | None


def _attempt_key(what: Attempt) -> str:
    budget = what.trial.budget
    return f"{what.trial.number}" + ("" if budget is None else f"@{budget.amount}")


def _attempt_fingerprint(what: Attempt) -> str | None:
    trial = what.trial
    name = trial.study.fingerprint
    return f"{name} {trial.number} {trial.budget} {sorted(trial.params.items())}" if name else None


@task(key=_attempt_key, cache=_attempt_fingerprint, grows=True)
def attempt(what: Attempt) -> TrialResult | None:
    """Score one trial, on a worker; None where the customer has too few rows for the model."""
    # scikit-learn is imported on the workers only
    from orchestrator.training.evaluate import evaluate_alone

    return evaluate_alone(what.trial, what.before)


@task(key=study_key, cache=False, grows=True)
async def spread(study: Study, timeout: float | None, until: float) -> tuple[TrialResult, ...]:
    """Evaluate a study's trials on as many workers as there are.

    Args:
        study: Which.
        timeout: Seconds a trial may take.
        until: When, in epoch seconds, it is too late to begin.
    """
    _require_time(until)
    search, found = open_strategy(study.search, study), _Found(study.search.seconds)
    begin = _Beginning(study, found, timeout)
    begin.these(next(search))
    while begin.under_way:
        trials, reference = begin.under_way.popleft()
        outcomes = await reference
        following: list[Trial] = []
        for trial, outcome in zip(trials, outcomes.items(), strict=True):
            result = found.note(trial, outcome)
            if result is None:
                return ()
            with suppress(StopIteration):  # it is over, while trials are still under way
                following += search.send(result)
        begin.these(following)
    return tuple(found.results.values())


def _require_time(until: float) -> None:
    if time.time() > until:
        raise Skip("the flow run's time for beginning studies (limits.seconds) was up")


class _Found:
    """What became of a study's trials so far.

    Args:
        seconds: How long further ones may begin.
    """

    def __init__(self, seconds: float | None) -> None:
        self.results: dict[int, TrialResult] = {}
        self._deaths, self._lives = 0, 0
        self._until = math.inf if seconds is None else time.monotonic() + seconds

    @property
    def may_go_on(self) -> bool:
        """Whether there is time, and trials do not only ever time out or kill their workers."""
        is_hopeless = not self._lives and self._deaths >= _HOPELESS
        return not is_hopeless and (not self.results or time.monotonic() <= self._until)

    def note(self, trial: Trial, outcome: Outcome) -> TrialResult | None:
        """A trial's result; None where the model is not meant for so few rows.

        Raises:
            Fail: The customer's data cannot be used; so it is for all trials.
        """
        if outcome.cause == "raised":
            raise Fail(outcome.error or "it failed")
        result = outcome.value if outcome.cause is None else self._ended(trial, outcome)
        if result is not None:
            self.results[trial.number] = result
            self._lives += outcome.cause is None
            self._deaths += outcome.cause is not None
        return result

    def attempts(self, trials: Sequence[Trial]) -> list[Attempt]:
        """The trials with what they had before."""
        return [Attempt(trial=trial, before=self.results.get(trial.number)) for trial in trials]

    def _ended(self, trial: Trial, outcome: Outcome) -> TrialResult:
        """A trial that did not come back keeps what it had."""
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
    """Starts a study's trials, in the order asked for, and knows which are under way.

    Args:
        study: Which.
        found: What became of trials so far.
        timeout: Seconds a trial may take.
    """

    def __init__(self, study: Study, found: _Found, timeout: float | None) -> None:
        self.under_way: deque[tuple[Sequence[Trial], Reference]] = deque()
        self._waiting: deque[Trial] = deque()
        self._found, at_once = found, study.search.max_parallel
        self._task = attempt.options(timeout=timeout, max_active=at_once)
        self._few = max(_ONE_BY_ONE, at_once or 0)
        # What is to end in time is not begun all at once.
        self._most = _NO_LIMIT if study.search.seconds is None else self._few

    def these(self, trials: Sequence[Trial]) -> None:
        """Begin these and what still waits, unless the study is not to go on.

        Each by itself, so that its result is heard of at once; many of a round are one map.
        """
        self._waiting += trials
        if not self._found.may_go_on:
            return
        room = self._most - sum(len(some) for some, _ in self.under_way)
        some = [self._waiting.popleft() for _ in range(min(len(self._waiting), room))]
        for these in [some] if len(some) > self._few else [[trial] for trial in some]:
            self.under_way.append((these, self._task.expand(what=self._found.attempts(these))))


STUDIES = ("evaluate", "rescore", "gather")
"""Names of the nodes whose instances return all trials of a study."""


class Searching:
    """Has studies evaluated in the way that suits each; awaited by coordinators.

    Args:
        experiment: Says how long a study or a trial may take.
        to_spread: Keys of the studies whose trials are spread over the workers.
    """

    def __init__(self, experiment: Experiment, to_spread: Collection[str]) -> None:
        self._to_spread, self._trials_may_time_out = to_spread, bool(experiment.search.timeout)
        limits = [experiment.study_timeout, experiment.search.timeout]
        self._timeout = min((limit for limit in limits if limit is not None), default=None)
        self._whole = evaluate.options(timeout=self._timeout, max_lost=_MOST_LOST)
        self._filed = evaluate.options(name="gather", runs_on="driver", grows=True)
        seconds = experiment.limits.seconds
        self._until = math.inf if seconds is None else time.time() + seconds

    async def outcomes_of(self, studies: Sequence[Study]) -> list[tuple[Study, Outcome]]:
        """How each study ended, in this order.

        One that died with its worker as a whole, or took longer than a trial may, is run again
        trial by trial, so that only the culprit fails.
        """
        parted = [study for study in studies if study.key in self._to_spread]
        whole = [study for study in studies if study.key not in self._to_spread]
        spreading = self._spread(parted)  # under way while the others are awaited
        ended: dict[str, Outcome] = {}
        if whole:
            outcomes = await self._whole.partial(until=self._until).expand(study=whole)
            ended = _by_study(whole, outcomes)
        died = [study for study in whole if self._may_be_one_trials_fault(ended[study.key])]
        for some, reference in ((parted, spreading), (died, self._spread(died))):
            if reference is not None:
                ended |= await self._gathered(_by_study(some, await reference), some)
        return [(study, ended[study.key]) for study in studies]

    async def rescored(self, study: Study) -> Outcome:
        """How the study of one trial ended that scores the champion again."""
        outcomes = await self._whole.options(name="rescore").expand(study=[study])
        ended: Outcome = next(iter(outcomes.items()))
        return ended

    def _spread(self, studies: Sequence[Study]) -> Reference | None:
        """Studies begun trial by trial; None for none."""
        if not studies:
            return None
        return spread.partial(timeout=self._timeout, until=self._until).expand(study=studies)

    async def _gathered(
        self, spreads: Mapping[str, Outcome], studies: Sequence[Study]
    ) -> Mapping[str, Outcome]:
        """The outcomes of whole studies; those that could not be spread have failed as they are."""
        good = [study for study in studies if spreads[study.key].value is not None]
        if not good:
            return spreads
        results = [{"study": s, "gathered": spreads[s.key].value} for s in good]
        outcomes = await self._filed.expand_kwargs(results)
        return {**spreads, **_by_study(good, outcomes)}

    def _may_be_one_trials_fault(self, ended: Outcome) -> bool:
        return ended.cause == "lost" or (ended.cause == "timed_out" and self._trials_may_time_out)


def _by_study(studies: Sequence[Study], outcomes: Outcomes) -> dict[str, Outcome]:
    return {s.key: outcome for s, outcome in zip(studies, outcomes.items(), strict=True)}
