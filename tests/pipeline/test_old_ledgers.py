"""A ledger that an earlier version wrote: its flow runs are resumed, its champions serve."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from orchestrator.ledger import Ledger
from tests.support.old_ledgers import LEDGERS, make_old_ledger

STOPPED, FAILED = "20261128T100252-c92af7", "20261128T100412-59c383"


@pytest.fixture
def project(tmp_path, monkeypatch, empty_mlflow_database):
    """The folder of a project with a ledger of version 8; its MLflow and its files are lost."""
    make_old_ledger(8, f"sqlite:///{tmp_path}/ledger.db", tmp_path)
    shutil.copyfile(LEDGERS / "v8.orchestrator.yaml", tmp_path / "orchestrator.yaml")
    shutil.copyfile(LEDGERS / "v8.adding.py.txt", tmp_path / "adding.py")
    shutil.copyfile(empty_mlflow_database, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    return tmp_path


def test_a_flow_of_a_file_is_resumed_where_it_stopped(project, typed):
    (project / "fixed").touch()
    code, out, err = typed("resume", FAILED)
    assert code == 0, err
    with Ledger.open("ledger.db") as ledger:
        ended = ledger.flow_runs.get(FAILED)
        tries = {(i.node, i.key): i.state for i in ledger.flow_runs.instances(FAILED)}
    assert ended.state == "success"
    assert set(tries.values()) == {"success", "cached"}
    assert out.count("has changed") == 0


def test_a_flow_of_a_file_is_rerun_in_part(project, typed):
    (project / "fixed").touch()
    code, _, err = typed("rerun", FAILED)
    assert code == 0, err
    assert "again: 1 of flow run" in err


@pytest.mark.slow
def test_an_experiment_is_resumed_and_its_champions_serve_again(project, typed):
    typed("doctor", "--fix")  # MLflow and the folder of model files are lost
    code, _, err = typed("resume", STOPPED)
    assert code == 0, err
    client = MlflowClient(f"sqlite:///{project}/mlflow.db")
    with Ledger.open("ledger.db") as ledger:
        assert ledger.flow_runs.get(STOPPED).state == "success"
        champions = ledger.promotions.champions()
    for champion in champions.values():
        served = client.get_model_version_by_alias(champion.deployed.model_name, "champion")
        assert served.run_id == champion.run_id
        assert (Path(served.source.removeprefix("file://")) / "MLmodel").exists()
    assert champions.keys() == {"acme", "eu/7"}
