"""Each strategy keeps the contract of strategies."""

import pytest

from orchestrator.records import (
    Constraint,
    Distribution,
    Search,
    Study,
)
from orchestrator.testing.strategies import StrategyContract
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


class TestRandomInASpace(StrategyContract):
    search = Search(strategy="random", settings={"n_trials": 30})

    @pytest.fixture
    def study(self):
        return study_of((SPACE,))


class TestOptunaInASpace(StrategyContract):
    search = Search(strategy="optuna", settings={"n_trials": 30})

    @pytest.fixture
    def study(self):
        return study_of((SPACE, {"C": Distribution(kind="float", low=5.0, high=6.0)}))


class TestGridInASpaceOfSteps(StrategyContract):
    search = Search()

    @pytest.fixture
    def study(self):
        return study_of((STEPS,))


class TestOptunaInASpaceOfSteps(StrategyContract):
    search = Search(strategy="optuna", settings={"n_trials": 12})

    @pytest.fixture
    def study(self):
        return study_of((STEPS,))


@pytest.mark.filterwarnings("ignore:CmaEsSampler only supports dynamic search space")
class TestOptunaByCovarianceMatrixAdaptation(StrategyContract):
    search = Search(strategy="optuna", settings={"n_trials": 12, "sampler": "CmaEsSampler"})

    @pytest.fixture
    def study(self):
        both = Distribution(kind="float", low=1.0, high=100.0)
        return study_of(({"C": both, "gamma": both},))


class TestOptunaByTpeWithSeveralGoals(StrategyContract):
    search = Search(strategy="optuna", settings={"n_trials": 15})

    @pytest.fixture
    def study(self):
        return study_of((SPACE,), **GOALS)


class TestOptunaByEvolutionWithSeveralGoals(StrategyContract):
    search = Search(
        strategy="optuna",
        settings={
            "n_trials": 15,
            "sampler": "NSGAIISampler",
            "sampler_args": {"population_size": 5},
        },
    )

    @pytest.fixture
    def study(self):
        return study_of((SPACE,), **GOALS)


class TestRacing(StrategyContract):
    search = Search(strategy="racing")


class TestRacingOnSuggestionsOfOptuna(StrategyContract):
    search = Search(
        strategy="racing", settings={"suggest": {"sampler": "TPESampler", "n_trials": 25}}
    )

    @pytest.fixture
    def study(self):
        return study_of((SPACE,), folds=5)


class TestHalvingByFolds(StrategyContract):
    search = Search(strategy="halving")


class TestHalvingByIterationsInBrackets(StrategyContract):
    search = Search(
        strategy="halving",
        settings={
            "suggest": {"strategy": "random", "n_trials": 25},
            "resource": "iterations",
            "brackets": 3,
        },
    )


class TestHalvingOnSuggestionsOfOptuna(StrategyContract):
    search = Search(
        strategy="halving",
        settings={"suggest": {"strategy": "optuna", "n_trials": 25}, "resource": "rows"},
    )

    @pytest.fixture
    def study(self):
        return study_of((SPACE,))
