"""Strategies: which trials a study tries, and what is said of wrong settings."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import ParameterGrid

from orchestrator.errors import ConfigError
from orchestrator.records import Customer, Evaluation, ModelSpec, Search, Step, Study
from orchestrator.search import count, find_strategy, optuna_sampler
from orchestrator.search.points import GridPoints
from tests.contracts.strategies import StrategyContract, trials_of

MIXED_GRID = (
    {"C": (0.1, 1, 10.0, 100), "penalty": ("l1", "l2", None), "flag": (True, 1)},
    {"kernel": ("rbf",), "sizes": ((10, 10), (20,))},
)


def study_of(grid=MIXED_GRID, **evaluation) -> Study:
    model = ModelSpec(id="svm", steps=(Step(name="clf", estimator="sklearn.svm:SVC"),), grid=grid)
    return Study(
        snapshot="s1",
        customer=Customer(id="acme"),
        model=model,
        evaluation=Evaluation(loader="loaders:load", **evaluation),
    )


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


class TestGrid(StrategyContract):
    search = Search()


class TestRandom(StrategyContract):
    search = Search(strategy="random", settings={"n_trials": 9})


class TestRandomBeyondTheGrid(StrategyContract):
    search = Search(strategy="random", settings={"n_trials": 500})


class TestOptunaByTpe(StrategyContract):
    search = Search(strategy="optuna", settings={"n_trials": 15})


class TestOptunaByEvolution(StrategyContract):
    search = Search(
        strategy="optuna",
        settings={
            "n_trials": 24,
            "sampler": "NSGAIISampler",
            "sampler_args": {"population_size": 5},
        },
    )


@pytest.mark.filterwarnings("ignore:QMCSampler is experimental")  # Optuna's word for it
class TestOptunaByQuasiMonteCarlo(StrategyContract):
    search = Search(strategy="optuna", settings={"n_trials": 12, "sampler": "QMCSampler"})


class TestOptunaBeyondTheGrid(StrategyContract):
    search = Search(strategy="optuna", settings={"n_trials": 500})


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


WRONG = [
    (Search(strategy="grit"), "no strategy 'grit'; known are grid, optuna, random"),
    (Search(settings={"n_trials": 3}), "search.n_trials: .* takes none"),
    (Search(strategy="random"), "search.n_trials: strategy 'random' needs it"),
    (Search(strategy="random", settings={"n_trials": 0}), "at least 1, not 0"),
    (Search(strategy="random", settings={"n_trials": True}), "at least 1, not True"),
    (Search(strategy="random", settings={"trials": 9}), "it takes n_trials"),
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
        "sampler_args.gama: TPESampler takes .*gamma",
    ),
    (
        Search(strategy="optuna", settings={"n_trials": 9, "sampler_args": ["multivariate"]}),
        "sampler_args: must be a mapping",
    ),
]


@pytest.mark.parametrize(("search", "message"), WRONG)
def test_wrong_settings_are_refused_by_name(search, message):
    with pytest.raises(ConfigError, match=message):
        find_strategy(search)


def test_a_sampler_whose_package_is_missing_says_what_to_install(monkeypatch):
    monkeypatch.setattr(optuna_sampler, "find_spec", lambda _: None)
    search = Search(strategy="optuna", settings={"n_trials": 9, "sampler": "CmaEsSampler"})
    with pytest.raises(ConfigError, match="pip install cmaes"):
        find_strategy(search)


@pytest.mark.parametrize("strategy", ["grid", "random", "optuna"])
def test_a_parameter_without_values_is_refused_with_the_studys_key(strategy):
    settings = {} if strategy == "grid" else {"n_trials": 3}
    with pytest.raises(ConfigError, match="grid of study 'acme/svm' has no values for 'C'"):
        count(Search(strategy=strategy, settings=settings), study_of(({"C": ()},)))
