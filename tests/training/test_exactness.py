"""Scores found by sharing are those of scikit-learn's `cross_validate` to the last bit."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - its import enables it
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import IterativeImputer, SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    Lasso,
    LogisticRegression,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
)
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from orchestrator.training.cache import SharedCache
from orchestrator.training.dataset import PreparedData
from orchestrator.training.fast_metrics import binary_targets, score_quickly
from orchestrator.training.isolation import isolated
from orchestrator.training.plain_scoring import score_plainly
from orchestrator.training.shared_scoring import score, score_by_sharing
from tests.support.prepared_data import BINARY, BINARY_METRICS, REGRESSION_METRICS, prepared

CLASSIFIERS = [
    DecisionTreeClassifier(max_depth=3, random_state=0),
    DecisionTreeClassifier(max_features="sqrt", random_state=1),
    ExtraTreesClassifier(n_estimators=5, random_state=0, n_jobs=1),
    RandomForestClassifier(n_estimators=5, random_state=0, n_jobs=1),
    GradientBoostingClassifier(n_estimators=5, random_state=0),
    HistGradientBoostingClassifier(max_iter=5, random_state=0),
    BaggingClassifier(LogisticRegression(), n_estimators=3, random_state=0),
    CalibratedClassifierCV(LinearSVC(random_state=0), cv=2),
    GaussianNB(),
    LinearDiscriminantAnalysis(),
    LogisticRegression(C=0.5, max_iter=50),
    RidgeClassifier(),
    SGDClassifier(random_state=0, max_iter=20),
    SGDClassifier(random_state=0, loss="log_loss", early_stopping=True),
    SVC(),
    SVC(kernel="linear", probability=False, C=3.0),
    MLPClassifier(hidden_layer_sizes=(4,), max_iter=10, random_state=0),
    KNeighborsClassifier(n_neighbors=3),
    KNeighborsClassifier(n_neighbors=7, weights="distance", algorithm="brute"),
    make_pipeline(StandardScaler(), LogisticRegression()),
    make_pipeline(StandardScaler(), KNeighborsClassifier()),
    make_pipeline(MinMaxScaler(), PCA(2, random_state=0), SVC()),
    make_pipeline(QuantileTransformer(n_quantiles=20, random_state=0), GaussianNB()),
    make_pipeline(PowerTransformer(), SelectKBest(k=2), LogisticRegression()),
    make_pipeline(SimpleImputer(), PolynomialFeatures(2), RidgeClassifier()),
    make_pipeline(KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"), LinearSVC()),
    make_pipeline(
        FeatureUnion([("pca", PCA(1, random_state=0)), ("kept", StandardScaler())]),
        DecisionTreeClassifier(random_state=0),
    ),
    make_pipeline(make_pipeline(StandardScaler(), PCA(2, random_state=0)), LogisticRegression()),
]
REGRESSORS = [
    DecisionTreeRegressor(random_state=0),
    RandomForestRegressor(n_estimators=4, random_state=0, n_jobs=1),
    HistGradientBoostingRegressor(max_iter=5, random_state=0),
    KNeighborsRegressor(),
    Lasso(alpha=0.01),
    ElasticNet(alpha=0.01),
    make_pipeline(StandardScaler(), Ridge()),
]


def assert_exact(estimator, data: PreparedData, metrics: list[str], cache: SharedCache) -> None:
    with isolated("test"):
        plain = score_plainly(estimator, data, metrics)
        shared = score_by_sharing(estimator, data, metrics, cache)
        again = score_by_sharing(estimator, data, metrics, cache)
    assert shared is not None
    assert shared.scores == again.scores == plain.scores
    assert len(shared.fit_seconds) == len(shared.score_seconds) == len(data.folds)


def outcome(way, *arguments) -> object:
    """Scores, or the error's type and text."""
    with isolated("test"):
        try:
            return way(*arguments).scores
        except Exception as error:  # noqa: BLE001 - whatever it is, both ways must raise it
            return type(error), str(error)


@pytest.mark.parametrize("form", ["array", "frame"])
@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=repr)
def test_classifiers_of_two_classes(estimator, form):
    assert_exact(estimator, prepared(form=form, seed=3), ["roc_auc", "accuracy"], SharedCache())


@pytest.mark.parametrize("form", BINARY)
@pytest.mark.parametrize("estimator", CLASSIFIERS[::7], ids=repr)
def test_metrics_of_two_classes(estimator, form):
    assert_exact(estimator, prepared(form=form, seed=3), BINARY_METRICS, SharedCache())


@pytest.mark.parametrize("estimator", CLASSIFIERS[::2], ids=repr)
def test_classifiers_of_three_classes(estimator):
    assert_exact(estimator, prepared(target="three classes"), ["accuracy"], SharedCache())


@pytest.mark.parametrize("estimator", CLASSIFIERS[1::7], ids=repr)
def test_labels_that_are_texts(estimator):
    assert_exact(estimator, prepared(form="text labels"), ["roc_auc", "accuracy"], SharedCache())


@pytest.mark.parametrize("form", ["array", "frame"])
@pytest.mark.parametrize("estimator", REGRESSORS, ids=repr)
def test_regressors(estimator, form):
    data = prepared(task="regression", target="amount", form=form)
    assert_exact(estimator, data, REGRESSION_METRICS, SharedCache())


SPECIAL = [
    (
        "frame with categories",
        make_pipeline(
            ColumnTransformer(
                [("numbers", StandardScaler(), ["a", "b"]), ("words", OneHotEncoder(), ["c"])]
            ),
            LogisticRegression(),
        ),
    ),
    (
        "frame",
        make_pipeline(
            ColumnTransformer([("one", StandardScaler(), ["b"])], remainder="passthrough"),
            KNeighborsClassifier(),
        ),
    ),
    ("frame", HistGradientBoostingClassifier(max_iter=4, categorical_features=["c"])),
    ("sparse", make_pipeline(TruncatedSVD(2, random_state=0), LogisticRegression())),
    ("sparse", LinearSVC(random_state=0)),
    ("sparse", DecisionTreeClassifier(random_state=0)),
    ("sparse by place", LinearSVC(random_state=0)),
    ("texts", make_pipeline(TfidfVectorizer(), LogisticRegression())),
    ("lists", make_pipeline(StandardScaler(), LogisticRegression())),
    ("with gaps", HistGradientBoostingClassifier(max_iter=4)),
    ("with gaps", make_pipeline(SimpleImputer(), LogisticRegression())),
]


@pytest.mark.parametrize(("form", "estimator"), SPECIAL, ids=repr)
def test_special_inputs(form, estimator):
    with isolated("test"):
        data = prepared(form=form)
        found = score(estimator, data, BINARY_METRICS, SharedCache())
        assert found.scores == score_plainly(estimator, data, BINARY_METRICS).scores


@pytest.mark.parametrize(
    "estimator",
    [
        DecisionTreeClassifier(random_state=0),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
    ids=repr,
)
def test_sample_weights_and_groups(estimator):
    weighted = prepared(weights=True, groups=True)
    assert_exact(estimator, weighted, BINARY_METRICS, SharedCache())
    unweighted = prepared(groups=True)
    with isolated("test"):
        assert score_plainly(estimator, weighted, ["roc_auc"]).scores != (
            score_plainly(estimator, unweighted, ["roc_auc"]).scores
        )


@pytest.mark.parametrize("estimator", [CalibratedClassifierCV(), BaggingClassifier(random_state=0)])
def test_estimators_with_another_inside_by_default(estimator):
    """Rows they cut from a frame lie in memory unlike those of an array, which shows in sums."""
    data = prepared(form="frame", rows=120, seed=1)
    assert_exact(estimator, data, ["neg_brier_score", "neg_log_loss"], SharedCache())


class SpoilsTexts(TransformerMixin, BaseEstimator):
    """Cleans a list of texts in place."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        X[:] = [text.replace("late", "") for text in X]
        return X


class ReplacesNumbers(TransformerMixin, BaseEstimator):
    """Gives a sparse matrix other numbers."""

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        X.data = np.sign(X.data)
        return X


class SpoilsWeights(LogisticRegression):
    """Weighs one class more, in place."""

    def fit(self, X, y, sample_weight):
        sample_weight[y == 1] *= 3.0
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize(
    ("spoils", "others", "data"),
    [
        (
            make_pipeline(SpoilsTexts(), TfidfVectorizer(), LogisticRegression()),
            make_pipeline(TfidfVectorizer(), LogisticRegression()),
            {"form": "texts"},
        ),
        (
            make_pipeline(ReplacesNumbers(), LogisticRegression()),
            LogisticRegression(),
            {"form": "sparse"},
        ),
        (SpoilsWeights(), LogisticRegression(), {"weights": True}),
    ],
    ids=repr,
)
def test_what_an_estimator_does_to_what_it_was_lent_is_not_there_for_the_next(spoils, others, data):
    customer, cache = prepared(**data), SharedCache()
    assert_exact(spoils, customer, ["roc_auc", "accuracy"], cache)
    assert_exact(others, customer, ["roc_auc", "accuracy"], cache)


def test_weights_that_are_no_numbers_are_refused_as_by_scikit_learn():
    data = prepared(weights="with gaps")
    found = outcome(score, LogisticRegression(), data, ["roc_auc"], SharedCache())
    assert found == (ValueError, "Input sample_weight contains NaN.")


def test_metrics_with_impossible_parameters_are_refused_as_by_scikit_learn():
    metrics = ["tests.support.own_scorers:minus_two"]
    expected = outcome(score_plainly, GaussianNB(), prepared(), metrics)
    assert "beta" in expected[1]
    assert outcome(score, GaussianNB(), prepared(), metrics, SharedCache()) == expected


def test_a_transformer_that_draws_anew_each_time_is_left_alone():
    imputing = make_pipeline(IterativeImputer(random_state=0, sample_posterior=True), GaussianNB())
    data = prepared(form="with gaps")
    assert score_by_sharing(imputing, data, ["roc_auc"], SharedCache()) is None


class Peculiar(LogisticRegression):
    """Predicts in its own form."""

    def __init__(self, form="column"):
        super().__init__()
        self.form = form

    def predict(self, X):
        return PECULIAR[self.form](super().predict(X))

    def decision_function(self, X):
        found = super().decision_function(X)
        return PECULIAR[self.form](found if self.form == "column" else np.round(found * 3 + 9))


PECULIAR = {
    "column": lambda answers: answers.reshape(-1, 1),
    "few bits": lambda answers: answers.astype("uint8"),
    "texts": lambda answers: answers.astype(int).astype(str),
    "fractions": lambda answers: answers + 0.5,
    "masked": lambda answers: np.ma.masked_less(answers, 1),
    "one": lambda answers: answers[:1],
}


@pytest.mark.parametrize("metric", ["roc_auc", "accuracy"])
@pytest.mark.parametrize("form", PECULIAR)
@pytest.mark.filterwarnings("ignore:A column-vector y was passed")
def test_predictions_in_peculiar_forms_are_left_to_scikit_learn(form, metric):
    expected = outcome(score_plainly, Peculiar(form), prepared(), [metric])
    assert outcome(score, Peculiar(form), prepared(), [metric], SharedCache()) == expected


class SpoilsItsInput(TransformerMixin, BaseEstimator):
    """Writes into what it is given, which scikit-learn's rules forbid and people do."""

    def fit(self, X, y=None):
        X[:] = X - 1.0
        return self

    def transform(self, X):
        return X


class CallsItselfSure(ClassifierMixin, BaseEstimator):
    """Predicts NaN probabilities."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.full((len(X), 2), np.nan)


FAILING_OR_UNSAFE = [
    ("array", LogisticRegression(C=-1.0)),
    ("array", make_pipeline(SpoilsItsInput(), LogisticRegression())),
    ("frame", make_pipeline(SpoilsItsInput(), LogisticRegression())),
    ("array", CallsItselfSure()),
    ("array", make_pipeline(StandardScaler(), PCA(50))),
    ("array", make_pipeline(StandardScaler(), PCA(50), LogisticRegression())),
    ("array", KNeighborsClassifier(n_neighbors=1000)),
    ("array", make_pipeline(StandardScaler(copy=False), KNeighborsClassifier())),
    ("array", RandomForestClassifier(n_estimators=3, warm_start=True, random_state=0)),
    ("array", Lasso()),
    ("with gaps", LogisticRegression()),
    ("with gaps", make_pipeline(StandardScaler(), LogisticRegression())),
    ("beyond float32", DecisionTreeClassifier(random_state=0)),
    ("beyond float32", make_pipeline(PolynomialFeatures(2), LogisticRegression())),
    ("texts", LogisticRegression()),
    ("kernel", SVC(kernel="precomputed")),
    ("kernel", KNeighborsClassifier(metric="precomputed")),
]


@pytest.mark.parametrize(("form", "estimator"), FAILING_OR_UNSAFE, ids=repr)
def test_what_fails_or_cannot_be_shared_ends_as_with_scikit_learn(form, estimator):
    data, metrics = prepared(form=form), ["roc_auc", "accuracy"]
    expected = outcome(score_plainly, estimator, data, metrics)
    cache = SharedCache()
    assert outcome(score, estimator, data, metrics, cache) == expected
    # What it may have spoiled is not there for the next.
    assert_exact(GaussianNB(), prepared(), metrics, cache)


def test_a_pipeline_with_a_memory_is_left_alone(tmp_path):
    remembering = Pipeline([("s", StandardScaler()), ("c", GaussianNB())], memory=str(tmp_path))
    assert score_by_sharing(remembering, prepared(), ["roc_auc"], SharedCache()) is None
    score(remembering, prepared(), ["roc_auc"], SharedCache())
    assert any(tmp_path.iterdir())


def test_equal_prefixes_are_fitted_once_and_unequal_ones_are_not():
    data, cache = prepared(), SharedCache()
    with isolated("test"):
        score(make_pipeline(StandardScaler(), GaussianNB()), data, ["roc_auc"], cache)
        after_one = len(cache)
        score(make_pipeline(StandardScaler(), LogisticRegression()), data, ["roc_auc"], cache)
        assert len(cache) == after_one
        without_mean = make_pipeline(StandardScaler(with_mean=False), GaussianNB())
        score(without_mean, data, ["roc_auc"], cache)
    assert len(cache) == after_one + len(data.folds)


STEPS = {
    "scale": [None, StandardScaler(), MinMaxScaler(), QuantileTransformer(n_quantiles=15)],
    "reduce": [None, PCA(2, random_state=0), SelectKBest(k=2)],
    "final": [
        LogisticRegression(),
        GaussianNB(),
        KNeighborsClassifier(4),
        DecisionTreeClassifier(max_depth=4, random_state=2),
    ],
}
pipelines = st.tuples(*(st.sampled_from(choices) for choices in STEPS.values())).map(
    lambda steps: make_pipeline(*(step for step in steps if step is not None))
)


@settings(max_examples=25, deadline=None)
@given(
    candidates=st.lists(pipelines, min_size=1, max_size=4),
    data=st.fixed_dictionaries(
        {
            "form": st.sampled_from(BINARY),
            "seed": st.integers(0, 1000),
            "rows": st.integers(30, 120),
            "weights": st.booleans(),
            "groups": st.booleans(),
        }
    ),
    metrics=st.lists(st.sampled_from(BINARY_METRICS), min_size=1, max_size=3, unique=True),
)
def test_any_candidates_one_after_another(candidates, data, metrics):
    customer, cache = prepared(**data), SharedCache()
    for candidate in candidates:
        expected = outcome(score_plainly, candidate, customer, metrics)
        assert outcome(score, candidate, customer, metrics, cache) == expected


class Remembering(ClassifierMixin, BaseEstimator):
    """Predicts what it was given to predict."""

    def __init__(self, ranking=None, classes=None):
        self.ranking, self.classes_ = ranking, classes

    def decision_function(self, X):
        return self.ranking

    def predict(self, X):
        return self.classes_[(self.ranking > 0).astype(int)]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    ranking=st.lists(
        st.one_of(
            st.integers(-3, 3).map(float), st.floats(-1e6, 1e6), st.sampled_from([0.0, -0.0])
        ),
        min_size=2,
        max_size=200,
    ),
    seed=st.integers(0, 99),
    classes=st.sampled_from([[0, 1], [-1, 1], [3, 7], [False, True], ["a", "b"]]),
)
def test_quick_metrics_are_scikit_learns(ranking, seed, classes):
    classes = np.array(classes)
    y = classes[np.random.default_rng(seed).permutation(np.arange(len(ranking)) % 2)]
    estimator = Remembering(np.array(ranking), classes)
    found = score_quickly(estimator, None, binary_targets(y), ["roc_auc", "accuracy"])
    assert found == {
        "roc_auc": roc_auc_score(y, estimator.ranking),
        "accuracy": accuracy_score(y, estimator.predict(None)),
    }
