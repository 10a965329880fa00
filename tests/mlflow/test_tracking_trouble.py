"""What MLflow's database can do wrong: nothing is half written, and a second try makes it good."""

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from mlflow import MlflowClient
from sqlalchemy import event

from orchestrator.errors import MachineryError
from orchestrator.mlflow import tables
from orchestrator.mlflow.runs import bulk
from orchestrator.mlflow.runs.client import ClientTracker
from orchestrator.mlflow.runs.opening import open_tracker
from orchestrator.sql import engines
from tests.contracts.trackers import run


@pytest.fixture
def tracker(mlflow_url, tmp_path):
    return open_tracker(mlflow_url, "flights", str(tmp_path / "artifacts"))


@pytest.fixture
def database(tmp_path):
    return tmp_path / "mlflow.db"


@pytest.fixture
def count(mlflow_url, tracker):
    return lambda: len(MlflowClient(mlflow_url).search_runs([tracker.experiment_id]))


def execute(database, statement: str) -> None:
    connection = sqlite3.connect(database)
    with connection:
        connection.execute(statement)
    connection.close()


def test_a_database_of_another_mlflow_is_named_with_mlflows_own_cure(mlflow_url, database):
    execute(database, "UPDATE alembic_version SET version_num = 'older'")
    with pytest.raises(MachineryError, match=r"cannot be opened: .*out-of-date.*mlflow db upgrade"):
        open_tracker(mlflow_url, "flights")


def test_tables_this_version_does_not_know_are_left_to_the_client(mlflow_url, monkeypatch):
    """As when a newer MLflow is installed, with a column of which we know nothing."""
    known = dict(tables.COLUMNS_OF_RUNS)
    known[tables.SqlRun] = known[tables.SqlRun] - {"source_version"}
    monkeypatch.setattr(tables, "COLUMNS_OF_RUNS", known)
    assert isinstance(open_tracker(mlflow_url, "flights"), ClientTracker)


def test_a_locked_database_is_waited_for(tracker, database, count):
    other = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(0.3, lambda: other.execute("ROLLBACK"))
    release.start()
    tracker.log([run()])
    release.join()
    other.close()
    assert count() == 1


def test_a_database_locked_too_long_is_named_and_the_second_try_succeeds(
    mlflow_url, tracker, database, count, monkeypatch
):
    monkeypatch.setattr(engines, "_SECONDS_TO_WAIT_FOR_A_LOCK", 0.1)
    impatient = open_tracker(mlflow_url, "flights")
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(MachineryError, match=r"1 runs were not written: .*database is locked"):
        impatient.log([run()])
    other.execute("ROLLBACK")
    other.close()
    impatient.log([run()])
    assert count() == 1


@contextmanager
def pragma(tracker, setting: str):
    """Every connection of the tracker begins with this setting."""

    def set_it(connection, _record):
        connection.execute(f"PRAGMA {setting}")

    event.listen(tracker._engine, "connect", set_it)
    yield
    event.remove(tracker._engine, "connect", set_it)


def test_a_full_disk_leaves_whole_transactions_and_the_second_try_adds_the_rest(
    tracker, database, count, monkeypatch
):
    """SQLite's own limit on a database's size fails as a full disk does."""
    monkeypatch.setattr(bulk, "_CHUNK", 100)
    runs = [run(number) for number in range(400)]
    pages = database.stat().st_size // 4096
    full = pragma(tracker, f"max_page_count = {pages + 120}")
    with full, pytest.raises(MachineryError, match="full"):
        tracker.log(runs)
    assert count() in (100, 200, 300)
    tracker.log(runs)
    assert count() == 400


def test_a_read_only_database_is_named_and_the_second_try_succeeds(tracker, count):
    read_only = pragma(tracker, "query_only = ON")
    with read_only, pytest.raises(MachineryError, match=r"1 runs were not written: .*readonly"):
        tracker.log([run()])
    tracker.log([run()])
    assert count() == 1


def test_two_processes_that_send_the_same_runs_leave_each_once(mlflow_url, tracker, count):
    runs = [run(number) for number in range(300)]
    others = [open_tracker(mlflow_url, "flights") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda other: other.log(runs), others))
    assert count() == 300


@pytest.mark.postgres
def test_two_processes_on_postgres_leave_each_once(mlflow_postgres_url):
    runs = [run(number) for number in range(300)]
    trackers = [open_tracker(mlflow_postgres_url, "flights", "s3://x") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda other: other.log(runs), trackers))
    mlflow = MlflowClient(mlflow_postgres_url)
    assert len(mlflow.search_runs([trackers[0].experiment_id])) == 300
