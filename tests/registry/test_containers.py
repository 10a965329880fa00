"""Lists, tuples and mappings as parameters: what a row writes, and what an estimator is given."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_breast_cancer

from orchestrator.errors import ConfigError
from orchestrator.estimators import Estimators
from orchestrator.identity import digest
from orchestrator.records import Customer, Evaluation, Search, Study, Trial
from orchestrator.registry.documents import read_yaml
from orchestrator.registry.snapshots import fetch
from orchestrator.registry.sources import InlineSource
from orchestrator.search.points import GridPoints
from orchestrator.training.candidates import candidate
from orchestrator.training.evaluate import evaluate_study
from tests.support.rows import PLAIN_TREE as TREE

HERE = __name__
MLP = {"id": "mlp", "estimator": "sklearn.neural_network:MLPClassifier"}
SCALED = {
    "id": "scaled",
    "pipeline": ["sklearn.preprocessing:MinMaxScaler", "sklearn.linear_model:LogisticRegression"],
}
TEXT = {
    "id": "text",
    "pipeline": [
        "sklearn.feature_extraction.text:TfidfVectorizer",
        "sklearn.linear_model:LogisticRegression",
    ],
}


def snapshot(row, *customers):
    source = InlineSource(models=[row], customers=[{"id": "acme"}, *customers])
    return fetch(source, estimators=Estimators(("sklearn", HERE)))


def model(**row):
    return snapshot(row).models[0]


def given(spec, params=(), labels=()):
    return Estimators(("sklearn", HERE)).build(spec, dict(params), labels).get_params()


def load(customer):
    X, y = load_breast_cancer(return_X_y=True)
    return X[:120, :4], np.where(y[:120] == 1, "kept", "left")


def test_a_list_is_a_tuple_where_the_parameter_takes_only_that():
    assert given(model(**SCALED, params={"minmaxscaler__feature_range": [-1, 1]}))[
        "minmaxscaler__feature_range"
    ] == (-1, 1)
    spec = model(**TEXT, grid={"tfidfvectorizer__ngram_range": [[1, 1], [1, 2]]})
    params = {"tfidfvectorizer__ngram_range": [1, 2]}
    assert given(spec, params)["tfidfvectorizer__ngram_range"] == (1, 2)


def test_a_list_is_a_tuple_where_the_default_is_one():
    assert given(model(**MLP, params={"hidden_layer_sizes": [50, 20]}))["hidden_layer_sizes"] == (
        50,
        20,
    )


def test_a_list_stays_one_where_a_list_is_asked_for():
    row = {"id": "one", "estimator": "sklearn.preprocessing:OneHotEncoder"}
    categories = [["a", "b"], ["c"]]
    found = given(model(**row, params={"categories": categories}))["categories"]
    assert found == categories
    assert found is not categories


@pytest.mark.parametrize(
    ("labels", "weights"),
    [
        ([0, 1], {0: 5, 1: 1}),
        (["0", "1"], {"0": 5, "1": 1}),
        ([], {0: 5, 1: 1}),
    ],
)
@pytest.mark.parametrize("written", ["{0: 5, 1: 1}", '{"0": 5, "1": 1}'])
def test_keys_of_a_mapping_are_the_labels_of_the_data_that_are_written_so(written, labels, weights):
    spec = model(**TREE, params={"class_weight": read_yaml(written)})
    assert spec.params == {"class_weight": {"0": 5, "1": 1}}
    assert given(spec, labels=labels)["class_weight"] == weights


def test_truths_and_texts_are_labels_too():
    spec = model(**TREE, params={"class_weight": {True: 5, False: 1}})
    assert given(spec, labels=[False, True])["class_weight"] == {True: 5, False: 1}
    spec = model(**TREE, params={"class_weight": {"left": 5, "kept": 1}})
    assert given(spec, labels=["kept", "left"])["class_weight"] == {"left": 5, "kept": 1}


def test_tuples_and_keys_can_be_spelt_out():
    spec = model(**MLP, params={"hidden_layer_sizes": {"tuple": [9, 3]}})
    assert given(spec)["hidden_layer_sizes"] == (9, 3)
    spec = model(**TREE, params={"class_weight": {"items": [["0", 5], [1, 1]]}})
    assert given(spec)["class_weight"] == {"0": 5, 1: 1}


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({**MLP, "params": {"hidden_layer_sizes": {"a": 1}}}, r"params\.hidden_layer_sizes: The"),
        ({**TREE, "grid": {"max_depth": [3, [3, 4]]}}, r"grid\.max_depth: The 'max_depth'"),
        (
            {"id": "l", "estimator": "sklearn.svm:SVC", "params": {"class_weight": [1, 2]}},
            r"params\.class_weight: The",
        ),
        (
            {**SCALED, "space": {"minmaxscaler__clip": {"categorical": [[1], True]}}},
            r"space\.minmaxscaler__clip: The 'clip'",
        ),
        ({**TREE, "params": {"class_weight": {0: 1, "0": 2}}}, "has the key '0' twice"),
        ({**TREE, "grid": {"class_weight": [{"a": 1, "b": 2}, {"b": 2, "a": 1}]}}, "once"),
    ],
)
def test_what_a_parameter_does_not_take_is_refused_when_planning(row, told):
    with pytest.raises(ConfigError, match=told):
        snapshot(row)


def test_a_customers_own_grid_is_checked_too_and_concerns_that_customer_only():
    wrong = {"id": "globex", "grids": {"tree": {"max_depth": [[3, 4]]}}}
    found = snapshot(TREE, wrong)
    assert [each.id for each in found.customers] == ["acme"]
    assert "grids.tree.max_depth" in found.rejected[0].reason


def study(spec):
    return Study(
        flow_run="f",
        snapshot="s",
        customer=Customer(id="acme"),
        model=spec,
        evaluation=Evaluation(
            loader=f"{HERE}:load", folds=2, metrics=("accuracy",), metric="accuracy"
        ),
        search=Search(),
    )


def test_grids_of_lists_and_mappings_are_ordered_recorded_as_json_and_scored():
    grid = {"class_weight": ["balanced", {"left": 5, "kept": 1}], "max_depth": [2]}
    spec = model(**TREE, grid=grid)
    points = list(GridPoints(study(spec)))
    assert [json.dumps(point) for point in points] == [
        '{"class_weight": "balanced", "max_depth": 2}',
        '{"class_weight": {"kept": 1, "left": 5}, "max_depth": 2}',
    ]
    trials = [
        Trial(study=study(spec), number=number, params=point) for number, point in enumerate(points)
    ]
    results = evaluate_study(study(spec), iter_of(trials))
    assert [result.error for result in results] == [None, None]


def iter_of(trials):
    """A search that asks for these trials alone."""
    yield tuple(trials)


def test_a_candidate_never_shares_a_list_with_its_record():
    spec = model(**MLP, params={"hidden_layer_sizes": [5, 3]})
    trial = Trial(study=study(spec), number=0, params={})
    assert candidate(trial, ["a", "b"]).hidden_layer_sizes == (5, 3)
    assert spec.params == {"hidden_layer_sizes": [5, 3]}


def test_what_results_follow_from_is_what_the_row_writes():
    plain = model(**TREE, params={"max_depth": 2}, grid={"min_samples_leaf": [1, 2]})
    assert snapshot({**TREE, "params": {"max_depth": 2}, "grid": {"min_samples_leaf": [1, 2]}}).id
    assert digest(dict(plain.params)) == digest({"max_depth": 2})
    one = model(**TREE, params={"class_weight": {1: 2, 0: 1}})
    other = model(**TREE, params={"class_weight": {"0": 1, "1": 2}})
    assert replace(one, id="x") == replace(other, id="x")


class Open(ClassifierMixin, BaseEstimator):
    """Keeps what it does not list, as LightGBM does, but for what begins with `no`."""

    def __init__(self, depth=3, **others):
        self.depth, self.others = depth, others

    def fit(self, X, y):
        return self

    def get_params(self, deep=True):
        return {"depth": self.depth, **self.others}

    def set_params(self, **params):
        for name, value in params.items():
            if name.startswith("no"):
                raise ValueError(f"unknown parameter {name}")
            if name == "depth":
                self.depth = value
            else:
                self.others[name] = value
        return self


OPEN = {"id": "open", "estimator": f"{HERE}:Open"}


def test_a_class_with_kwargs_is_asked_what_it_takes():
    spec = model(**OPEN, params={"bagging": 0.5}, grid={"depth": [1, 2]})
    assert given(spec) == {"depth": 3, "bagging": 0.5}


@pytest.mark.parametrize(
    ("name", "told"), [("dept", "did you mean 'depth'"), ("nothing", "is not a parameter")]
)
def test_a_wrong_name_of_a_class_with_kwargs_is_refused(name, told):
    with pytest.raises(ConfigError, match=told):
        snapshot({**OPEN, "params": {name: 1}})


def test_catboosts_parameters_are_those_of_its_signature():
    pytest.importorskip("catboost")
    row = {"id": "cat", "estimator": "catboost:CatBoostClassifier"}
    source = InlineSource(
        models=[{**row, "params": {"iterations": 5}, "grid": {"depth": [2, 3]}}],
        customers=[{"id": "acme"}],
    )
    assert fetch(source, estimators=Estimators(("catboost",))).models[0].grid == (
        {"depth": (2, 3)},
    )
    wrong = InlineSource(models=[{**row, "params": {"iteration": 5}}], customers=[{"id": "acme"}])
    with pytest.raises(ConfigError, match="did you mean 'iterations'"):
        fetch(wrong, estimators=Estimators(("catboost",)))


def test_lightgbms_parameters_are_those_it_knows_itself():
    pytest.importorskip("lightgbm")
    row = {"id": "light", "estimator": "lightgbm:LGBMClassifier"}

    def fetched(**params):
        source = InlineSource(models=[{**row, "params": params}], customers=[{"id": "acme"}])
        return fetch(source, estimators=Estimators(("lightgbm",))).models[0].params

    assert fetched(verbosity=-1, bagging_fraction=0.5) == {"bagging_fraction": 0.5, "verbosity": -1}
    with pytest.raises(ConfigError, match="did you mean 'bagging_fraction'"):
        fetched(bagging_fracton=0.5)
