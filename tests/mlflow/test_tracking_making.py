"""MLflow's own database: made whole or not at all, and made again where it never was finished."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from orchestrator.errors import MachineryError
from orchestrator.mlflow.initialization import is_half_made, make_whole
from orchestrator.mlflow.runs.opening import find_tracker, open_tracker


@pytest.fixture
def half_made(mlflow_url):
    """As a driver leaves it that is killed within MLflow's migrations."""
    file = mlflow_url.removeprefix("sqlite:///")
    with sqlite3.connect(file) as database:
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
        database.execute("DROP TABLE registered_model_tags")
    return mlflow_url


def test_a_half_made_database_that_holds_nothing_is_made_again(half_made, tmp_path):
    assert is_half_made(half_made)
    assert find_tracker(half_made, "shop") is None, "who only looks makes nothing"
    tracker = open_tracker(half_made, "shop", str(tmp_path / "artifacts"))
    assert not is_half_made(half_made)
    assert find_tracker(half_made, "shop").experiment_id == tracker.experiment_id
    assert len(list(tmp_path.glob("mlflow.db.*.half"))) == 1, "it is kept"


def test_one_that_holds_runs_is_left_alone(half_made):
    file = Path(half_made.removeprefix("sqlite:///"))
    with sqlite3.connect(file) as database:
        database.execute("INSERT INTO runs (run_uuid, experiment_id) VALUES ('a', 0)")
    content = file.read_bytes()
    assert not is_half_made(half_made)
    make_whole(half_made)
    assert file.read_bytes() == content


def test_a_whole_database_is_left_alone(mlflow_url):
    file = Path(mlflow_url.removeprefix("sqlite:///"))
    content = file.read_bytes()
    make_whole(mlflow_url)
    assert file.read_bytes() == content


@pytest.mark.parametrize("content", [b"no database at all", b"SQLite format 3\0 cut"])
def test_a_file_that_is_no_database_is_left_alone(tmp_path, content):
    file = tmp_path / "mlflow.db"
    file.write_bytes(content)
    make_whole(f"sqlite:///{file}")
    assert file.read_bytes() == content


def test_others_tables_are_left_alone(tmp_path):
    file = tmp_path / "registry.db"
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE models (id TEXT)")
    assert not is_half_made(f"sqlite:///{file}")


def test_what_was_begun_beside_its_place_is_not_taken_for_it(tmp_path, empty_mlflow_database):
    """A driver that is killed while it builds leaves a folder beside, which nobody opens."""
    beside = tmp_path / ".mlflow.db-killed"
    beside.mkdir()
    shutil.copyfile(empty_mlflow_database, beside / "mlflow.db")
    assert find_tracker(f"sqlite:///{tmp_path}/mlflow.db", "shop") is None


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "state").write_text("a file")
    with pytest.raises(MachineryError, match="cannot be made"):
        make_whole(f"sqlite:///{tmp_path}/state/mlflow.db")
