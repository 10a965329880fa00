"""Ensembles grown from one fit score as separate fits do, to the last bit."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    AdaBoostClassifier,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from orchestrator.records import Search, Step
from orchestrator.search import open_strategy
from orchestrator.training import grown_ensembles
from orchestrator.training.cache import SharedCache
from orchestrator.training.evaluate import evaluate_alone, evaluate_study
from orchestrator.training.grown_ensembles import Grown, ensemble
from orchestrator.training.isolation import isolated
from orchestrator.training.plain_scoring import score_plainly
from orchestrator.training.shared_scoring import score, score_by_sharing
from tests.support.prepared_data import BINARY, BINARY_METRICS, REGRESSION_METRICS, prepared
from tests.support.studies import FOREST, SCALE, study_of

CLASSIFIERS = [
    RandomForestClassifier(random_state=0),
    RandomForestClassifier(random_state=3, max_features=0.5, max_samples=0.7),
    RandomForestClassifier(random_state=1, class_weight={0: 1.0, 1: 3.0}),
    ExtraTreesClassifier(random_state=0),
    ExtraTreesClassifier(random_state=0, bootstrap=True),
    GradientBoostingClassifier(random_state=0),
    GradientBoostingClassifier(random_state=2, subsample=0.5, max_features="sqrt"),
    HistGradientBoostingClassifier(random_state=0, early_stopping=False),
    HistGradientBoostingClassifier(random_state=1, early_stopping=False, max_features=0.5),
]
REGRESSORS = [
    RandomForestRegressor(random_state=0),
    ExtraTreesRegressor(random_state=1),
    GradientBoostingRegressor(random_state=0, loss="huber", subsample=0.8),
    HistGradientBoostingRegressor(random_state=0, early_stopping=False),
]


def with_iterations(estimator, number):
    name = "max_iter" if hasattr(estimator, "max_iter") else "n_estimators"
    return clone(estimator).set_params(**{name: number})


def assert_exact(estimator, data, metrics, numbers):
    """Of these iterations, asked for in this order."""
    cache = SharedCache()
    for number in numbers:
        candidate = with_iterations(estimator, number)
        with isolated("test"):
            plain = score_plainly(candidate, data, metrics)
            grown = score_by_sharing(candidate, data, metrics, cache)
        assert grown.scores == plain.scores, number


@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=repr)
def test_classifiers(estimator):
    assert ensemble(estimator) is not None
    assert_exact(estimator, prepared(seed=3), BINARY_METRICS, [4, 9, 2, 9, 12])


@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=repr)
def test_classifiers_of_three_classes(estimator):
    if getattr(estimator, "class_weight", None):
        estimator = clone(estimator).set_params(class_weight=None)
    assert_exact(estimator, prepared(classes=3), ["accuracy", "roc_auc_ovr"], [3, 8, 5])


@pytest.mark.parametrize("estimator", REGRESSORS, ids=repr)
def test_regressors(estimator):
    assert ensemble(estimator) is not None
    assert_exact(estimator, prepared("regression"), REGRESSION_METRICS, [4, 9, 2])


@settings(max_examples=30, deadline=None)
@given(
    estimator=st.sampled_from(CLASSIFIERS),
    numbers=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    data=st.fixed_dictionaries(
        {
            "form": st.sampled_from(BINARY),
            "seed": st.integers(0, 1000),
            "rows": st.integers(30, 120),
            "weights": st.booleans(),
        }
    ),
    metrics=st.lists(st.sampled_from(BINARY_METRICS), min_size=1, max_size=2, unique=True),
)
def test_any_numbers_in_any_order(estimator, numbers, data, metrics):
    assert_exact(estimator, prepared(**data), metrics, numbers)


@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(),
        RandomForestClassifier(random_state=np.random.RandomState(0)),
        RandomForestClassifier(random_state=0, warm_start=True),
        RandomForestClassifier(random_state=0, oob_score=True),
        RandomForestClassifier(random_state=0, class_weight="balanced"),
        RandomForestClassifier(random_state=0, n_estimators=0),
        GradientBoostingClassifier(random_state=0, n_iter_no_change=3),
        GradientBoostingClassifier(random_state=0, init=DummyClassifier()),
        HistGradientBoostingClassifier(random_state=0),
        AdaBoostClassifier(random_state=0),
    ],
)
def test_what_may_differ_is_fitted_each_time(estimator):
    assert ensemble(estimator) is None


def counting(monkeypatch, kind):
    fitted = []
    fit = kind.fit
    monkeypatch.setattr(
        kind,
        "fit",
        lambda self, *args, **more: fitted.append(self.n_estimators) or fit(self, *args, **more),
    )
    return fitted


def test_a_larger_one_is_grown_and_a_smaller_one_costs_nothing(monkeypatch):
    fitted = counting(monkeypatch, RandomForestClassifier)
    data, cache = prepared(), SharedCache()
    pipeline = make_pipeline(StandardScaler(), RandomForestClassifier(random_state=0))
    seconds = {}
    for number in (10, 40, 20):
        candidate = clone(pipeline).set_params(randomforestclassifier__n_estimators=number)
        seconds[number] = sum(score(candidate, data, ["roc_auc"], cache).fit_seconds)
    assert fitted == [10] * len(data.folds) + [40] * len(data.folds)
    assert 0 < seconds[10] < seconds[20] < seconds[40]


def test_other_parameters_are_other_ensembles(monkeypatch):
    fitted = counting(monkeypatch, RandomForestClassifier)
    data, cache = prepared(), SharedCache()
    for depth in (2, 3):
        forest = RandomForestClassifier(n_estimators=5, max_depth=depth, random_state=0)
        score(forest, data, ["roc_auc"], cache)
    assert len(fitted) == 2 * len(data.folds)


def test_large_ones_are_not_kept(monkeypatch):
    monkeypatch.setattr(grown_ensembles, "_LARGEST", 1)
    assert_exact(RandomForestClassifier(random_state=0), prepared(), ["roc_auc"], [4, 9, 2])


def test_a_fit_that_fails_leaves_nothing_half_grown():
    grown, data = Grown(), prepared()
    forest = RandomForestClassifier(n_estimators=3, random_state=0)

    def fit(estimator):
        return estimator.fit(data.data.X, data.data.y)

    def interrupted(estimator):
        fit(estimator)
        raise KeyboardInterrupt

    grown.fitted(forest, ensemble(forest), fit)
    more = with_iterations(forest, 6)
    with pytest.raises(KeyboardInterrupt):
        grown.fitted(more, ensemble(more), interrupted)
    again, _ = grown.fitted(more, ensemble(more), fit)
    expected = clone(more).fit(data.data.X, data.data.y).predict_proba(data.data.X)
    assert (again.predict_proba(data.data.X) == expected).all()


def test_threads_that_share_one_get_what_they_asked_for():
    data, cache, found = prepared(), SharedCache(), {}

    def work(number):
        forest = RandomForestClassifier(n_estimators=number, random_state=0)
        found[number] = score(forest, data, ["roc_auc"], cache).scores

    threads = [threading.Thread(target=work, args=(number,)) for number in (3, 9, 5, 12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, scores in found.items():
        forest = RandomForestClassifier(n_estimators=number, random_state=0)
        assert scores == score_plainly(forest, data, ["roc_auc"]).scores


def halved(model, *, candidates=9, eta=3, **data):
    """A study whose candidates differ in one parameter, rationed by iterations."""
    return study_of(
        replace(FOREST, **model),
        data=data,
        search=Search(
            strategy="halving",
            settings={
                "suggest": {"strategy": "random", "n_trials": candidates},
                "resource": "iterations",
                "eta": eta,
            },
        ),
    )


def of_ensemble(name, **params):
    steps = (SCALE, Step(name="clf", estimator=f"sklearn.ensemble:{name}"))
    return {"steps": steps, "params": {f"clf__{key}": value for key, value in params.items()}}


GROWING = [
    of_ensemble("RandomForestClassifier", n_estimators=18)
    | {"grid": ({"clf__max_depth": tuple(range(1, 10))},)},
    of_ensemble("GradientBoostingClassifier", subsample=0.7)
    | {"grid": ({"clf__n_estimators": (9, 10, 20), "clf__max_depth": (1, 2, 3)},)},
    of_ensemble("HistGradientBoostingClassifier", max_iter=11, early_stopping=False)
    | {"grid": ({"clf__max_features": tuple(n / 10 for n in range(1, 10))},)},
]


@settings(max_examples=5, deadline=None)
@given(
    model=st.sampled_from(GROWING),
    eta=st.sampled_from([2, 3]),
    seed=st.integers(0, 1000),
    rows=st.integers(40, 120),
)
def test_promoted_candidates_that_go_on_score_as_if_fitted_anew(model, eta, seed, rows):
    study, cache = halved(model, eta=eta, seed=seed, rows=rows), SharedCache()
    results = evaluate_study(study, open_strategy(study.search, study), cache)
    assert len(cache), "this one was used, though it was empty"
    assert {result.state for result in results} == {"success", "pruned"}
    for result in results:
        anew = evaluate_alone(result.trial, None, SharedCache())
        assert anew.scores == result.scores


def test_promotion_fits_only_the_further_iterations(monkeypatch):
    """More ensembles than there would be room for, if each counted as the largest there may be."""
    trees, fit = [], RandomForestClassifier.fit

    def counted(self, *args, **more):
        before = len(getattr(self, "estimators_", ()))
        fit(self, *args, **more)
        trees.append(len(self.estimators_) - before)
        return self

    monkeypatch.setattr(RandomForestClassifier, "fit", counted)
    grid = ({"clf__max_depth": tuple(range(1, 28))},)
    model = of_ensemble("RandomForestClassifier", n_estimators=9) | {"grid": grid}
    study = halved(model, candidates=27)
    evaluate_study(study, open_strategy(study.search, study), SharedCache())
    assert sum(trees) == 3 * (27 * 1 + 9 * 2 + 3 * 6), "not 3 * (27 * 1 + 9 * 3 + 3 * 9)"
