"""Results follow from the code that made them: own estimators, helpers, versions of packages."""

import dataclasses
import importlib
import sys

import pytest

from orchestrator.ledger import Ledger
from orchestrator.pipeline.clearance import Clearance
from orchestrator.pipeline.pipeline import run
from orchestrator.pipeline.plan import plan
from orchestrator.pipeline.preparation import prepare
from orchestrator.pipeline.resolution import resolve
from orchestrator.records import Evaluation
from orchestrator.selection import Gate
from orchestrator.training.fingerprint import environment
from tests.support.experiments import an_experiment, listing
from tests.support.rows import TREE

LOADER = """
from tests.support.synthetic import load as drawn
from followed_help import SHIFT
def load(customer):
    data = drawn(customer)
    return data.X + SHIFT, data.y
def version(customer):
    return "1"
"""
MODEL = """
from sklearn.tree import DecisionTreeClassifier
class Own(DecisionTreeClassifier):
    pass
"""
OWN = {"id": "own", "estimator": "followed_models:Own", "grid": {"max_depth": [2, 3]}}
CUSTOMERS = [{"id": "acme", "data": {"rows": 40, "seed": 1}}]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project of three modules: a loader, its helper, an own estimator."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "followed_loader.py").write_text(LOADER)
    (tmp_path / "followed_help.py").write_text("SHIFT = 0.0\n")
    (tmp_path / "followed_models.py").write_text(MODEL)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("followed_")]:
        del sys.modules[name]


@pytest.fixture
def experiment(project, mlflow_url):
    evaluation = Evaluation(
        loader="followed_loader:load", allowed=("sklearn", "followed_models"), folds=2
    )
    return an_experiment(
        project, mlflow_url, models=[OWN, TREE], customers=CUSTOMERS, evaluation=evaluation
    )


def test_a_corrected_helper_or_estimator_is_trained_again(project, experiment):
    run(experiment)
    assert plan(experiment).reasons == {}
    (project / "followed_models.py").write_text(MODEL + "    fixed = True\n")
    corrected = plan(experiment)
    assert corrected.reasons == {"code": 1}
    assert [share.name for share in corrected.by_model if not share.reused] == ["own"]
    (project / "followed_help.py").write_text("SHIFT = 1.0\n")
    importlib.invalidate_caches()
    assert plan(experiment).reasons == {"code": 2}


def test_a_champion_that_is_no_candidate_is_scored_again_when_the_code_changes(project, experiment):
    run(listing(experiment, models=[OWN], customers=CUSTOMERS))
    other = dataclasses.replace(
        listing(experiment, models=[TREE], customers=CUSTOMERS), gate=Gate(min_absolute_change=2)
    )
    run(other)
    assert plan(other).rescored == 0
    (project / "followed_help.py").write_text("SHIFT = 1.0\n")
    importlib.invalidate_caches()
    assert plan(other).rescored == 1
    run(other)
    assert plan(other).rescored == 0, "the score on today's code is known"


def test_code_that_changed_is_reported_when_a_flow_run_is_resumed(project, experiment):
    ended = run(experiment).flow_run.id
    with Ledger.open(experiment.ledger) as ledger:
        snapshot = ledger.snapshots.latest()
        resolved = resolve(experiment, Clearance(experiment))
        assert prepare(resolved, ledger, snapshot, flow_run=ended).recoded == ()
        (project / "followed_models.py").write_text(MODEL + "    fixed = True\n")
        resolved = resolve(experiment, Clearance(experiment))
        resumed = prepare(resolved, ledger, snapshot, flow_run=ended)
    assert resumed.recoded == ("acme/own",)
    assert resumed.new == ()


def test_an_environment_names_the_packages_of_the_models_classes(experiment):
    own, tree = (
        dataclasses.replace(model)
        for model in sorted(_models(experiment), key=lambda model: model.id)
    )
    assert environment(tree).startswith("scikit-learn ")
    assert "," not in environment(tree)
    assert environment(own) == environment(tree)


def _models(experiment):
    with Ledger.open(experiment.ledger) as ledger:
        run(experiment)
        return ledger.snapshots.latest().models


def test_a_champion_of_a_corrected_estimator_is_served_corrected(project, experiment):
    """Its scores and parameters are what they were, and its code is not."""
    alone = listing(experiment, models=[OWN], customers=experiment.registry["customers"])
    run(alone)
    (project / "followed_models.py").write_text(MODEL + "    fixed = True\n")
    importlib.invalidate_caches()
    (promoted,) = run(alone).promotions
    assert promoted.decision.reason == "same parameters, fitted with changed code"
