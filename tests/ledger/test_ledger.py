"""Opening a ledger: its file, its schema version, and everything that can be wrong with it."""

import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import inspect

from orchestrator.errors import MachineryError, UsageError
from orchestrator.ledger import Ledger
from tests.support.ledger_records import flow_run, instance, result, snapshot


@pytest.fixture
def file(tmp_path):
    """An existing ledger with one flow run in it."""
    file = tmp_path / "state" / "ledger.db"
    with Ledger.open(file) as ledger:
        ledger.recorder().begin(flow_run())
    return file


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_what_was_written_is_there_when_opened_again(file):
    with Ledger.open(f"sqlite:///{file}") as ledger:
        assert ledger.flow_runs.get("latest") == flow_run()


def test_only_its_owner_can_read_it(file):
    with Ledger.open(file) as ledger:
        ledger.recorder().begin(flow_run("run-2"))
        assert mode(file.parent) == 0o700
        assert {mode(each) for each in file.parent.iterdir()} == {0o600}
        assert len(list(file.parent.iterdir())) > 1, "SQLite's own files beside it"


def test_a_folder_that_was_there_keeps_its_mode(tmp_path):
    tmp_path.chmod(0o755)
    Ledger.open(tmp_path / "ledger.db").close()
    assert mode(tmp_path) == 0o755


def test_all_its_tables_are_told_apart_from_those_of_others(ledger):
    with ledger._database.read() as connection:
        assert all(name.startswith("ledger_") for name in inspect(connection).get_table_names())


def test_one_of_a_newer_version_is_refused(ledger):
    with ledger._database.write() as connection:
        connection.exec_driver_sql("UPDATE ledger_schema_version SET version = 99")
    address = ledger._database._engine.url.render_as_string(hide_password=False)
    with pytest.raises(MachineryError, match=r"version 99 is newer .* upgrade orchestrator"):
        Ledger.open(address)


def test_a_file_that_is_no_database_is_named(tmp_path):
    file = tmp_path / "ledger.db"
    file.write_bytes(b"customer,model\n" * 1_000)
    with pytest.raises(
        MachineryError, match=r"ledger\.db.*corrupt or not a ledger; .* restore a backup"
    ):
        Ledger.open(file)
    assert file.read_bytes() == b"customer,model\n" * 1_000


def test_a_truncated_file_is_named_and_not_written(file):
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MachineryError, match=r"ledger\.db.*corrupt; restore a backup"):
        Ledger.open(file)
    assert file.read_bytes() == whole[: len(whole) // 2]


def test_a_file_of_which_nothing_is_left_is_not_taken_for_a_new_one(file):
    file.write_bytes(b"")
    for opened in (Ledger.open, Ledger.look):
        with pytest.raises(MachineryError, match=r"ledger\.db.*corrupt.*delete the file to begin"):
            opened(file)
    file.unlink()
    Ledger.open(file).close()


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("orchestrator.ledger.database._BUSY_SECONDS", 0.05)


@contextmanager
def held(file):
    """Another program that is writing to the file."""
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield


@pytest.mark.usefixtures("impatient")
def test_a_ledger_another_process_holds_can_be_read(file):
    with held(file), Ledger.open(file) as ledger:
        assert ledger.flow_runs.get("latest") == flow_run()
        with pytest.raises(MachineryError, match="another process holds it; wait"):
            ledger.recorder().begin(flow_run("run-2"))


@pytest.mark.usefixtures("impatient")
def test_a_new_file_another_process_holds_is_named(tmp_path):
    file = tmp_path / "new.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("VACUUM")
    with held(file), pytest.raises(MachineryError, match=r"new\.db.*another process holds it"):
        Ledger.open(file)


def test_a_ledger_without_its_version_is_refused(file):
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DELETE FROM ledger_schema_version")
    with pytest.raises(MachineryError, match="schema version is missing; restore a backup"):
        Ledger.open(file)


def test_other_tables_in_its_database_are_left_alone(tmp_path):
    file = tmp_path / "shared.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE trials (id)")
    with Ledger.open(file) as ledger:
        ledger.recorder().begin(flow_run())
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT * FROM trials").fetchall() == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "state").write_text("a file, not a folder")
    with pytest.raises(MachineryError, match=r"ledger .*state/ledger\.db: cannot be created"):
        Ledger.open(tmp_path / "state" / "ledger.db")


@contextmanager
def without_rights():
    """As somebody who may not write; root may write whatever a file's mode says."""
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture
def read_only():
    """A folder nobody may write to, with a ledger in it."""
    # Not in pytest's folder, which is closed to others.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        Ledger.open(Path(folder) / "state" / "ledger.db").close()
        (Path(folder) / "state" / "ledger.db").chmod(0o444)
        (Path(folder) / "state").chmod(0o555)
        yield Path(folder) / "state"
        (Path(folder) / "state").chmod(0o755)


@pytest.mark.parametrize("how", [Ledger.open, Ledger.look])
def test_a_ledger_in_a_folder_that_is_read_only_is_named(read_only, how):
    cure = r"readonly database: check the owner and mode of the file and its folder"
    with without_rights(), pytest.raises(MachineryError, match=cure):
        how(read_only / "ledger.db")
    assert [each.name for each in read_only.iterdir()] == ["ledger.db"]


def test_a_new_ledger_in_a_folder_that_is_read_only_is_named(read_only):
    with without_rights(), pytest.raises(MachineryError, match="Permission denied: check the"):
        Ledger.open(read_only / "new.db")


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("sqlite://", "give a file"),
        ("sqlite:///:memory:", "give a file"),
        ("mysql://host/ledger", "neither sqlite nor postgresql"),
        ("postgresql://user:secret@host:port/x", "it has the form"),
    ],
)
def test_an_address_of_no_use_is_the_callers_mistake(address, problem):
    with pytest.raises(UsageError, match=problem) as raised:
        Ledger.open(address)
    assert "secret" not in str(raised.value)


def test_a_server_that_is_not_there_is_named_without_the_password():
    with pytest.raises(MachineryError, match="check that the database server runs") as raised:
        Ledger.open("postgresql://me:secret@127.0.0.1:1/ledger")
    assert "secret" not in str(raised.value)


def test_both_spellings_of_postgresql_open_the_same_ledger(postgres_url):
    with Ledger.open(postgres_url) as ledger:
        ledger.recorder().begin(flow_run())
    with Ledger.open(postgres_url.replace("postgresql://", "postgresql+psycopg://")) as ledger:
        assert ledger.flow_runs.get("latest") == flow_run()
        assert ledger.address.startswith("postgresql+psycopg://postgres:***@")


def test_several_processes_may_make_it_at_once(tmp_path):
    program = "import sys; from orchestrator.ledger import Ledger; Ledger.open(sys.argv[1]).close()"
    command = [sys.executable, "-c", program, str(tmp_path / "ledger.db")]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    assert [process.communicate(timeout=60)[1] for process in processes] == [b""] * 4


def test_recording_for_a_flow_run_that_never_began_says_so(ledger):
    with pytest.raises(MachineryError, match="a flow run must begin"):
        ledger.recorder().record([instance()])
    with pytest.raises(MachineryError, match="a flow run must begin"):
        ledger.trials.add([result()])


def test_a_reader_sees_no_half_written_flow_run(ledger):
    ledger.recorder().begin(flow_run())
    with ledger._database.write() as connection:
        connection.exec_driver_sql("UPDATE ledger_flow_runs SET flow = 'half'")
        assert ledger.flow_runs.get("run-1").flow == "train"


def test_a_row_changed_by_other_hands_is_named(ledger):
    ledger.lives.apply(snapshot("acme"))
    with ledger._database.write() as connection:
        connection.exec_driver_sql("""UPDATE ledger_lives SET content = '{"id": 7}'""")
    with pytest.raises(MachineryError, match="changed outside orchestrator"):
        ledger.lives.history("customer", "acme")
