"""The doctor: what people and accidents do to MLflow is found, and repaired where it can be."""

import dataclasses
import json
import os
import shutil
import sqlite3
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from orchestrator.clusters import Cluster
from orchestrator.ledger import Ledger
from orchestrator.maintenance import environment_checks
from orchestrator.maintenance.adoption import adopt_store
from orchestrator.maintenance.doctor import diagnose, treat
from orchestrator.maintenance.environment_checks import check_cluster
from orchestrator.pipeline.pipeline import run
from tests.support.experiments import a_small_experiment, in_mlflow
from tests.support.places import dask_cluster, environment_of
from tests.support.rows import CUSTOMER_IDS

MODEL = "trouble.customer-1"


@pytest.fixture(scope="module")
def trained(tmp_path_factory, empty_mlflow_database):
    """A folder in which three customers were trained, to be copied: `a_small_experiment` of it."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copyfile(empty_mlflow_database, folder / "mlflow.db")
    experiment = a_small_experiment(folder, f"sqlite:///{folder}/mlflow.db")
    run(experiment)
    return folder


@pytest.fixture
def experiment(trained, tmp_path):
    """The trained experiment, in a folder that a test may spoil."""
    for file in ("ledger.db", "mlflow.db"):
        shutil.copyfile(trained / file, tmp_path / file)
    copied = a_small_experiment(tmp_path, f"sqlite:///{tmp_path}/mlflow.db")
    adopt_store(copied)
    return copied


@pytest.fixture
def client(experiment):
    return MlflowClient(experiment.tracking, experiment.tracking)


def problems(diagnosis):
    return [finding.problem for finding in diagnosis.findings]


def repaired(experiment, *told):
    """The doctor finds just this, repairs it, and then finds nothing."""
    found = diagnose(experiment)
    assert not found.healthy
    assert problems(found) == list(told)
    assert diagnose(experiment) == found, "looking changes nothing"
    treated = treat(experiment)
    assert treated.healthy
    assert [finding.problem for finding in treated.repaired] == list(told)
    assert problems(treated) == problems(diagnose(experiment)) == []
    return True


def statement(experiment, text):
    connection = sqlite3.connect(experiment.tracking.removeprefix("sqlite:///"))
    with connection:
        connection.execute(text)
    connection.close()


def test_after_a_run_all_is_well(experiment):
    assert diagnose(experiment).findings == ()
    assert treat(experiment).findings == ()


def test_before_the_first_run_all_is_well_and_nothing_is_made(tmp_path):
    fresh = a_small_experiment(tmp_path, f"sqlite:///{tmp_path}/state/mlflow.db")
    assert diagnose(fresh).findings == ()
    assert list(tmp_path.iterdir()) == []


def test_an_alias_moved_by_hand_is_moved_back(experiment, client):
    (version,) = client.search_model_versions(f"name = '{MODEL}'")
    client.create_model_version(MODEL, version.source)
    client.set_registered_model_alias(MODEL, "champion", "2")
    told = f"customer 'customer-1': the alias `champion` of {MODEL} points to version 2; the ledger"
    assert repaired(experiment, f"{told} says version 1")
    assert int(client.get_model_version_by_alias(MODEL, "champion").version) == 1


def test_an_alias_that_was_deleted_is_set_again(experiment, client):
    client.delete_registered_model_alias(MODEL, "champion")
    told = f"{MODEL} has no alias `champion`; it belongs to version 1"
    assert repaired(experiment, f"customer 'customer-1': {told}")
    assert in_mlflow(experiment) == (6, 6, CUSTOMER_IDS)


def test_an_alias_of_a_version_that_is_gone_is_found(experiment, client):
    client.create_model_version(MODEL, "nowhere")
    client.set_registered_model_alias(MODEL, "champion", "2")
    statement(experiment, f"DELETE FROM model_versions WHERE name = '{MODEL}' AND version = 2")  # noqa: S608
    told = f"the alias `champion` of {MODEL} points to version 2, which is not there; the ledger"
    assert repaired(experiment, f"customer 'customer-1': {told} says version 1")


def test_a_champions_version_that_is_gone_is_registered_again(experiment, client):
    client.create_model_version(MODEL, "another")
    client.delete_model_version(MODEL, "1")
    told = f"{MODEL} has no version 1, which the ledger calls its champion"
    assert repaired(experiment, f"customer 'customer-1': {told}")
    found = client.get_model_version_by_alias(MODEL, "champion")
    with Ledger.look(experiment.ledger) as ledger:
        champion = ledger.promotions.champions()["customer-1"]
    assert (champion.deployed.version, champion.run_id) == (str(found.version), found.run_id)


def test_registered_models_that_are_gone_come_back(experiment, client):
    client.delete_registered_model(MODEL)
    told = f"{MODEL} has no version 1, which the ledger calls its champion"
    assert repaired(experiment, f"customer 'customer-1': {told}")


def test_runs_that_mlflow_has_lost_are_sent_again(experiment):
    for table in ("metrics", "latest_metrics", "params", "tags", "runs"):
        statement(experiment, f"DELETE FROM {table}")  # noqa: S608 - our own names
    (finding,) = diagnose(experiment).findings
    assert finding.problem.startswith("MLflow has lost 6 runs it was sent, such as ")
    assert treat(experiment).healthy
    assert in_mlflow(experiment) == (6, 6, CUSTOMER_IDS)


def test_a_run_that_a_person_deleted_stays_deleted(experiment, client):
    (some, *_) = client.search_runs([client.get_experiment_by_name("trouble").experiment_id])
    client.delete_run(some.info.run_id)
    assert diagnose(experiment).findings == ()


def test_a_whole_database_that_is_gone_is_filled_again(experiment, tmp_path, empty_mlflow_database):
    shutil.copyfile(empty_mlflow_database, tmp_path / "mlflow.db")
    found = problems(diagnose(experiment))
    assert found[0].startswith("MLflow has lost 6 runs")
    assert len(found) == 4
    assert treat(experiment).healthy
    assert in_mlflow(experiment) == (6, 6, CUSTOMER_IDS)


@contextmanager
def champion_of(experiment, customer):
    """The folder of a champion, which a test may spoil: it is put back, for other tests."""
    with Ledger.open(experiment.ledger) as ledger:
        folder = Path(ledger.promotions.champion(customer).model.source)
    kept = folder.with_name("kept")
    shutil.copytree(folder, kept)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        kept.rename(folder)


def test_model_files_that_are_gone_are_written_again(experiment):
    with champion_of(experiment, "customer-1") as folder:
        shutil.rmtree(folder)
        told = f"of its champion's files in {folder}, they are gone"
        assert repaired(experiment, f"customer 'customer-1': {told}")
        assert mlflow.pyfunc.load_model(str(folder)) is not None


@pytest.mark.parametrize("file", ["model.skops", "MLmodel", "requirements.txt"])
def test_a_model_file_that_was_cut_is_written_again(experiment, file):
    with champion_of(experiment, "customer-2") as folder:
        size = (folder / file).stat().st_size
        os.truncate(folder / file, 20)
        told = f"of its champion's files in {folder}, {file} has 20 of its {size} bytes"
        assert repaired(experiment, f"customer 'customer-2': {told}")


def test_a_model_file_of_the_same_size_that_was_changed_is_written_again(experiment):
    with champion_of(experiment, "customer-2") as folder:
        content = bytearray((folder / "model.skops").read_bytes())
        content[200] ^= 1
        (folder / "model.skops").write_bytes(content)
        told = f"of its champion's files in {folder}, model.skops is not what was written"
        assert repaired(experiment, f"customer 'customer-2': {told}")


def test_a_flow_run_that_counts_wrongly_is_found(experiment):
    ledger = sqlite3.connect(experiment.ledger.removeprefix("sqlite:///"))
    with ledger:
        ledger.execute("UPDATE ledger_instances SET state = 'failed' WHERE key LIKE 'customer-2'")
    ledger.close()
    (finding,) = diagnose(experiment).findings
    assert "but its instances are 2 failed," in finding.problem


def test_a_flow_run_whose_driver_died_is_told(experiment):
    ledger = sqlite3.connect(experiment.ledger.removeprefix("sqlite:///"))
    with ledger:
        ledger.execute("UPDATE ledger_flow_runs SET ended = NULL, state = 'running'")
    ledger.close()
    diagnosis = diagnose(experiment)
    assert diagnosis.healthy
    assert "never ended: its driver died" in diagnosis.findings[0].problem


def test_what_a_driver_at_work_is_still_to_send_is_no_problem(experiment):
    with Ledger.open(experiment.ledger) as ledger:
        ledger.trials.mark_unsent(ledger.trials.sent())
        with ledger.holding(experiment.name):
            assert diagnose(experiment).findings == ()
    assert problems(diagnose(experiment)) == ["MLflow lacks 6 trials of the ledger"]


def test_an_mlflow_that_does_not_answer_is_an_error(experiment, tmp_path):
    unreachable = a_small_experiment(tmp_path, "http://127.0.0.1:9")
    (finding,) = diagnose(unreachable).findings
    assert "no MLflow server answers at http://127.0.0.1:9" in finding.problem


def test_a_full_disk_is_an_error_and_a_filling_one_a_warning(experiment, monkeypatch):
    monkeypatch.setattr(environment_checks, "_SCARCE", 2**70)
    (finding,) = diagnose(experiment).findings
    assert (finding.check, finding.level) == ("disk", "warning")
    monkeypatch.setattr(environment_checks, "_NONE", 2**70)
    assert not diagnose(experiment).healthy


def test_a_library_of_another_version_is_named(experiment, monkeypatch):
    monkeypatch.setattr(
        environment_checks.metadata, "requires", lambda _: ["numpy>=99", "nothing>=1"]
    )
    told = problems(diagnose(experiment))
    assert told[0].startswith("numpy is ")
    assert told[0].endswith("must be >=99")
    assert told[1] == "nothing is not installed, and must be >=1"


def test_a_cluster_without_workers_and_one_that_does_not_answer(tmp_path, experiment):
    with dask_cluster(environment_of(tmp_path), workers=0) as started:
        there = Cluster(kind="remote", address=started.address)
        (finding,) = check_cluster(dataclasses.replace(experiment, cluster=there))
    assert "has no workers" in finding.problem
    gone = Cluster(kind="remote", address="tcp://127.0.0.1:9", connect_timeout=0.5)
    (finding,) = check_cluster(dataclasses.replace(experiment, cluster=gone))
    assert "no Dask scheduler answers" in finding.problem


def test_the_command_says_so_and_exits_with_it(project, typed):
    assert typed("doctor")[:2] == (0, "all is well: ledger, MLflow, disks, versions, cluster\n")
    typed("registry", "import", "lists.yaml")
    typed("run")
    assert typed("doctor")[0] == 0
    url = f"sqlite:///{project}/mlflow.db"
    MlflowClient(url, url).delete_registered_model_alias("flights.AA-STT", "champion")
    code, out, _ = typed("doctor", "--json")
    assert (code, json.loads(out)["healthy"]) == (1, False)
    code, out, _ = typed("doctor", "--fix")
    assert code == 0
    assert "repaired" in out
