"""The contract of every search strategy; a test class for one inherits `StrategyContract`."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

import pytest

from orchestrator.records import Search, Study, Trial, TrialResult, TrialState
from orchestrator.search import Traits, count, find_strategy, open_strategy
from orchestrator.search.points import GridPoints, is_finite
from orchestrator.search.spaces import is_searched, listed

Judge = Callable[[Trial], float | None]


def answered(
    study: Study,
    search: Search,
    judge: Judge,
    *,
    last_first: bool = False,
    scores: Callable[[Trial, int], tuple[float, ...]] | None = None,
) -> Iterator[TrialResult]:
    """Yield the results that a search is sent, with the judge's scores.

    A trial that continues with a larger budget has several results.

    Args:
        study: The study to search.
        search: The search: its strategy and settings.
        judge: A function that returns a trial's score, or None for a failure.
        last_first: Whether to answer the trial yielded last instead of the one yielded first.
        scores: A function of a trial and a number of folds that returns the scores of its first
            folds; it replaces those of the judge.
    """
    rounds = open_strategy(search, study)
    waiting = deque(next(rounds))
    assert waiting, "the first round has a trial"
    while waiting:
        trial = waiting.pop() if last_first else waiting.popleft()
        result = result_of(trial, judge(trial), scores)
        yield result
        with suppress(StopIteration):  # the search has ended, but some of its trials are waiting
            waiting += rounds.send(result)


def result_of(
    trial: Trial,
    score: float | None,
    scores: Callable[[Trial, int], tuple[float, ...]] | None = None,
) -> TrialResult:
    """Return the trial's result with this score in each fold of its budget; a failure for None."""
    if score is None:
        return TrialResult(trial=trial, state="failed", error="ValueError: no")
    evaluation, budget = trial.study.evaluation, trial.budget
    by_folds = budget is not None and budget.resource == "folds"
    amount = budget.amount if budget is not None and by_folds else evaluation.folds
    found = (score,) * amount if scores is None else scores(trial, amount)
    state: TrialState = "success" if budget is None else "pruned"
    return TrialResult(trial=trial, state=state, scores=dict.fromkeys(evaluation.metrics, found))


def trials_of(study: Study, search: Search, judge: Judge, **options) -> list[Trial]:
    """Return every trial of a search with the budget it began with, in order of number."""
    first: dict[int, Trial] = {}
    for result in answered(study, search, judge, **options):
        first.setdefault(result.trial.number, result.trial)
    return [first[number] for number in sorted(first)]


def ends_of(study: Study, search: Search, judge: Judge, **options) -> dict[int, TrialResult]:
    """Return the last result of each trial, by number."""
    return {r.trial.number: r for r in answered(study, search, judge, **options)}


def is_point_of(part, params) -> bool:
    """Return whether these are exactly the parameters the part searches, with values it allows."""
    searched = {name for name, values in part.items() if is_searched(values, params)}
    return params.keys() == searched and all(holds(part[n], v) for n, v in params.items())


def holds(values, value) -> bool:
    """Return whether a value is among the allowed ones."""
    every = listed(values)
    return values.low <= value <= values.high if every is None else value in every


class StrategyContract:
    """The contract of a search strategy.

    A subclass sets the attribute `search` and defines the fixtures `study`, `study_without_grid`
    and `judge`, a function that returns the score of a trial, or None for a failure.
    """

    search: Search

    @property
    def traits(self) -> Traits:
        return find_strategy(self.search).traits

    @pytest.fixture
    def trials(self, study, judge) -> list[Trial]:
        return trials_of(study, self.search, judge)

    def test_trials_are_numbered_in_the_order_they_are_asked_for(self, study, judge):
        asked = [result.trial.number for result in answered(study, self.search, judge)]
        assert list(dict.fromkeys(asked)) == list(range(len(set(asked))))

    def test_as_many_trials_as_counted(self, study, trials):
        assert len(trials) == count(self.search, study)

    def test_no_point_is_tried_twice(self, trials):
        assert len({repr(trial.params) for trial in trials}) == len(trials)

    def test_points_come_from_the_grid(self, study, trials):
        for trial in trials:
            assert any(is_point_of(part, trial.params) for part in study.grid)

    def test_a_trial_goes_on_with_the_same_point_and_a_larger_budget(self, study, judge):
        had: dict[int, Trial] = {}
        for result in answered(study, self.search, judge):
            trial, before = result.trial, had.get(result.trial.number)
            if before is not None:
                assert trial.params == before.params
                assert before.budget is not None
                assert trial.budget is None or trial.budget.amount > before.budget.amount
            had[trial.number] = trial

    def test_some_trial_is_whole(self, study, judge):
        ends = ends_of(study, self.search, judge).values()
        assert any(result.state == "success" for result in ends)

    def test_any_order_of_answers_will_do(self, study, judge):
        backwards = trials_of(study, self.search, judge, last_first=True)
        assert len(backwards) == count(self.search, study)

    def test_a_strategy_that_does_not_learn_asks_for_the_same_trials_whatever_it_is_sent(
        self, study, judge, trials
    ):
        def opposite(trial):
            score = judge(trial)
            return None if score is None else -score

        if not self.traits.learns:
            assert trials_of(study, self.search, opposite) == trials

    def test_trials_get_a_share_of_the_declared_resource_only(self, study, judge):
        results = list(answered(study, self.search, judge))
        given = {r.trial.budget.resource for r in results if r.trial.budget is not None}
        assert given <= ({self.traits.resource} if self.traits.prunes else set())

    def test_an_exhaustive_strategy_tries_every_point_as_a_whole(self, study, judge):
        if self.traits.is_exhaustive and is_finite(study):
            ends = ends_of(study, self.search, judge).values()
            tried = [repr(result.trial.params) for result in ends if result.trial.budget is None]
            assert sorted(tried) == sorted(map(repr, GridPoints(study)))

    def test_its_check_accepts_its_settings(self):
        self.traits.check()

    def test_trials_under_way_never_exceed_what_was_allowed(self, study, judge):
        search = replace(self.search, max_parallel=2)
        allowed = replace(study, search=search)
        rounds = open_strategy(search, allowed)
        first = next(rounds)
        assert not self.traits.learns or len(first) in {1, 2, count(search, allowed)}

    def test_the_same_study_and_results_give_the_same_trials(self, study, judge, trials):
        assert trials_of(study, self.search, judge) == trials

    def test_failures_do_not_end_the_search(self, study, judge):
        def failing(trial):
            return None if trial.number % 2 else judge(trial)

        assert len(trials_of(study, self.search, failing)) == count(self.search, study)

    def test_a_study_without_a_grid_has_one_trial_that_sets_nothing(
        self, study_without_grid, judge
    ):
        (trial,) = trials_of(study_without_grid, self.search, judge)
        assert (trial.number, trial.params) == (0, {})
