"""Lists that passed every check are checked again only once something they rest on has changed."""

import dataclasses

import pytest

from orchestrator.errors import ConfigError
from orchestrator.ledger import Ledger
from orchestrator.pipeline.clearance import Clearance
from orchestrator.pipeline.pipeline import run
from orchestrator.pipeline.preparation import fetch_snapshot
from orchestrator.records import Search
from tests.support.experiments import an_experiment, listing
from tests.support.rows import ROUTES, TREE

OWN = """
from sklearn.tree import DecisionTreeClassifier

class Oak(DecisionTreeClassifier):
    pass
"""


@pytest.fixture
def listed(tmp_path):
    """An experiment, and what it lists."""
    experiment = an_experiment(tmp_path, "sqlite://", models=[TREE], customers=ROUTES[:2])
    return experiment, fetch_snapshot(experiment)


def is_cleared(experiment, known, snapshot):
    return Clearance(experiment, known).covers(snapshot.models, snapshot.customers)


def test_what_has_not_changed_is_covered(listed):
    experiment, snapshot = listed
    known = Clearance(experiment).digests(snapshot)
    assert Clearance(experiment, known).covers_metrics()
    assert is_cleared(experiment, known, snapshot)


def test_nothing_is_covered_before_the_first_run(listed):
    experiment, snapshot = listed
    clearance = Clearance.of(experiment)
    assert not clearance.covers_metrics()
    assert not clearance.covers(snapshot.models, snapshot.customers)


def test_a_changed_row_or_grid_is_checked_again(listed):
    experiment, snapshot = listed
    known = Clearance(experiment).digests(snapshot)
    other_grid = {**TREE, "grid": {"max_depth": [2, 4.5]}}
    own_grid = {**ROUTES[0], "grids": {"tree": {"max_depth": [3]}}}
    for changed in (
        listing(experiment, models=[other_grid], customers=ROUTES[:2]),
        listing(experiment, models=[{**TREE, "params": {"criterion": "gini"}}], customers=ROUTES),
        listing(experiment, models=[TREE], customers=[own_grid, ROUTES[1]]),
    ):
        assert not is_cleared(experiment, known, fetch_snapshot(changed))


def test_customers_without_grids_come_and_go_unchecked(listed):
    experiment, snapshot = listed
    known = Clearance(experiment).digests(snapshot)
    more = listing(experiment, models=[TREE], customers=ROUTES)
    assert is_cleared(experiment, known, fetch_snapshot(more))


@pytest.mark.parametrize(
    "changed", [{"allowed": ("sklearn.linear_model",)}, {"metrics": ("accuracy", "roc_auc")}]
)
def test_a_changed_allow_list_or_metric_is_checked_again(listed, changed):
    experiment, snapshot = listed
    known = Clearance(experiment).digests(snapshot)
    evaluation = dataclasses.replace(experiment.evaluation, **changed)
    other = dataclasses.replace(experiment, evaluation=evaluation)
    assert not Clearance(other, known).covers_metrics()
    assert not is_cleared(other, known, snapshot)


def test_another_search_is_checked_again(listed):
    experiment, snapshot = listed
    known = Clearance(experiment).digests(snapshot)
    other = dataclasses.replace(
        experiment, search=Search(strategy="random", settings={"n_trials": 2})
    )
    assert not is_cleared(other, known, snapshot)


def test_another_version_of_a_models_package_is_checked_again(listed, tmp_path, monkeypatch):
    experiment, snapshot = listed
    monkeypatch.syspath_prepend(str(tmp_path))
    foreign = dataclasses.replace(snapshot.models[0].steps[0], estimator="oak_kit.trees:Oak")
    models = (dataclasses.replace(snapshot.models[0], steps=(foreign,)),)
    snapshot = dataclasses.replace(snapshot, models=models)
    install(tmp_path, "1.0")
    known = Clearance(experiment).digests(snapshot)
    assert is_cleared(experiment, known, snapshot)
    install(tmp_path, "2.0")
    assert not is_cleared(experiment, known, snapshot)


def install(folder, version):
    """What tells Python of a distribution's version."""
    told = folder / "oak_kit-1.dist-info"
    told.mkdir(exist_ok=True)
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: oak_kit\nVersion: {version}\n")


def test_a_file_edited_during_the_check_is_checked_again(listed, tmp_path, monkeypatch):
    experiment, snapshot = listed
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "oaks_edited.py"
    file.write_text(OWN)
    step = dataclasses.replace(snapshot.models[0].steps[0], estimator="oaks_edited:Oak")
    models = (dataclasses.replace(snapshot.models[0], steps=(step,)),)
    snapshot = dataclasses.replace(snapshot, models=models)
    clearance = Clearance(experiment)
    assert not clearance.covers(snapshot.models, snapshot.customers)
    file.write_text(OWN + "    edited = True\n")
    assert not is_cleared(experiment, clearance.digests(snapshot), snapshot)


def test_a_refused_list_is_never_remembered(tmp_path, mlflow_url):
    experiment = an_experiment(tmp_path, mlflow_url, models=[TREE], customers=ROUTES[:1])
    run(experiment)
    wrong = listing(experiment, models=[{**TREE, "grid": {"depth": [2]}}], customers=ROUTES[:1])
    for _ in range(2):
        with pytest.raises(ConfigError, match="is not a parameter"):
            run(wrong)
    with Ledger.look(experiment.ledger) as ledger:
        assert len(ledger.flow_runs.list()) == 1
    assert Clearance.of(experiment).covers_metrics()


def test_a_customer_with_a_wrong_grid_stays_set_aside(tmp_path, mlflow_url):
    wrong = {**ROUTES[1], "grids": {"tree": {"depth": [2]}}}
    experiment = an_experiment(tmp_path, mlflow_url, models=[TREE], customers=[ROUTES[0], wrong])
    run(experiment)
    for _ in range(2):
        snapshot = fetch_snapshot(experiment, clearance=Clearance.of(experiment))
        assert [bad.id for bad in snapshot.rejected] == [wrong["id"]]


def test_an_edited_own_module_is_checked_again(tmp_path, mlflow_url, monkeypatch):
    (tmp_path / "oaks.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    oak = {"id": "oak", "estimator": "oaks:Oak", "params": {"max_depth": 2}}
    experiment = an_experiment(tmp_path, mlflow_url, models=[oak], customers=ROUTES[:1])
    evaluation = dataclasses.replace(experiment.evaluation, allowed=("sklearn", "oaks"))
    experiment = dataclasses.replace(experiment, evaluation=evaluation, allow_pickle=True)
    run(experiment)
    with Ledger.look(experiment.ledger) as ledger:
        known = ledger.flow_runs.last_of("flights").origin.cleared
    snapshot = fetch_snapshot(experiment)
    assert is_cleared(experiment, known, snapshot)
    (tmp_path / "oaks.py").write_text(OWN.replace("Oak", "Elm"))
    assert not is_cleared(experiment, known, snapshot)
