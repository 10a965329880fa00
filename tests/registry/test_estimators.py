"""Estimators come from import paths, of allowed packages only."""

import sys

import pytest

from orchestrator.errors import UsageError
from orchestrator.estimators import Estimators
from orchestrator.records import ModelSpec, Step

SKLEARN = Estimators(("sklearn",))
SCALER = Step(name="scaler", estimator="sklearn.preprocessing:StandardScaler")
LOGREG = Step(name="clf", estimator="sklearn.linear_model:LogisticRegression")


def model(*steps, **params):
    return ModelSpec(id="m", steps=steps, params=params)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes a module of ours and allows it by the name `ours`."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(source):
        (tmp_path / "ours.py").write_text(source)
        return Estimators(("sklearn", "ours"))

    yield write
    sys.modules.pop("ours", None)


def test_one_step_is_a_bare_estimator():
    estimator = SKLEARN.build(model(LOGREG, C=2.0, tol=0.5), {"tol": 0.1})
    assert type(estimator).__name__ == "LogisticRegression"
    assert (estimator.C, estimator.tol) == (2.0, 0.1)


def test_several_steps_are_a_pipeline():
    pipeline = SKLEARN.build(model(SCALER, LOGREG, clf__C=2.0), {"scaler__with_mean": False})
    assert list(pipeline.named_steps) == ["scaler", "clf"]
    assert pipeline.get_params()["clf__C"] == 2.0
    assert pipeline.get_params()["scaler__with_mean"] is False


def test_parameters_of_a_pipeline_are_those_of_its_steps():
    assert "C" in SKLEARN.parameters_of(model(LOGREG)).names
    names = SKLEARN.parameters_of(model(SCALER, LOGREG)).names
    assert {"scaler__with_mean", "clf__C"} <= names
    assert not names & {"memory", "steps", "clf", "scaler"}


def test_an_unknown_parameter_is_named_with_the_model():
    with pytest.raises(UsageError, match="model 'm': Invalid parameter 'depth'"):
        SKLEARN.build(model(LOGREG), {"depth": 3})


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("sklearn.model_selection:HalvingGridSearchCV", "cannot be imported: .*experimental"),
        ("os:system", "outside the allowed packages"),
        ("subprocess:Popen", "outside the allowed packages"),
        ("builtins:eval", "outside the allowed packages"),
        ("sklearnish.tree:Tree", "outside the allowed packages"),
        ("sklearn.pipeline:clone", "is not a class"),
        ("sklearn.utils:Bunch", "has no `fit`"),
        ("sklearn.tree:Nothing", "has no 'Nothing'"),
        ("sklearn.nothing:Tree", "cannot be imported"),
        ("sklearn.tree.DecisionTreeClassifier", "write 'package.module:Class'"),
        ("sklearn.tree:tree.Tree", "write 'package.module:Class'"),
        ("sklearn..tree:Tree", "write 'package.module:Class'"),
        ("", "write 'package.module:Class'"),
    ],
)
def test_what_is_no_allowed_estimator_is_refused(path, problem):
    with pytest.raises(UsageError, match=problem):
        SKLEARN.resolve(path)


def test_what_is_not_allowed_is_not_even_imported(package, tmp_path):
    package(f"open({str(tmp_path / 'imported')!r}, 'w').close()")
    with pytest.raises(UsageError):
        SKLEARN.resolve("ours:Model")
    assert not (tmp_path / "imported").exists()


def test_a_class_that_an_allowed_module_only_passes_on_is_refused(package):
    allowed = package("from subprocess import Popen\nfrom os import system")
    with pytest.raises(UsageError, match="'subprocess', which is outside"):
        allowed.resolve("ours:Popen")
    with pytest.raises(UsageError, match="is not a class"):
        allowed.resolve("ours:system")


def test_a_class_of_ours_may_be_allowed(package):
    allowed = package(
        "from sklearn.tree import DecisionTreeClassifier\n"
        "class Stump(DecisionTreeClassifier):\n"
        "    def __init__(self, max_depth=1): super().__init__(max_depth=max_depth)\n"
    )
    stump = Step(name="stump", estimator="ours:Stump")
    assert allowed.build(model(stump), {}).max_depth == 1
    assert allowed.parameters_of(model(stump)).names == {"max_depth"}


def test_a_module_that_fails_when_imported_is_named(package):
    with pytest.raises(UsageError, match="cannot be imported: ZeroDivisionError"):
        package("1 / 0").resolve("ours:Model")


def test_a_class_that_needs_arguments_is_refused():
    search = Step(name="search", estimator="sklearn.model_selection:GridSearchCV")
    with pytest.raises(UsageError, match="give each parameter of the class a default"):
        SKLEARN.build(model(search), {})


def test_a_step_before_the_last_must_transform():
    with pytest.raises(UsageError, match=r"step 'clf' .* has no `transform`"):
        SKLEARN.build(model(LOGREG, SCALER), {})


def test_a_model_without_steps_is_refused():
    with pytest.raises(UsageError, match="has no steps"):
        SKLEARN.build(model(), {})
