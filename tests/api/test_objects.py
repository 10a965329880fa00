"""An experiment built from Python objects, without any file but the loader's module."""

import shutil
import sys

import pytest

from orchestrator import ConfigError, Customer, Experiment, ModelSpec, UsageError
from orchestrator.records import Search, Step
from tests.support import synthetic

TREE = {
    "id": "tree",
    "estimator": "sklearn.tree:DecisionTreeClassifier",
    "grid": {"max_depth": [1, 2]},
}
ACME = {"id": "acme"}


@pytest.fixture
def folder(tmp_path, empty_mlflow_database):
    (tmp_path / "state" / "churn").mkdir(parents=True)
    shutil.copyfile(empty_mlflow_database, tmp_path / "state" / "churn" / "mlflow.db")
    return tmp_path


def churn(root, **others):
    given = {"loader": synthetic.load, "models": [TREE], "customers": [ACME], **others}
    return Experiment("churn", root=root, cluster={"kind": "inline"}, **given)


def test_rows_and_records_are_the_same_lists(tmp_path):
    steps = (Step(name="tree", estimator=TREE["estimator"]),)
    spec = ModelSpec(id="tree", steps=steps, grid=({"max_depth": (1, 2)},))
    from_records = churn(tmp_path, models=[spec], customers=[Customer(id="acme")])
    assert from_records.plan().snapshot == churn(tmp_path).plan().snapshot


def test_it_trains_and_serves_as_one_of_a_file(folder):
    experiment = churn(folder)
    report = experiment.run()
    assert (report.flow_run.state, report.served) == ("success", 1)
    assert (folder / "state" / "churn" / "ledger.db").is_file()
    assert experiment.plan().least_trials == 0


def test_sections_are_dicts_or_records(tmp_path):
    both = churn(tmp_path, search={"strategy": "random", "n_trials": 3}, tolerance=0.5)
    assert both.settings.search == Search(strategy="random", settings={"n_trials": 3})
    assert both.settings.tolerance == 0.5
    assert both.settings.config is None
    assert both.settings.root == tmp_path


def test_a_wrong_key_is_named_without_a_file(tmp_path):
    with pytest.raises(ConfigError) as raised:
        churn(tmp_path, gate={"min_gain": 1})
    assert raised.value.file is None
    assert "gate" in str(raised.value)


def test_a_loader_that_workers_cannot_import_is_refused_with_the_cure(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"evaluation\.loader: .* top level of a file"):
        churn(tmp_path, loader=lambda customer: customer)

    def load(customer):
        return customer

    load.__module__ = "__main__"
    monkeypatch.setattr(sys.modules["__main__"], "load", load, raising=False)
    with pytest.raises(ConfigError, match=r"workers cannot import: move it .* such as churn\.py"):
        churn(tmp_path, loader=load)


def test_lists_may_be_fetched_from_a_source_instead(tmp_path):
    (tmp_path / "lists.yaml").write_text("models: []\ncustomers: []\n")
    fetched = Experiment(
        "churn",
        loader="tests.support.synthetic:load",
        registry={"source": "file", "path": "lists.yaml"},
        root=tmp_path,
    )
    assert fetched.settings.registry["source"] == "file"
    with pytest.raises(UsageError, match="there is no ledger"):
        fetched.status()


def test_lists_and_a_source_for_them_are_not_both_given(tmp_path):
    with pytest.raises(ConfigError, match="not both"):
        churn(tmp_path, registry={"source": "file", "path": "lists.yaml"})


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"root: there is no folder .*/gone"):
        churn(tmp_path / "gone")


def test_a_folder_that_was_deleted_since_is_named(tmp_path):
    (tmp_path / "project").mkdir()
    experiment = churn(tmp_path / "project")
    (tmp_path / "project").rmdir()
    with pytest.raises(UsageError, match=r"there is no folder .*/project"):
        experiment.plan()
