"""One place to stand: what a configuration names starts from its folder, wherever one types."""

import json
from pathlib import Path

import pytest
import yaml

from orchestrator import config
from orchestrator.config.places import root_of
from orchestrator.errors import ConfigError

LOADER = """
from pathlib import Path

import numpy as np
import helper_beside_the_loader


def load(customer):
    rows = Path(customer.data).read_text().split()
    assert helper_beside_the_loader.HERE
    X = np.array([float(row) for row in rows]).reshape(-1, 1)
    return X, (X[:, 0] > X[:, 0].mean()).astype(int)
"""


def settings(**more):
    return {
        "experiment": "shop",
        "registry": {"source": "file", "path": "lists.yaml"},
        "evaluation": {"loader": "shop_of_another_folder:load", "metrics": ["roc_auc"]},
        "cluster": {"kind": "inline"},
    } | more


@pytest.fixture
def project(tmp_path):
    """A project in a folder that is not the current one, all of it by relative addresses."""
    folder = tmp_path / "a shop"
    folder.mkdir()
    (folder / "shop_of_another_folder.py").write_text(LOADER)
    (folder / "helper_beside_the_loader.py").write_text("HERE = True\n")
    (folder / "acme.txt").write_text(" ".join(str(n * n % 97) for n in range(90)))
    lists = {
        "models": [{"id": "tree", "estimator": "sklearn.tree:DecisionTreeClassifier"}],
        "customers": [{"id": "acme", "data": "acme.txt"}],
    }
    (folder / "lists.yaml").write_text(yaml.safe_dump(lists))
    (folder / "orchestrator.yaml").write_text(yaml.safe_dump(settings()))
    return folder


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Another folder, in which commands are typed."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv(config.ENVIRONMENT_VARIABLE, raising=False)
    return folder


def write(project, **more):
    (project / "orchestrator.yaml").write_text(yaml.safe_dump(settings(**more)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["inline", "local"])
def test_a_run_from_another_folder_is_the_run_of_the_project(
    project, elsewhere, typed, kind, empty_mlflow_database
):
    write(project, cluster={"kind": kind, **({"workers": 1} if kind == "local" else {})})
    state = project / "state" / "shop"
    state.mkdir(parents=True)
    (state / "mlflow.db").write_bytes(empty_mlflow_database.read_bytes())
    file = str(project / "orchestrator.yaml")
    code, out, err = typed("run", "-c", file)
    assert code == 0, out + err
    assert (state / "ledger.db").is_file()
    assert list(state.glob("artifacts/*/artifacts/model/MLmodel"))
    assert not list(elsewhere.iterdir()), "nothing is left where the command was typed"
    code, out, _ = typed("status", "-c", file, "--json")
    assert (code, json.loads(out)[0]["customer"]) == (0, "acme")
    code, out, err = typed("report", "-c", file, "--out", "page.html")
    assert code == 0, err
    assert (elsewhere / "page.html").is_file(), "what is typed starts from where it is typed"


def test_a_plan_from_another_folder_reads_the_projects_lists_and_data(project, elsewhere, typed):
    code, out, err = typed("plan", "-c", "../a shop/orchestrator.yaml", "--json")
    assert code == 0, err
    assert json.loads(out)["studies"] == 1
    assert Path.cwd() == elsewhere, "the process stands where it stood"


@pytest.mark.parametrize(
    "command", [("status",), ("history", "acme"), ("trials", "acme"), ("report",)]
)
def test_where_nothing_has_run_the_ledger_that_was_looked_for_is_named(
    project, elsewhere, typed, command
):
    code, out, err = typed(*command, "-c", str(project / "orchestrator.yaml"))
    assert (code, out) == (2, "")
    assert str(project / "state" / "shop" / "ledger.db") in err
    assert "orchestrator run" in err
    assert not (project / "state").exists()


def test_runs_names_the_ledger_that_has_none(project, elsewhere, typed):
    code, out, _ = typed("runs", "-c", str(project / "orchestrator.yaml"))
    assert code == 0
    assert f"no flow run is recorded in {project}/state/shop/ledger.db" in out


def test_a_root_is_relative_to_the_file(project, elsewhere):
    (project / "configs").mkdir()
    file = project / "configs" / "shop.yaml"
    file.write_text(yaml.safe_dump(settings(root="..", tracking={"artifacts": "models"})))
    experiment = config.load(file)
    assert experiment.root == project
    assert experiment.ledger == f"sqlite:///{project}/state/shop/ledger.db"
    assert experiment.tracking == f"sqlite:///{project}/state/shop/mlflow.db"
    assert experiment.artifacts == f"{project}/models"


@pytest.mark.parametrize("root", ["nowhere", 7, ""])
def test_a_root_that_is_not_a_folder_is_refused(project, root):
    write(project, root=root)
    with pytest.raises(ConfigError, match=r"orchestrator\.yaml: root: (there is no|must be a)"):
        config.load(project / "orchestrator.yaml")


def test_what_is_absolute_or_elsewhere_stays_as_it_is_written(project, elsewhere):
    write(
        project,
        ledger="postgresql://me@host/db",
        tracking={"uri": "https://mlflow.example.com", "artifacts": "s3://bucket/models"},
    )
    experiment = config.load(project / "orchestrator.yaml")
    assert experiment.ledger == "postgresql://me@host/db"
    assert experiment.tracking == "https://mlflow.example.com"
    assert experiment.artifacts == "s3://bucket/models"


def test_a_ledger_of_an_earlier_version_is_not_begun_a_second_time(project, elsewhere, typed):
    """Relative addresses once started from the current folder."""
    earlier = elsewhere / "state" / "shop" / "ledger.db"
    earlier.parent.mkdir(parents=True)
    earlier.touch()
    for command in ("run", "status", "runs"):
        code, _, err = typed(command, "-c", str(project / "orchestrator.yaml"))
        assert code == 2
        assert "Write `root: ../elsewhere`" in err
        assert str(earlier) in err


def test_a_configuration_named_by_a_detour_has_the_same_folder(tmp_path):
    """`-c ../orchestrator.yaml` from a folder below is the same project."""
    below = tmp_path / "below"
    below.mkdir()
    (tmp_path / "orchestrator.yaml").touch()
    assert root_of(below / ".." / "orchestrator.yaml") == tmp_path


def test_a_detour_through_a_symbolic_link_leads_where_the_system_says(tmp_path):
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "deep")
    folder = tmp_path / "link" / ".."
    (folder / "orchestrator.yaml").touch()
    assert root_of(folder / "orchestrator.yaml").samefile(tmp_path / "elsewhere")
