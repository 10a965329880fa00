"""What every search strategy must do, whichever it is."""

from collections.abc import Callable, Iterator, Sequence

import pytest

from orchestrator.records import Search, Study, Trial, TrialResult
from orchestrator.search import count, open_strategy

Judge = Callable[[Trial], float]


def answered(study: Study, search: Search, judge: Judge) -> Iterator[Sequence[TrialResult]]:
    """The rounds of a search whose trials are all successes, with the judge's scores."""
    rounds = open_strategy(search, study)
    trials = next(rounds, None)
    while trials is not None:
        results = [result_of(trial, judge(trial)) for trial in trials]
        yield results
        try:
            trials = rounds.send(results)
        except StopIteration:
            return


def result_of(trial: Trial, score: float | None) -> TrialResult:
    """A success with this score in every fold; a failure without one."""
    if score is None:
        return TrialResult(trial=trial, state="failed", error="ValueError: no")
    metric = trial.study.evaluation.metric
    return TrialResult(trial=trial, state="success", scores={metric: (score, score)})


def trials_of(study: Study, search: Search, judge: Judge) -> list[Trial]:
    """Every trial of a search, in order."""
    return [result.trial for results in answered(study, search, judge) for result in results]


class StrategyContract:
    """Subclasses name a `search` and give a `study` and a `judge` of its trials."""

    search: Search

    @pytest.fixture
    def trials(self, study, judge) -> list[Trial]:
        return trials_of(study, self.search, judge)

    def test_trials_are_numbered_in_the_order_they_are_asked_for(self, trials):
        assert [trial.number for trial in trials] == list(range(len(trials)))

    def test_as_many_trials_as_counted(self, study, trials):
        assert len(trials) == count(self.search, study)

    def test_no_point_is_tried_twice(self, trials):
        assert len({repr(trial.params) for trial in trials}) == len(trials)

    def test_points_come_from_the_grid(self, study, trials):
        for trial in trials:
            assert any(
                trial.params.keys() == part.keys()
                and all(trial.params[name] in part[name] for name in part)
                for part in study.grid
            )

    def test_no_round_is_empty(self, study, judge):
        assert all(answered(study, self.search, judge))

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
