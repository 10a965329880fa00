"""Strategies: which trials a study tries, and what is said of wrong settings."""

from collections import deque
from contextlib import suppress
from dataclasses import replace

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng
from optuna.samplers import TPESampler
from sklearn.model_selection import ParameterGrid

from orchestrator.errors import ConfigError
from orchestrator.records import (
    Constraint,
    Distribution,
    Search,
    Study,
    TrialResult,
)
from orchestrator.search import count, find_strategy, open_strategy, require_usable, samplers
from orchestrator.search.optuna_points import suggest_point
from orchestrator.search.points import GridPoints
from orchestrator.search.spaces import listed
from orchestrator.testing.strategies import ends_of, trials_of
from tests.support.search_spaces import SPACE, STEPS, study_of

GOALS = {
    "metrics": ("roc_auc", "model_kb"),
    "objectives": ("roc_auc", "model_kb"),
    "constraints": (Constraint(measure="model_kb", relation="<=", bound=-100.0),),
}


def nearness_to_ten(trial) -> float:
    return -abs(trial.params.get("C", 500) - 10)


@pytest.fixture
def study() -> Study:
    return study_of()


@pytest.fixture
def study_without_grid() -> Study:
    return study_of(grid=())


@pytest.fixture
def judge():
    return nearness_to_ten


def test_halving_compares_a_whole_trial_by_the_folds_the_others_have():
    """The one known as a whole is best on one fold, and worst on all: it takes the only way up."""
    study = study_of(({"x": (0, 1, 2)},), folds=3)
    rounds = open_strategy(Search(strategy="halving"), study)
    waiting, asked = deque(next(rounds)), []
    while waiting:
        trial = waiting.popleft()
        asked.append(trial.number)
        known = trial.params["x"] == 1
        scores = (0.9, 0.1, 0.1) if known else (0.5,)
        state = "success" if known else "pruned"
        result = TrialResult(trial=trial, state=state, scores={"roc_auc": scores})
        with suppress(StopIteration):
            waiting += rounds.send(result)
    assert sorted(asked) == [0, 1, 2], "none goes up behind it, and it is asked for once"


names = st.sampled_from("abcde")
values = st.lists(st.integers(), min_size=1, max_size=3, unique=True).map(tuple)
grids = st.lists(st.dictionaries(names, values, max_size=3), max_size=3).map(tuple)


@given(grids)
def test_points_are_those_of_scikit_learn_in_its_order(grid):
    points = GridPoints(study_of(grid))
    expected = list(ParameterGrid([dict(part) for part in grid] or [{}]))
    assert list(points) == expected
    assert len(points) == len(expected)
    assert [points[i - len(expected)] for i in range(len(expected))] == expected
    assert points[1:3] == expected[1:3]
    with pytest.raises(IndexError):
        points[len(expected)]


def test_grids_are_counted_without_being_listed():
    many = tuple(range(1000))
    assert count(Search(), study_of(({"a": many, "b": many, "c": many},))) == 10**9


@pytest.mark.parametrize("strategy", ["random", "optuna"])
def test_a_space_of_more_points_than_python_counts_in_a_sequence(strategy):
    space = {name: Distribution(kind="int", low=1, high=10**6) for name in "abcd"}
    study, search = study_of((space,)), Search(strategy=strategy, settings={"n_trials": 3})
    assert count(Search(), study) == 10**24
    assert count(search, study) == 3
    assert len(trials_of(study, search, lambda _: 0.5)) == 3


def test_the_customers_own_grid_replaces_the_models():
    study = study_of()
    study = replace(study, customer=replace(study.customer, grids={"svm": ({"C": (7,)},)}))
    assert [t.params for t in trials_of(study, Search(), nearness_to_ten)] == [{"C": 7}]


@given(st.integers(1, 23))
def test_more_random_trials_begin_with_the_same_points(n_trials):
    fewer, all_points = (
        trials_of(study_of(), Search(strategy="random", settings={"n_trials": n}), nearness_to_ten)
        for n in (n_trials, 26)
    )
    assert all_points[: len(fewer)] == fewer


@pytest.mark.parametrize("strategy", ["random", "optuna"])
def test_other_seeds_give_other_trials(strategy):
    search = Search(strategy=strategy, settings={"n_trials": 10})
    one, other = (trials_of(study_of(seed=seed), search, nearness_to_ten) for seed in (0, 1))
    assert [t.params for t in one] != [t.params for t in other]


def test_tpe_looks_where_scores_are_good():
    numbers = tuple(range(40))
    study = study_of(({"x": numbers, "y": numbers},))
    search = Search(strategy="optuna", settings={"n_trials": 40})

    def distance(trial) -> float:
        return abs(trial.params["x"] - 33) + abs(trial.params["y"] - 5)

    minimizing = replace(study, evaluation=replace(study.evaluation, direction="minimize"))
    late = [distance(trial) for trial in trials_of(minimizing, search, distance)][25:]
    uniform = 26  # the mean distance of points drawn without looking at scores
    assert sum(late) / len(late) < uniform / 2


@pytest.mark.parametrize("arguments", [{}, {"n_startup_trials": 2}, {"multivariate": False}])
def test_a_sampler_seeded_anew_suggests_what_a_new_one_would(arguments):
    kept = samplers.Seeded("TPESampler", arguments)

    def new(seed):
        return TPESampler(**arguments, seed=seed)

    assert _suggested(kept.by) == _suggested(new)


def _suggested(sampler_of, trials=30):
    """Points of the conditional space, each by a sampler of its own seed; two at a time."""
    search, points, under_way = optuna.create_study(), [], []
    for seed in range(trials):
        search.sampler = sampler_of(seed)
        trial = search.ask()
        points.append(suggest_point(trial, (SPACE,)))
        under_way.append(trial)
        if seed % 2:
            search.tell(under_way.pop(0), points[-1]["C"])
    return points


def test_a_grid_over_a_range_without_end_is_refused_with_parameter_and_cure():
    with pytest.raises(ConfigError, match=r"acme/svm.* no end of values for 'C'.*give it a step"):
        count(Search(), study_of((SPACE,)))


def test_finite_ranges_are_points_of_a_grid_under_their_conditions():
    points = list(GridPoints(study_of((STEPS,))))
    assert len(points) == 4 * (1 + 2 + 1), "rbf; poly with degree 2 and two coef0; degree 5"
    assert {point["C"] for point in points} == {0.5, 1.0, 1.5, 2.0}
    assert all(("coef0" in point) == (point.get("degree") == 2) for point in points)


def test_what_optuna_suggests_of_a_range_with_steps_is_one_of_them():
    """14 steps of 0.07 are 0.9800000000000001 in floats; Optuna ends at 0.98."""
    steps = Distribution(kind="float", low=0.0, high=1.0, step=0.07)
    search = Search(strategy="optuna", settings={"n_trials": 60, "sampler": "RandomSampler"})
    tried = trials_of(study_of(({"a": steps, "b": steps},)), search, lambda _: 0.5)
    values = {value for trial in tried for value in trial.params.values()}
    assert max(values) == 0.98
    assert values <= set(listed(steps))


def test_random_numbers_are_uniform_on_their_scale():
    study = study_of(({"C": SPACE["C"], "max_iter": SPACE["max_iter"]},))
    search = Search(strategy="random", settings={"n_trials": 400})
    params = [trial.params for trial in trials_of(study, search, nearness_to_ten)]
    assert 0.4 < sum(p["C"] < 1 for p in params) / 400 < 0.6
    assert 0.4 < sum(p["max_iter"] < 100 for p in params) / 400 < 0.6
    assert all(isinstance(p["max_iter"], int) for p in params)


def test_suggestions_know_all_results_but_those_of_trials_under_way():
    """The window decides which results a suggestion knows, and so which trials there are."""
    study = study_of((SPACE,))
    windows = {}
    for at_once in (1, 4):
        search = Search(strategy="optuna", settings={"n_trials": 20}, max_parallel=at_once)
        windows[at_once] = trials_of(replace(study, search=search), search, nearness_to_ten)
    assert windows[1] != windows[4]


def noisy(trial) -> float:
    return nearness_to_ten(trial)


@pytest.mark.parametrize(
    ("search", "most"),
    [
        (Search(strategy="racing", settings={"suggest": {"strategy": "grid"}}), 0.6),
        (Search(strategy="halving"), 0.45),
    ],
)
def test_what_is_behind_is_given_up_and_the_best_is_not(search, most):
    """Scores with a noise that all candidates of a fold share, and one of their own."""
    study = study_of(({"C": tuple(range(60))},), folds=5)
    folds, own = default_rng(0).normal(0, 0.05, 5), default_rng(1).normal(0, 0.01, (60, 5))

    def scores(trial, amount):
        candidate = trial.params["C"]
        noise = folds[:amount] + own[candidate, :amount]
        return tuple((noise - abs(candidate - 40) / 60).tolist())

    ends = ends_of(study, search, nearness_to_ten, scores=scores)
    fits = sum(len(end.scores["roc_auc"]) for end in ends.values())
    assert fits <= most * 60 * 5
    whole = [end for end in ends.values() if end.state == "success"]
    assert max(whole, key=lambda end: end.mean("roc_auc")).trial.params["C"] in {39, 40, 41}


WRONG = [
    (
        Search(strategy="grit"),
        "no strategy 'grit'; known are grid, halving, optuna, racing",
    ),
    (Search(settings={"n_trials": 3}), "search.n_trials: .* takes none"),
    (Search(strategy="random"), "search.n_trials: strategy 'random' needs it"),
    (Search(strategy="random", settings={"n_trials": 0}), "at least 1, not 0"),
    (Search(strategy="random", settings={"n_trials": True}), "at least 1, not True"),
    (Search(strategy="random", settings={"trials": 9}), "did you mean 'n_trials'"),
    (Search(strategy="random", settings={"depth": 9}), "it takes n_trials"),
    (
        Search(strategy="optuna", settings={"n_trials": 9, "sampler": "Tpe"}),
        "no sampler 'Tpe' that fits; known are .*TPESampler",
    ),
    (
        Search(strategy="optuna", settings={"n_trials": 9, "sampler": "GridSampler"}),
        "no sampler 'GridSampler'",
    ),
    (
        Search(strategy="optuna", settings={"n_trials": 9, "sampler_args": {"seed": 1}}),
        "sampler_args.seed: seeds follow from the experiment's seed",
    ),
    (
        Search(strategy="optuna", settings={"n_trials": 9, "sampler_args": {"gama": 1}}),
        "sampler_args.gama: TPESampler takes .*n_ei_candidates",
    ),
    (
        Search(strategy="optuna", settings={"n_trials": 9, "sampler_args": {"gamma": 1}}),
        "sampler_args.gamma: TPESampler takes ",
    ),
    (
        Search(strategy="optuna", settings={"n_trials": 9, "sampler_args": {"weights": "x"}}),
        "sampler_args.weights: TPESampler takes ",
    ),
    (
        Search(
            strategy="optuna", settings={"n_trials": 9, "sampler_args": {"constraints_func": 1}}
        ),
        "sampler_args.constraints_func: TPESampler takes ",
    ),
    (Search(strategy="racing", settings={"p_threshold": 2.0}), "search.p_threshold: .*not 2.0"),
    (Search(strategy="racing", settings={"suggest": "random"}), "search.suggest: must be a strat"),
    (
        Search(strategy="racing", settings={"suggest": {"strategy": "random"}}),
        "search.suggest.n_trials: strategy 'random' needs it",
    ),
    (
        Search(strategy="racing", settings={"suggest": {"strategy": "halving"}}),
        "search.suggest.strategy: strategy 'halving' gives candidates up itself",
    ),
    (Search(settings={"max_paralel": 3}), "did you mean 'max_parallel'"),
    (Search(settings={"stategy": "random"}), "did you mean 'strategy'"),
    (Search(strategy="halving", settings={"eta": 1}), "search.eta: .*at least 2, not 1"),
    (Search(strategy="halving", settings={"resource": "time"}), "search.resource: is 'time'"),
    (Search(strategy="halving", settings={"rungs": 1}), "search.rungs: .*at least 2, not 1"),
    (
        Search(strategy="optuna", settings={"n_trials": 9, "sampler_args": ["multivariate"]}),
        "sampler_args: must be a mapping",
    ),
]


@pytest.mark.parametrize(("search", "message"), WRONG)
def test_wrong_settings_are_refused_by_name(search, message):
    with pytest.raises(ConfigError, match=message):
        find_strategy(search)


UNUSABLE = [{"n_startup_trials": "ten"}, {"n_ei_candidates": 0}, {"n_ei_candidates": "ten"}]


@pytest.mark.parametrize("arguments", UNUSABLE)
def test_what_a_sampler_stumbles_over_only_in_use_is_refused_before(arguments):
    settings = {"n_trials": 9, "sampler": "TPESampler", "sampler_args": arguments}
    with pytest.raises(ConfigError, match=r"search\.sampler_args: TPESampler cannot work"):
        require_usable(Search(strategy="optuna", settings=settings))
    with pytest.raises(ConfigError, match=r"search\.suggest\.sampler_args: TPESampler"):
        require_usable(Search(strategy="halving", settings={"suggest": settings}))


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize(
    ("sampler", "arguments"),
    [
        ("TPESampler", {"n_startup_trials": 100, "n_ei_candidates": 5}),
        ("CmaEsSampler", {"n_startup_trials": 100}),
        ("NSGAIISampler", {"population_size": 2}),
        ("NSGAIIISampler", {"population_size": 2}),
        ("QMCSampler", {"qmc_type": "halton"}),
    ],
)
def test_right_arguments_of_a_sampler_are_taken(sampler, arguments):
    settings = {"n_trials": 9, "sampler": sampler, "sampler_args": arguments}
    require_usable(Search(strategy="optuna", settings=settings))


def test_a_sampler_whose_package_is_missing_says_what_to_install(monkeypatch):
    monkeypatch.setattr(samplers, "find_spec", lambda _: None)
    search = Search(strategy="optuna", settings={"n_trials": 9, "sampler": "CmaEsSampler"})
    with pytest.raises(ConfigError, match="pip install cmaes"):
        find_strategy(search)


@pytest.mark.parametrize("strategy", ["grid", "random", "optuna"])
def test_a_parameter_without_values_is_refused_with_the_studys_key(strategy):
    settings = {} if strategy == "grid" else {"n_trials": 3}
    with pytest.raises(ConfigError, match="grid of study 'acme/svm' has no values for 'C'"):
        count(Search(strategy=strategy, settings=settings), study_of(({"C": ()},)))
