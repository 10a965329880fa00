"""Warm starts: champions' parameters are tried first, where they are points of the search."""

from dataclasses import replace

import pytest

from orchestrator.ledger import Champion
from orchestrator.pipeline.carry_over import WarmStarts
from orchestrator.records import Customer, Distribution, Search, Study, Trial
from orchestrator.search.spaces import point_of
from orchestrator.testing.strategies import trials_of
from orchestrator.training.data import find_loader
from orchestrator.training.fingerprint import Fingerprints
from tests.support.ledger_records import result
from tests.support.search_spaces import MIXED_GRID, SPACE, STEPS, study_of

IN_SPACE = {"C": 7.25, "kernel": "poly", "gamma": 0.5, "degree": 3, "max_iter": 77, "tol": 0.2}
IN_SPACE |= {"shrinking": False}
IN_STEPS = {"C": 2.0, "kernel": "poly", "degree": 2, "coef0": 0}
IN_GRID = {"kernel": "rbf", "sizes": [20]}

STRATEGIES = {
    "random": Search(strategy="random", settings={"n_trials": 3}),
    "optuna": Search(strategy="optuna", settings={"n_trials": 3}),
    "racing": Search(
        strategy="racing", settings={"suggest": {"strategy": "random", "n_trials": 3}}
    ),
    "halving": Search(
        strategy="halving", settings={"suggest": {"sampler": "TPESampler", "n_trials": 3}}
    ),
}


def judge(trial: Trial) -> float:
    return 0.5 + trial.number / 100


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("grid", "params"),
    [((SPACE,), IN_SPACE), ((STEPS,), IN_STEPS), (MIXED_GRID, IN_GRID), ((SPACE, STEPS), IN_STEPS)],
    ids=["space", "steps", "union of grids", "union of spaces"],
)
def test_what_is_to_be_tried_first_is_and_nothing_twice(strategy, grid, params):
    point = point_of(grid, params)
    study = replace(study_of(grid), first=(point,))
    trials = trials_of(study, STRATEGIES[strategy], judge)
    assert trials[0].params == point
    assert len({repr(trial.params) for trial in trials}) == len(trials) == 3
    cold = trials_of(study_of(grid), STRATEGIES[strategy], judge)
    assert cold[0].params != point, "else this shows nothing"


def test_a_grid_that_is_tried_as_a_whole_keeps_its_order():
    warm = replace(study_of(), first=(point_of(MIXED_GRID, IN_GRID),))
    for search in (Search(), replace(STRATEGIES["optuna"], settings={"n_trials": 100})):
        cold_trials = trials_of(study_of(), search, judge)
        warm_trials = trials_of(warm, search, judge)
        assert [t.params for t in warm_trials] == [t.params for t in cold_trials]


def test_random_draws_the_other_points_as_it_would_have_anyway():
    search = replace(STRATEGIES["random"], settings={"n_trials": 5})
    cold = [trial.params for trial in trials_of(study_of(), search, judge)]
    warm = replace(study_of(), first=(cold[3],))
    assert [t.params for t in trials_of(warm, search, judge)] == [cold[3], *cold[:3], cold[4]]


@pytest.mark.parametrize(
    ("grid", "params", "found"),
    [
        (MIXED_GRID, IN_GRID, {"kernel": "rbf", "sizes": (20,)}),
        (MIXED_GRID, {"kernel": "rbf", "sizes": [30]}, None),
        (MIXED_GRID, {"kernel": "rbf"}, None),
        (({"flag": (1, True)},), {"flag": True}, {"flag": True}),
        ((SPACE,), IN_SPACE, IN_SPACE),
        ((SPACE,), {**IN_SPACE, "C": 200.0}, None),
        ((SPACE,), {**IN_SPACE, "kernel": "linear"}, None),
        ((SPACE,), {**IN_SPACE, "max_iter": 77.5}, None),
        ((STEPS,), {**IN_STEPS, "C": 1.25}, None),
        ((), {}, {}),
        ((), {"C": 1.0}, None),
    ],
)
def test_a_point_is_one_of_the_search_or_none(grid, params, found):
    assert point_of(grid, params) == found


def test_a_point_has_the_types_that_the_grid_has():
    point = point_of(
        ({"flag": (1, True), "sizes": ((10, 10),)},), {"flag": True, "sizes": [10, 10]}
    )
    assert repr(point) == "{'flag': True, 'sizes': (10, 10)}"


def champion(customer, segment="north", score=0.5, params=None, model="svm"):
    found = result(customer, model, score=score, params=params or {"C": score})
    study = found.trial.study
    study = replace(study, customer=Customer(id=customer, segment=segment))
    found = replace(found, trial=replace(found.trial, study=study))
    return Champion(customer=customer, result=found, run_id="r", at=1.0)


WIDE = ({"C": Distribution(kind="float", low=0.0, high=1.0)},)
CHAMPIONS = {
    each.customer: each
    for each in [
        champion("acme", score=0.5),
        champion("best", score=0.9),
        champion("good", score=0.8),
        champion("south", segment="south", score=0.99),
        champion("other", score=0.95, model="tree"),
        champion("alone", segment="", score=0.4),
    ]
}


def first(customer, segment="north", *, warm_start="customer", grid=WIDE) -> tuple:
    study: Study = replace(
        study_of(grid),
        customer=Customer(id=customer, segment=segment),
        search=Search(warm_start=warm_start),
    )
    return WarmStarts(CHAMPIONS).of(study).first


def test_the_champion_of_the_customer_comes_first():
    assert first("acme") == ({"C": 0.5},)
    assert first("new") == ()
    assert first("other") == (), "its champion is another model"
    assert first("acme", warm_start="never") == ()


def test_the_best_of_the_segment_comes_after_it():
    assert first("acme", warm_start="segment") == ({"C": 0.5}, {"C": 0.9})
    assert first("new", warm_start="segment") == ({"C": 0.9},)
    assert first("best", warm_start="segment") == ({"C": 0.9},)
    assert first("alone", "", warm_start="segment") == ({"C": 0.4},), "no segment is none"


def test_what_is_no_point_of_the_search_is_left_out():
    assert first("acme", grid=({"C": (0.1, 0.9)},), warm_start="segment") == ({"C": 0.9},)


def test_what_is_tried_first_is_no_part_of_the_fingerprint():
    """Else every promotion would be a reason to search again."""
    cold = replace(study_of(), data_version="1")
    loader = "tests.support.synthetic:load"
    evaluation = replace(cold.evaluation, loader=loader)
    fingerprints = Fingerprints(evaluation, cold.search, find_loader(loader))
    warm = replace(cold, first=({"C": 1},))
    assert fingerprints.of(warm, "d").fingerprint == fingerprints.of(cold, "d").fingerprint
