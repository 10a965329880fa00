"""Loaders, scorers and estimators of other shapes than functions and scikit-learn's classes."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from orchestrator.errors import ConfigError, UsageError
from orchestrator.estimators import Estimators
from orchestrator.records import Customer, Evaluation, ModelSpec, Search, Step, Study
from orchestrator.training.cache import SharedCache
from orchestrator.training.data import find_loader
from orchestrator.training.dataset import prepare
from orchestrator.training.fingerprint import Fingerprints
from orchestrator.training.scorers import Scorers

HERE = __name__
MODEL = ModelSpec(
    id="tree", steps=(Step(name="tree", estimator="sklearn.tree:DecisionTreeClassifier"),)
)


def rows(customer, scale):
    X = np.arange(40.0).reshape(20, 2) * scale
    return X, np.arange(20) % 2


scaled = partial(rows, scale=2.0)


@dataclass
class Scaled:
    """Can be called, and has no hash."""

    scale: float

    def __call__(self, customer):
        return rows(customer, self.scale)


an_object = Scaled(3.0)


def version(customer):
    return "of this module"


def masked(customer):
    X, y = rows(customer, 1.0)
    return np.ma.masked_array(X, mask=X == 4.0), np.ma.masked_array(y)


def masked_targets(customer):
    X, y = rows(customer, 1.0)
    return X, np.ma.masked_array(y, mask=y == 1)


class Caught:
    """The share of one label that was foreseen."""

    def __init__(self, label):
        self.label = label

    def __call__(self, estimator, X, y):
        return float((estimator.predict(X)[y == self.label] == self.label).mean())


caught_left, caught_ones = Caught("left"), Caught(1)


def nothing(estimator, X, y):
    return None


class Bare:
    """Has fit, get_params and set_params, and no base class."""

    def get_params(self, deep=True):
        return {}

    def set_params(self, **params):
        return self

    def fit(self, X, y):
        return self


def study(loader):
    return Study(
        flow_run="f",
        snapshot="s",
        customer=Customer(id="acme"),
        model=MODEL,
        evaluation=Evaluation(loader=f"{HERE}:{loader}", folds=2, metrics=("accuracy",)),
        search=Search(),
    )


@pytest.mark.parametrize(("loader", "scale"), [("scaled", 2.0), ("an_object", 3.0)])
def test_a_loader_may_be_a_partial_or_an_object_that_can_be_called(loader, scale):
    found = find_loader(f"{HERE}:{loader}")
    assert found.version_of(Customer(id="acme")) == "of this module"
    prepared = prepare(study(loader), SharedCache(0))
    assert prepared.data.X[1, 1] == 3 * scale


@pytest.mark.parametrize("loader", ["scaled", "an_object"])
def test_its_code_is_part_of_what_results_follow_from(loader):
    evaluation = Evaluation(loader=f"{HERE}:{loader}", scorers={"c": f"{HERE}:caught_left"})
    assert Fingerprints(evaluation, Search(), find_loader(evaluation.loader), task="t")


def test_a_builtin_has_no_code_to_follow_from():
    evaluation = Evaluation(loader="builtins:len")
    assert Fingerprints(evaluation, Search(), find_loader("builtins:len"), task="t")


def test_what_cannot_be_called_with_a_customer_is_not_a_loader():
    with pytest.raises(ConfigError, match="which is called with a customer"):
        find_loader(f"{HERE}:rows")


@pytest.mark.parametrize("scorer", ["caught_left", "caught_ones"])
def test_a_scorer_is_not_refused_for_labels_that_only_the_data_has(scorer):
    evaluation = Evaluation(
        loader="x:y", metrics=(scorer,), metric=scorer, scorers={scorer: f"{HERE}:{scorer}"}
    )
    Scorers.of(evaluation).require_usable()


def test_a_scorer_that_gives_nothing_is_refused():
    own = {"nothing": f"{HERE}:nothing"}
    evaluation = Evaluation(loader="x:y", metrics=("nothing",), metric="nothing", scorers=own)
    with pytest.raises(ConfigError, match="nothing"):
        Scorers.of(evaluation).require_usable()


def test_an_estimator_without_scikit_learns_base_is_refused_with_the_cure():
    with pytest.raises(UsageError, match=r"derive the class from sklearn\.base\.BaseEstimator"):
        Estimators((HERE,)).resolve(f"{HERE}:Bare")


def test_what_is_masked_is_missing():
    X = prepare(study("masked"), SharedCache(0)).data.X
    assert type(X) is np.ndarray
    assert np.isnan(X[2, 0])
    assert np.isnan(X).sum() == 1
    with pytest.raises(Exception, match="10 of 20 rows without a target"):
        prepare(study("masked_targets"), SharedCache(0))
