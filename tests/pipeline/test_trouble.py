"""MLflow in trouble, for a whole run: it ends with what could be done; a sync sends the rest."""

import dataclasses
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from distributed import default_client
from mlflow import MlflowClient

from orchestrator.cli.commands.training import run_experiment
from orchestrator.cli.flow_runs.run_options import RunOptions
from orchestrator.clusters import Cluster
from orchestrator.errors import MachineryError, UsageError
from orchestrator.ledger import Ledger
from orchestrator.mlflow import health
from orchestrator.mlflow.ui import web_page
from orchestrator.pipeline.pipeline import run
from orchestrator.promotion import background_sync
from orchestrator.promotion.mlflow_session import MlflowSession
from orchestrator.promotion.sync import Sent, sync
from orchestrator.records import Evaluation
from orchestrator.sql import engines
from tests.support.experiments import a_small_experiment, in_mlflow
from tests.support.places import free_port
from tests.support.rows import CUSTOMER_IDS, CUSTOMERS, TREE
from tests.support.stopping import once_begun


def in_ledger(experiment):
    """How many trials it has, and how many MLflow lacks."""
    with Ledger.open(experiment.ledger) as ledger:
        flow_runs = [flow_run.id for flow_run in ledger.flow_runs.list()]
        trials = [trial for each in flow_runs for trial in ledger.trials.of_run(each)]
        return len(trials), len(ledger.trials.pending())


def is_behind(report):
    """The report says what MLflow lacks and what to do, and the trials themselves are fine."""
    assert report.behind is not None
    assert "`orchestrator sync` sends them" in report.behind
    assert report.trials == {"success": 6, "failed": 0, "reused": 0}
    return True


def made_good(experiment):
    """A sync sends everything once; another one has nothing to send."""
    sync(experiment)
    assert in_ledger(experiment) == (6, 0)
    assert in_mlflow(experiment) == (6, 6, CUSTOMER_IDS)
    assert sync(experiment) == Sent(trials=0, promotions=0)
    assert in_mlflow(experiment) == (6, 6, CUSTOMER_IDS)


def statement(database: Path, text: str) -> None:
    connection = sqlite3.connect(database)
    with connection:
        connection.execute(text)
    connection.close()


@pytest.fixture
def experiment(tmp_path, mlflow_url):
    return a_small_experiment(tmp_path, mlflow_url)


@pytest.fixture
def database(tmp_path):
    return tmp_path / "mlflow.db"


def refusing_writes(database, tables=("runs", "registered_models")):
    """As a read-only database does; the tests run as root, whom no file's mode stops."""
    for table in tables:
        statement(
            database,
            f"CREATE TRIGGER no_{table} BEFORE INSERT ON {table} "
            "BEGIN SELECT RAISE(ABORT, 'attempt to write a readonly database'); END",
        )


def accepting_writes(database, tables=("runs", "registered_models")):
    for table in tables:
        statement(database, f"DROP TRIGGER no_{table}")


def test_a_database_that_takes_no_writes_stops_no_run(experiment, database):
    refusing_writes(database)
    report = run(experiment)
    assert is_behind(report)
    assert "MLflow lacks 6 trials and 3 champions" in report.behind
    assert "readonly" in report.behind
    assert report.flow_run.state == "failed"
    assert "deploy" in {failure.first for failure in report.failures}
    assert in_ledger(experiment) == (6, 6)
    assert in_mlflow(experiment) == (0, 0, set())
    accepting_writes(database)
    made_good(experiment)


@pytest.fixture
def small_disk(tmp_path, database):
    """A disk that has room for MLflow's database and little more."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = f"size={database.stat().st_size + 2**17}"
    mount = ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:  # noqa: PLW1510 - it says why not
        pytest.skip("a small disk can be mounted by root only")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)  # MLflow keeps connections


def test_a_full_disk_stops_no_run(tmp_path, mlflow_url, database, small_disk):
    shutil.copy(database, small_disk / "mlflow.db")
    rest = small_disk / "rest"
    with suppress(OSError), rest.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    experiment = a_small_experiment(tmp_path, f"sqlite:///{small_disk}/mlflow.db")
    report = run(experiment)
    assert is_behind(report)
    assert "full" in report.behind
    assert in_ledger(experiment)[0] == 6
    rest.unlink()
    made_good(experiment)


def test_a_run_that_comes_before_the_sync_sends_everything_too(experiment, database):
    refusing_writes(database)
    run(experiment)
    accepting_writes(database)
    again = run(experiment)
    assert again.behind is None
    assert again.trials == {"success": 0, "failed": 0, "reused": 6}
    assert in_mlflow(experiment) == (6, 6, CUSTOMER_IDS)
    assert sync(experiment) == Sent(trials=0, promotions=0)


def test_a_database_locked_for_a_while_is_waited_for(experiment, database):
    run(experiment)  # which makes MLflow's experiment
    other = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(1.0, lambda: other.execute("ROLLBACK"))
    release.start()
    report = run(experiment, fresh=True)
    release.join()
    other.close()
    assert report.behind is None
    assert in_mlflow(experiment) == (12, 12, CUSTOMER_IDS)


def test_a_database_locked_for_longer_than_anyone_waits(experiment, database, monkeypatch):
    run(experiment)
    monkeypatch.setattr(engines, "_SECONDS_TO_WAIT_FOR_A_LOCK", 0.2)
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    report = run(experiment, fresh=True)
    other.execute("ROLLBACK")
    other.close()
    assert is_behind(report)
    assert "database is locked" in report.behind
    assert in_ledger(experiment) == (12, 6)
    sync(experiment)
    assert in_mlflow(experiment) == (12, 12, CUSTOMER_IDS)


def test_a_database_of_another_mlflow_is_told_at_once_and_the_run_goes_on(experiment, database):
    connection = sqlite3.connect(database)
    (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    connection.close()
    statement(database, "UPDATE alembic_version SET version_num = 'another'")
    said = []
    report = run(experiment, say=said.append)
    assert any("out-of-date" in text and "run continues" in text for text in said)
    assert is_behind(report)
    assert "MLflow lacks 6 trials and 3 champions" in report.behind
    assert report.links == {}
    statement(database, f"UPDATE alembic_version SET version_num = '{version}'")  # noqa: S608 - our own
    made_good(experiment)


def test_models_whose_folder_cannot_be_written_are_written_by_the_sync(experiment, tmp_path):
    (tmp_path / "artifacts").write_text("a file where the folder should be")
    report = run(experiment)
    assert is_behind(report)
    assert "MLflow lacks 0 trials and 3 champions" in report.behind
    assert not report.tolerated
    assert any("cannot be written" in failure.reason for failure in report.failures)
    assert in_mlflow(experiment) == (6, 6, set())
    with pytest.raises(MachineryError, match="3 customers could not be delivered"):
        sync(experiment)
    (tmp_path / "artifacts").unlink()
    made_good(experiment)


def test_a_server_that_dies_while_the_run_is_under_way(
    tmp_path, empty_mlflow_database, monkeypatch
):
    """It dies once it has been found and the flow begins; a new one takes over."""
    shutil.copyfile(empty_mlflow_database, tmp_path / "mlflow.db")
    store, files = f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "files")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    server = ExitStack()
    url = server.enter_context(web_page(store, artifact_root=files)).address
    experiment = a_small_experiment(tmp_path, url, artifacts=None)

    report = run(experiment, stop=once_begun(server.close))
    assert is_behind(report)
    assert in_ledger(experiment)[0] == 6
    with web_page(store, artifact_root=files, port=int(url.rpartition(":")[2])):
        made_good(experiment)


def test_a_server_that_comes_back_during_the_run_is_sent_everything(
    tmp_path, empty_mlflow_database, monkeypatch
):
    """It is not there when it is first asked, and is started while customers are worked on."""
    monkeypatch.setattr(background_sync, "_HEAD_START_SECONDS", 0.0)
    shutil.copyfile(empty_mlflow_database, tmp_path / "mlflow.db")
    store, files = f"sqlite:///{tmp_path}/mlflow.db", str(tmp_path / "files")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    port = free_port()
    slow = [{**customer, "data": {**customer["data"], "seconds": 0.2}} for customer in CUSTOMERS]
    experiment = a_small_experiment(
        tmp_path, f"http://127.0.0.1:{port}", artifacts=None, customers=slow
    )
    missed, server = threading.Event(), ExitStack()

    def say(text):
        if "The run continues without it" in text:
            missed.set()

    def start():
        assert missed.wait(60)
        server.enter_context(web_page(store, artifact_root=files, port=port))

    def stop():
        """Never; but once there is something to send, the server is started."""
        if not started and in_ledger(experiment)[1]:
            started.append(True)
            start()
        return False

    started: list[bool] = []
    report = run(experiment, say=say, stop=stop)
    assert report.behind is None
    assert in_ledger(experiment) == (6, 0)
    assert in_mlflow(experiment) == (6, 6, CUSTOMER_IDS)
    server.close()


@pytest.fixture
def silent_server():
    """It accepts connections and never answers, as one that is stopped or swaps does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_server_that_accepts_and_never_answers_holds_nobody_up(
    tmp_path, silent_server, monkeypatch
):
    monkeypatch.setattr(health, "_SECONDS_TO_ANSWER", 0.2)
    said = []
    report = run(a_small_experiment(tmp_path, silent_server, artifacts=None), say=said.append)
    assert any(
        "no MLflow server answers" in text and "continues without it" in text for text in said
    )
    assert is_behind(report)


def test_a_run_begins_while_mlflow_is_still_waited_for(tmp_path, silent_server, monkeypatch):
    monkeypatch.setattr(health, "_SECONDS_TO_ANSWER", 1.0)
    told = []
    experiment = a_small_experiment(tmp_path, silent_server, artifacts=None)
    report = run(experiment, say=lambda text: told.append((time.time(), text)))
    assert is_behind(report)
    assert [text for _, text in told if "no MLflow server answers" in text] == [told[-1][1]]
    with Ledger.open(experiment.ledger) as ledger:
        began = [each.result.started for each in ledger.trials.of_run(report.flow_run.id)]
    assert min(began) < told[-1][0]


def test_mlflow_is_not_opened_before_there_is_something_to_send(experiment, monkeypatch):
    """Importing and opening it would take the driver and a core from the first fits."""
    monkeypatch.setattr(background_sync, "_HEAD_START_SECONDS", 60.0)
    began, really_open = [], MlflowSession.open

    def noting_when(*what):
        began.append(time.time())
        return really_open(*what)

    monkeypatch.setattr(MlflowSession, "open", noting_when)
    report = run(experiment)
    assert report.behind is None
    with Ledger.open(experiment.ledger) as ledger:
        ended = [each.result.ended for each in ledger.trials.of_run(report.flow_run.id)]
    assert min(began) >= min(ended)


def test_who_stops_at_once_does_not_wait_for_a_server(tmp_path, silent_server, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(a_small_experiment(tmp_path, silent_server, artifacts=None), stop=once_begun(interrupt))
    assert time.monotonic() - began < health._SECONDS_TO_ANSWER


def by_depth(estimator, X, y):
    """A scorer that is no number for one of the candidates."""
    return {2: 0.5, 3: float("nan"), 4: float("inf")}[estimator.max_depth]


def test_metrics_of_nan_and_infinity_fail_their_candidates_alone(tmp_path, mlflow_url):
    tree = {**TREE, "grid": {"max_depth": [2, 3, 4]}}
    evaluation = Evaluation(
        loader="tests.support.synthetic:load",
        metrics=("by_depth", "accuracy"),
        metric="by_depth",
        scorers={"by_depth": f"{__name__}:by_depth"},
    )
    experiment = a_small_experiment(
        tmp_path, mlflow_url, models=[tree], evaluation=evaluation, tolerance=1.0
    )
    report = run(experiment)
    assert report.behind is None
    assert report.trials == {"success": 3, "failed": 6, "reused": 0}
    assert in_ledger(experiment) == (9, 0)
    assert in_mlflow(experiment) == (9, 9, CUSTOMER_IDS)
    client = MlflowClient(mlflow_url)
    found = client.get_experiment_by_name("trouble")
    errors = {
        run.data.params["max_depth"]: run.data.tags["error"]
        for run in client.search_runs([found.experiment_id], "attributes.status = 'FAILED'")
    }
    assert errors == {
        "3": "ValueError: the by_depth of fold 0 is nan",
        "4": "ValueError: the by_depth of fold 0 is inf",
    }


def test_a_parameter_of_a_megabyte_is_cut_with_a_tag_that_says_so(tmp_path, mlflow_url):
    words = "x" * 1_000_000
    long = {
        "id": "long",
        "pipeline": [
            "sklearn.preprocessing:StandardScaler",
            {"name": "clf", "estimator": "sklearn.dummy:DummyClassifier"},
        ],
        "params": {"clf__constant": words},
    }
    experiment = a_small_experiment(tmp_path, mlflow_url, models=[long], customers=CUSTOMERS[:1])
    report = run(experiment)
    assert report.behind is None
    assert report.trials["success"] == 1
    client = MlflowClient(mlflow_url)
    found = client.get_experiment_by_name("trouble")
    (tracked,) = client.search_runs([found.experiment_id])
    assert 0 < len(tracked.data.params["clf__constant"]) <= 6_000
    assert any("cut" in name or "cut" in value for name, value in tracked.data.tags.items())


def test_registered_models_that_cannot_be_written_follow_later(experiment, database):
    refusing_writes(database, ("registered_models",))
    report = run(experiment)
    assert is_behind(report)
    assert "MLflow lacks 0 trials and 3 champions" in report.behind
    accepting_writes(database, ("registered_models",))
    made_good(experiment)


def test_an_experiment_that_was_deleted_in_mlflow_is_refused(experiment, mlflow_url):
    client = MlflowClient(mlflow_url)
    client.delete_experiment(client.create_experiment("trouble"))
    with pytest.raises(UsageError, match="mlflow experiments restore"):
        run(experiment)
    assert in_ledger(experiment) == (0, 0)


def test_an_address_that_mlflow_cannot_use_is_refused_before_anything_is_begun(tmp_path):
    experiment = a_small_experiment(tmp_path, "nosuchdatabase://somewhere/mlflow")
    with pytest.raises(UsageError, match=r"nosuchdatabase.* cannot be used"):
        run(experiment)
    assert not (tmp_path / "ledger.db").exists()


def test_the_exit_code_says_that_mlflow_is_behind(experiment, database, monkeypatch, capsys):
    monkeypatch.setattr("orchestrator.config.find", lambda config: config)
    monkeypatch.setattr("orchestrator.config.load", lambda _: experiment)
    refusing_writes(database)
    assert run_experiment(RunOptions()) == 4
    said = capsys.readouterr()
    assert "`orchestrator sync` sends them" in " ".join(f"{said.out} {said.err}".split())
    accepting_writes(database)
    assert run_experiment(RunOptions()) == 0


@pytest.mark.slow
def test_a_local_scheduler_that_is_lost_ends_the_run_which_can_go_on(tmp_path, mlflow_url):
    local = Cluster(workers=1, dashboard=False)
    slow = [{**customer, "data": {**customer["data"], "seconds": 1.0}} for customer in CUSTOMERS]
    experiment = a_small_experiment(tmp_path, mlflow_url, cluster=local, customers=slow)

    def lose():
        default_client().cluster.close()

    began = time.monotonic()
    with pytest.raises(MachineryError, match="results so far are kept"):
        run(experiment, stop=once_begun(lose))
    assert time.monotonic() - began < 30
    again = run(dataclasses.replace(experiment, cluster=Cluster(kind="inline")))
    assert again.behind is None
    assert in_ledger(experiment) == (6, 0)
    assert in_mlflow(experiment) == (6, 6, CUSTOMER_IDS)


@pytest.mark.slow
def test_a_study_that_hangs_is_ended_and_told_by_its_customer(tmp_path, mlflow_url):
    hanging = {"id": "hanging", "data": {"seconds": 600, "form": "frame"}}
    experiment = a_small_experiment(
        tmp_path,
        mlflow_url,
        customers=[*CUSTOMERS, hanging],
        cluster=Cluster(workers=2, dashboard=False),
        study_timeout=8.0,  # within which a worker that was started again imports scikit-learn
    )
    report = run(experiment)
    assert report.trials == {"success": 6, "failed": 1, "reused": 0}
    assert report.served == 3
    (failure,) = report.failures
    assert failure.first == "hanging/tree"
    assert failure.reason.startswith("timed out after 8 s")
