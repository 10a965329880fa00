"""Scorers by name and by import path: exact, checked when planning, and numbers or a failure."""

from dataclasses import replace

import pytest
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from orchestrator.errors import ConfigError
from orchestrator.training.cache import SharedCache
from orchestrator.training.data import find_loader
from orchestrator.training.dataset import prepare
from orchestrator.training.fingerprint import Fingerprints
from orchestrator.training.scorers import Scorers
from orchestrator.training.shared_scoring import score, score_by_sharing
from tests.support import own_scorers
from tests.support.measured_studies import OWN, comparing, model, results, study

SVC = "sklearn.svm:LinearSVC"
SGD = "sklearn.linear_model:SGDClassifier"


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), LogisticRegression()),
        make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0)),
        SGDClassifier(random_state=0),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_own_scores_are_those_of_cross_validate(estimator):
    """Also of scorers that look at the rows or the estimator, which sharing would change."""
    evaluation = comparing("roc_auc", "of_the_rows", "steps", "ftwo", "cost")
    prepared = prepare(study(evaluation), SharedCache())
    scoring = {name: getattr(own_scorers, name) for name in evaluation.scorers}
    expected = cross_validate(
        estimator,
        prepared.data.X,
        prepared.data.y,
        cv=prepared.folds,
        scoring={"roc_auc": "roc_auc", **scoring},
    )
    paths = [evaluation.scorers.get(name, name) for name in evaluation.metrics]
    found = score(estimator, prepared, paths, SharedCache())
    assert list(found.scores.values()) == [
        tuple(expected[f"test_{name}"].tolist()) for name in evaluation.metrics
    ]


def test_a_scorer_of_predictions_is_shared_and_one_that_sees_rows_is_not():
    estimator = make_pipeline(StandardScaler(), LogisticRegression())
    prepared = prepare(study(comparing("ftwo")), SharedCache())
    assert score_by_sharing(estimator, prepared, [f"{OWN}:ftwo"], SharedCache()) is not None
    assert score_by_sharing(estimator, prepared, [f"{OWN}:of_the_rows"], SharedCache()) is None


def test_own_scores_are_recorded_under_their_name():
    (result,) = results(comparing("ftwo", "roc_auc"))
    assert list(result.scores) == ["ftwo", "roc_auc"]


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        (
            "a_text",
            "the tests.support.own_scorers:a_text of fold 0 is 'high', which is not a number",
        ),
        (
            "a_list",
            "the tests.support.own_scorers:a_list of fold 0 is [0.5, 0.7], which is not a number",
        ),
        (
            "nothing",
            "the tests.support.own_scorers:nothing of fold 0 is None, which is not a number",
        ),
        ("text_of_predictions", "text_of_predictions of fold 0 is 'high', which is not a number"),
        ("not_a_number", "the not_a_number of fold 0 is nan"),
    ],
)
def test_a_score_that_is_no_number_fails_its_trial_naming_metric_and_fold(metric, told):
    (result,) = results(comparing("accuracy", metric))
    assert result.state == "failed"
    assert told in result.error


def test_the_fold_is_the_one_that_went_wrong():
    own_scorers.CALLS.clear()
    (result,) = results(comparing("text_of_late_folds"))
    assert "of fold 1 is 'high'" in result.error


@pytest.mark.parametrize(
    ("evaluation", "told"),
    [
        (comparing("roc_acu"), "evaluation.metrics: there is no metric 'roc_acu'; did you mean"),
        (comparing("zzz"), "or an own one: 'package.module:function'"),
        (
            replace(comparing("cost"), scorers={"cost": "tests.support.own_scorers:costs"}),
            "'tests.support.own_scorers:costs': module 'tests.support.own_scorers' has no such",
        ),
        (
            replace(comparing("cost"), scorers={"cost": "no.such:thing"}),
            "scorer 'no.such:thing' cannot be imported",
        ),
        (comparing("wrong_arguments"), "make one with sklearn.metrics.make_scorer"),
        (comparing("roc_auc", task="regression"), "roc_auc compares classes"),
        (comparing("f1", task="regression"), "f1 compares classes"),
        (comparing("ftwo", task="regression"), "ftwo compares classes"),
        (
            comparing("neg_log_loss", direction="minimize"),
            "evaluation.direction: more neg_log_loss is better",
        ),
        (comparing("loss", direction="minimize"), "evaluation.direction: more loss is better"),
    ],
)
def test_metrics_that_cannot_be_meant_are_refused_before_anything_starts(evaluation, told):
    with pytest.raises(ConfigError) as refused:
        Scorers.of(evaluation).require_usable()
    assert told in str(refused.value)


def test_metrics_that_can_be_meant_are_not_refused():
    Scorers.of(comparing("roc_auc", "ftwo", "cost")).require_usable()
    Scorers.of(comparing("cost", direction="minimize")).require_usable()
    Scorers.of(
        comparing("r2", "neg_mean_squared_error", "cost", task="regression")
    ).require_usable()


def test_a_model_without_the_method_a_metric_asks_is_refused():
    with pytest.raises(ConfigError, match="neg_log_loss needs predict_proba, which model 'the-mod"):
        Scorers.of(comparing("roc_auc", "neg_log_loss")).require_methods([model(SVC)])
    with pytest.raises(ConfigError, match="roc_auc needs decision_function or predict_proba"):
        Scorers.of(comparing("roc_auc")).require_methods(
            [model("sklearn.preprocessing:StandardScaler")]
        )


def test_a_method_that_comes_with_a_parameter_is_found():
    by_probability = comparing("neg_log_loss")
    losses = ({"loss": ("hinge", "log_loss")},)
    Scorers.of(by_probability).require_methods(
        [model(SGD, grid=losses), model(SGD, loss="log_loss")]
    )
    scaled = model(
        "sklearn.preprocessing:StandardScaler", SGD, grid=({"sgdclassifier__loss": ("log_loss",)},)
    )
    Scorers.of(by_probability).require_methods([scaled])
    with pytest.raises(ConfigError, match="neg_log_loss needs predict_proba"):
        Scorers.of(by_probability).require_methods([model(SGD, grid=({"alpha": (0.1, 1.0)},))])
    Scorers.of(comparing("roc_auc", "cost")).require_methods([model(SVC)])


def test_another_scorer_makes_another_fingerprint():
    def name(evaluation):
        fingerprints = Fingerprints(
            evaluation, study(evaluation).search, find_loader(evaluation.loader)
        )
        return fingerprints.of(replace(study(evaluation), data_version="1"), "d").fingerprint

    first = comparing("cost")
    assert name(first) == name(comparing("cost"))
    assert name(first) != name(replace(first, scorers={"cost": f"{OWN}:steps"}))


@pytest.mark.parametrize(
    ("estimator", "task", "metric", "predicts"),
    [
        ("sklearn.linear_model:LinearRegression", "classification", "accuracy", "amounts"),
        (SVC, "regression", "r2", "classes"),
    ],
)
def test_a_model_of_the_wrong_kind_is_refused(estimator, task, metric, predicts):
    with pytest.raises(ConfigError, match=rf"is {task}, and model .* predicts {predicts}"):
        Scorers.of(comparing(metric, task=task)).require_methods([model(estimator)])


def test_a_transformer_alone_is_refused():
    with pytest.raises(ConfigError, match="accuracy needs predict, which model"):
        Scorers.of(comparing("accuracy")).require_methods(
            [model("sklearn.preprocessing:StandardScaler")]
        )
