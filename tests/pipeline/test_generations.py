"""A search that changed: recorded trials that still fit are neither fitted nor suggested again."""

import dataclasses

import pytest

from orchestrator.ledger import Ledger
from orchestrator.pipeline.carry_over import informed
from orchestrator.pipeline.pipeline import run
from orchestrator.records import (
    Constraint,
    Customer,
    Distribution,
    Evaluation,
    ModelSpec,
    Search,
    Step,
    Study,
    Trial,
    TrialResult,
)
from orchestrator.testing.strategies import trials_of
from tests.support.experiments import an_experiment, listing
from tests.support.rows import TREE, route

ROUTES = [route("AA", "STT")]


def results_of(experiment, report):
    with Ledger.open(experiment.ledger) as ledger:
        recorded = ledger.trials.of_run(report.flow_run.id)
    return {each.result.trial.params["max_depth"]: each.result for each in recorded}


@pytest.mark.parametrize("placement", ["study", "trials"])
def test_a_larger_grid_fits_only_what_is_new(tmp_path, mlflow_url, placement):
    search = Search(placement=placement)
    experiment = an_experiment(tmp_path, mlflow_url, models=[TREE], customers=ROUTES, search=search)
    before = results_of(experiment, run(experiment))
    wider = listing(
        experiment, models=[{**TREE, "grid": {"max_depth": [4, 3, 2]}}], customers=ROUTES
    )
    after = results_of(wider, run(wider))
    assert sorted(after) == [2, 3, 4]
    for depth in (2, 4):
        assert after[depth].fit_seconds == before[depth].fit_seconds, "it was not fitted again"
        assert after[depth].scores == before[depth].scores
        assert after[depth].trial.run_id != before[depth].trial.run_id


def test_an_incompatible_space_begins_anew_with_the_trials_that_still_fit(tmp_path, mlflow_url):
    """Another range on another scale, other choices: Optuna itself raises at each of them."""
    depths, choices = {"int": [2, 6]}, {"categorical": ["gini", "entropy"]}
    others, other_choices = {"int": [4, 40], "log": True}, {"categorical": ["entropy", "log_loss"]}
    before = in_space(TREE, max_depth=depths, criterion=choices)
    after = in_space(TREE, max_depth=others, criterion=other_choices)
    search = Search(strategy="optuna", settings={"n_trials": 8}, warm_start="never")
    first = an_experiment(tmp_path, mlflow_url, models=[before], customers=ROUTES, search=search)
    old = params_of(first, run(first))
    new = params_of(first, run(listing(first, models=[after], customers=ROUTES)))
    assert len(old) == len(new) == 8
    fitting = [p for p in old if p["max_depth"] >= 4 and p["criterion"] == "entropy"]
    assert len(fitting) > 1
    assert len([p for p in fitting if p in new]) == 1, "the best; the sampler tries others"


def in_space(model, **space):
    return {**{key: value for key, value in model.items() if key != "grid"}, "space": space}


def params_of(experiment, report):
    with Ledger.open(experiment.ledger) as ledger:
        recorded = [each.result for each in ledger.trials.of_run(report.flow_run.id)]
    assert {result.state for result in recorded} == {"success"}
    return [dict(result.trial.params) for result in recorded]


def test_nothing_is_carried_over_where_scores_would_be_others(tmp_path, mlflow_url):
    experiment = an_experiment(tmp_path, mlflow_url, models=[TREE], customers=ROUTES)
    before = results_of(experiment, run(experiment))
    folds = Evaluation(loader="experiments.flights:load", folds=4)
    other = dataclasses.replace(experiment, evaluation=folds)
    after = results_of(other, run(other))
    assert all(len(result.fit_seconds) == 4 for result in after.values())
    assert all(len(result.fit_seconds) == 3 for result in before.values())


def test_a_sampler_learns_what_is_known_and_tries_other_points():
    space = {"x": Distribution(kind="int", low=0, high=200)}
    study = Study(
        snapshot="s",
        customer=Customer(id="acme"),
        model=ModelSpec(id="m", steps=(Step(name="clf", estimator="pkg:M"),), grid=(space,)),
        evaluation=Evaluation(loader="loaders:load", direction="minimize"),
    )
    search = Search(strategy="optuna", settings={"n_trials": 15})

    def distance(trial):
        return abs(trial.params["x"] - 150) / 200

    known = tuple(({"x": x}, {"roc_auc": abs(x - 150) / 200}) for x in range(0, 200, 5))
    tried = {
        name: [trial.params["x"] for trial in trials_of(some, search, distance)]
        for name, some in {"new": study, "knowing": dataclasses.replace(study, known=known)}.items()
    }
    assert not {x for x in tried["knowing"] if x % 5 == 0}
    first = {name: sum(abs(x - 150) for x in xs[:8]) for name, xs in tried.items()}
    assert first["knowing"] < first["new"] / 2


def test_the_points_to_be_tried_first_are_tried_though_they_are_known():
    space = {"x": Distribution(kind="int", low=0, high=200)}
    study = Study(
        snapshot="s",
        customer=Customer(id="acme"),
        model=ModelSpec(id="m", steps=(Step(name="clf", estimator="pkg:M"),), grid=(space,)),
        evaluation=Evaluation(loader="loaders:load"),
        first=({"x": 7},),
        known=(({"x": 7}, {"roc_auc": 0.9}), ({"x": 8}, {"roc_auc": 0.8})),
    )
    search = Search(strategy="optuna", settings={"n_trials": 5})
    assert trials_of(study, search, lambda _: 0.5)[0].params == {"x": 7}


def test_the_best_known_point_that_may_be_served_is_tried_first():
    """A sampler that is told of a point suggests others; the point would be no candidate."""
    study = Study(
        snapshot="s",
        customer=Customer(id="acme"),
        model=ModelSpec(id="m", steps=(Step(name="clf", estimator="pkg:M"),)),
        evaluation=Evaluation(
            loader="loaders:load",
            metrics=("roc_auc", "recall"),
            constraints=(Constraint(measure="recall", relation=">=", bound=0.5),),
        ),
        first=({"x": 7},),
    )
    known = [
        TrialResult(
            trial=Trial(study=study, number=x, params={"x": x}),
            state="success",
            scores={"roc_auc": (0.9 - x / 100,), "recall": (x / 10,)},
        )
        for x in range(10)
    ]
    knowing = informed(study, {study.key: tuple(known)})
    assert knowing.first == ({"x": 7}, {"x": 5})
    assert len(knowing.known) == 10
    assert informed(study, {}) is study


def test_known_points_are_tried_where_there_are_no_others_left():
    space = {"x": Distribution(kind="int", low=1, high=20)}
    study = Study(
        snapshot="s",
        customer=Customer(id="acme"),
        model=ModelSpec(id="m", steps=(Step(name="clf", estimator="pkg:M"),), grid=(space,)),
        evaluation=Evaluation(loader="loaders:load"),
        known=tuple(({"x": x}, {"roc_auc": 0.5 + x / 100}) for x in range(12, 0, -1)),
    )
    search = Search(strategy="optuna", settings={"n_trials": 15})
    tried = [trial.params["x"] for trial in trials_of(study, search, lambda _: 0.5)]
    assert sorted(tried[:8]) == list(range(13, 21))
    assert tried[8:] == [12, 11, 10, 9, 8, 7, 6], "the best known first"
