"""An experiment as an object of Python: what a program can do without typing a command."""

import shutil

import pytest

import orchestrator
from orchestrator import Experiment
from orchestrator.errors import ConfigError, UsageError

LISTS = """
models:
  - {id: tree, estimator: "sklearn.tree:DecisionTreeClassifier", grid: {max_depth: [1, 2]}}
customers:
  - {id: acme, data: 1}
  - {id: "<globex>", data: 2}
"""

CONFIGURATION = """
experiment: churn
registry: {source: file, path: lists.yaml}
evaluation: {loader: "churn_of_the_api:load"}
cluster: {kind: inline}
"""

LOADER = """
import numpy as np

def load(customer):
    random = np.random.default_rng(int(customer.data))
    X = random.random((60, 2))
    return X, (X[:, 0] > 0.5).astype(int)

def version(customer):
    return "1"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, empty_mlflow_database):
    """A project of three files, and an empty MLflow, which takes seconds to make."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "state" / "churn").mkdir(parents=True)
    shutil.copyfile(empty_mlflow_database, folder / "state" / "churn" / "mlflow.db")
    (folder / "lists.yaml").write_text(LISTS)
    (folder / "orchestrator.yaml").write_text(CONFIGURATION)
    (folder / "churn_of_the_api.py").write_text(LOADER)
    return folder


@pytest.fixture(scope="module")
def trained(folder):
    """The experiment after one run, and the run's report."""
    experiment = Experiment.from_file(folder / "orchestrator.yaml")
    planned = experiment.plan()
    return experiment, planned, experiment.run()


def test_a_plan_says_what_the_run_then_does(trained):
    _, planned, report = trained
    assert (planned.customers, planned.studies, planned.trials) == (2, 2, 4)
    assert report.flow_run.state == "success"
    assert report.trials["success"] == 4
    assert report.tolerated


def test_every_customer_is_served_afterwards(trained):
    experiment, _, report = trained
    status = experiment.status()
    assert [each.customer for each in status.customers] == ["<globex>", "acme"]
    assert {each.champion.deployed.version for each in status.customers} == {"1"}
    assert status.unfinished is None
    assert len(report.promotions) == 2


def test_results_are_data_frames(trained):
    experiment, planned, report = trained
    assert planned.to_pandas().to_dict("records") == [
        {"name": "tree", "customers": 2, "studies": 2, "reused": 0, "trials": 4}
    ]
    assert set(report.to_pandas()["customer"]) == {"acme", "<globex>"}
    trials = experiment.trials("acme").to_pandas()
    assert sorted(trials["params.max_depth"]) == [1, 2]
    assert trials["serves"].sum() == 1
    assert len(experiment.trials("acme", best=1).to_pandas()) == 1
    assert list(experiment.status().to_pandas()["model"]) == ["tree", "tree"]
    assert list(experiment.history("acme").to_pandas()["event"]) == ["added"]
    assert list(experiment.why("acme").to_pandas()["action"]) == ["reuse"]
    assert list(experiment.doctor().to_pandas().columns) == ["check", "state", "problem", "cure"]
    assert experiment.sync().to_pandas().to_dict("records") == [{"trials": 0, "promotions": 0}]


def test_results_show_themselves_as_tables_with_every_text_escaped(trained):
    experiment, planned, report = trained
    shown = experiment.status()._repr_html_()
    assert "<table>" in shown
    assert "&lt;globex&gt;" in shown
    assert "<globex>" not in shown
    for result in (planned, report, experiment.why("acme"), experiment.history("acme")):
        assert "<table>" in result._repr_html_()


def test_a_caller_stays_in_its_own_folder(trained, tmp_path, monkeypatch):
    experiment = trained[0]
    monkeypatch.chdir(tmp_path)
    assert experiment.plan().trials == 0
    assert list(tmp_path.iterdir()) == []


def test_what_is_asked_for_wrongly_is_an_error_that_names_the_cure(trained):
    experiment = trained[0]
    with pytest.raises(UsageError, match="no customer 'nobody' has ever been listed"):
        experiment.trials("nobody")
    with pytest.raises(UsageError, match="leave out the limit"):
        experiment.trials("acme", best=1, limit=2)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: there is no such file"):
        Experiment.from_file(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"keep_logs": "bogus"}, "keep_logs is 'bogus': take failed, all, none"),
        ({"grace": "x"}, "grace is 'x': take a number of seconds"),
        ({"grace": -1}, "grace is -1: take a number of seconds"),
    ],
)
def test_options_that_cannot_be_meant_are_refused_before_anything_runs(trained, arguments, problem):
    experiment = trained[0]
    with pytest.raises(UsageError, match=problem):
        experiment.run(**arguments)
    assert experiment.status().customers


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [({"best": -1}, "best is -1"), ({"limit": 0}, "limit is 0"), ({"state": "odd"}, "state 'odd'")],
)
def test_a_choice_of_trials_that_there_cannot_be_is_refused(trained, arguments, problem):
    with pytest.raises(UsageError, match=problem):
        trained[0].trials("acme", **arguments)


def test_observers_of_a_run_receive_its_beginning_and_its_end(trained):
    received = []
    trained[0].run(observers=[received.append])
    assert [type(each).__name__ for each in received] == ["FlowRunBegan", "FlowRunEnded"]
    assert {type(state) for state in received[-1].counts} == {str}


def test_an_experiment_says_what_it_is(trained):
    assert repr(trained[0]).startswith("<Experiment 'churn' of ")
    assert orchestrator.__version__
