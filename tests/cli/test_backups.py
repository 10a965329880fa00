"""`orchestrator backup`, and restoring what it wrote."""

import json
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest

from orchestrator.ledger import Ledger
from tests.support.ledger_records import flow_run, instance


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """The ledger of a project without a configuration, with one flow run."""
    monkeypatch.chdir(tmp_path)
    with Ledger.open("state/ledger.db") as ledger:
        ledger.recorder().begin(flow_run())
        yield ledger


def test_a_copy_is_a_whole_ledger_that_only_its_owner_reads(ledger, typed):
    code, out, _ = typed("backup", "copy.db")
    assert (code, out.startswith("copy.db: ")) == (0, True)
    assert stat.S_IMODE(Path("copy.db").stat().st_mode) == 0o600
    with Ledger.open("copy.db") as copy:
        assert copy.flow_runs.get("latest") == flow_run()


def test_it_goes_beside_the_ledger_or_into_a_folder(ledger, typed, tmp_path):
    (tmp_path / "safe").mkdir()
    beside = json.loads(typed("backup", "--json")[1])
    elsewhere = json.loads(typed("backup", "safe", "--json")[1])
    assert Path(beside["file"]).parent == Path("state")
    assert Path(elsewhere["file"]).parent == Path("safe")
    assert beside["bytes"] == Path(beside["file"]).stat().st_size


def test_it_is_of_one_moment_while_a_flow_runs(ledger, typed):
    over = Event()

    def write():
        number = 0
        while not over.is_set():
            keys = [f"{number}-{each}" for each in range(20)]
            values = [instance(key, fingerprint=key, value=key) for key in keys]
            ledger.recorder().record(values)
            number += 1

    writer = Thread(target=write)
    writer.start()
    try:
        assert typed("backup", "copy.db")[0] == 0
    finally:
        over.set()
        writer.join()
    with closing(sqlite3.connect("copy.db")) as copy:
        (instances,) = copy.execute("SELECT count(*) FROM ledger_instances").fetchone()
        (results,) = copy.execute("SELECT count(*) FROM ledger_results").fetchone()
    assert instances == results
    assert instances % 20 == 0


def test_no_file_is_overwritten(ledger, typed):
    Path("precious").write_text("precious")
    code, _, err = typed("backup", "precious")
    assert (code, "precious exists already; name another file" in err) == (2, True)
    assert Path("precious").read_text() == "precious"


def test_a_restored_backup_is_the_ledger_again_and_what_it_replaces_is_kept(ledger, typed):
    """A driver that was killed leaves its -wal, which is not written into the restored file."""
    assert typed("backup", "copy.db")[0] == 0
    ledger.recorder().begin(flow_run("run-2"))
    killed = {file.name: file.read_bytes() for file in Path("state").iterdir()}
    ledger.close()
    for name, content in killed.items():
        (Path("state") / name).write_bytes(content)
    assert Path("state/ledger.db-wal").exists()
    code, out, err = typed("backup", "--restore", "copy.db", "--json")
    assert (code, "orchestrator doctor" in err) == (0, False)
    kept = json.loads(out)["kept"]
    with Ledger.open("state/ledger.db") as restored, Ledger.open(kept) as replaced:
        assert [each.id for each in restored.flow_runs.list()] == ["run-1"]
        assert {each.id for each in replaced.flow_runs.list()} == {"run-1", "run-2"}
    assert stat.S_IMODE(Path("state/ledger.db").stat().st_mode) == 0o600


def test_a_corrupt_ledger_names_its_newest_backup_and_is_restored_from_it(ledger, typed):
    assert typed("backup", "state/ledger.db.old.backup")[0] == 0
    os.utime("state/ledger.db.old.backup", (1, 1))
    newest = json.loads(typed("backup", "--json")[1])["file"]
    ledger.close()
    for file in Path("state").glob("ledger.db-*"):
        file.unlink()
    Path("state/ledger.db").write_bytes(b"")
    code, _, err = typed("runs")
    command = f"orchestrator backup --restore {newest}"
    assert (code, command in err) == (4, True)
    code, out, _ = typed(*command.split()[1:])
    assert (code, "state/ledger.db: restored from" in out) == (0, True)
    assert "run-1" in typed("runs")[1]


def test_a_lost_ledger_is_restored_too(tmp_path, ledger, typed):
    typed("backup", "copy.db")
    ledger.close()
    for file in Path("state").iterdir():
        file.unlink()
    code, out, _ = typed("backup", "--restore", "copy.db", "--json")
    assert (code, json.loads(out)["kept"]) == (0, None)
    assert "run-1" in typed("runs")[1]


def corrupt(file):
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xff" * 4096 * 3)


def newer(file):
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE ledger_schema_version SET version = 99")


def another_database(file):
    file.unlink()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("CREATE TABLE t (x)")


@pytest.mark.parametrize(
    ("spoil", "code", "problem"),
    [
        (corrupt, 4, "it is corrupt"),
        (newer, 4, "schema version 99 is newer"),
        (another_database, 4, "not a backup of a ledger"),
        (lambda file: file.write_text("no database at all"), 4, "not a database"),
        (Path.unlink, 2, "there is no backup copy.db"),
    ],
)
def test_what_is_no_backup_replaces_nothing(ledger, typed, spoil, code, problem):
    typed("backup", "copy.db")
    spoil(Path("copy.db"))
    before = set(Path("state").iterdir())
    ended, _, err = typed("backup", "--restore", "copy.db")
    assert (ended, problem in err) == (code, True), err
    assert ledger.flow_runs.get("latest") == flow_run()
    assert set(Path("state").iterdir()) == before


def test_while_a_driver_is_at_work_nothing_is_restored(ledger, typed):
    typed("backup", "copy.db")
    with ledger.holding("train"):
        code, _, err = typed("backup", "--restore", "copy.db")
    assert (code, f"process {os.getpid()}" in err) == (75, True)
    assert not list(Path("state").glob("*.replaced"))


def test_without_a_ledger_there_is_nothing_to_copy(tmp_path, monkeypatch, typed):
    monkeypatch.chdir(tmp_path)
    code, _, err = typed("backup")
    assert (code, "there is no ledger state/ledger.db yet" in err) == (2, True)
    assert not Path("state").exists()


def test_a_folder_that_is_not_there_is_named(ledger, typed):
    code, _, err = typed("backup", "nowhere/copy.db")
    assert (code, "cannot be copied to nowhere/copy.db" in err) == (4, True)


def test_a_corrupt_ledger_makes_no_backup(ledger, typed):
    ledger.recorder().record([instance(str(n), error="x" * 500) for n in range(500)])
    ledger.close()
    with Path("state/ledger.db").open("r+b") as file:
        file.seek(50 * 4096)
        file.write(b"\xff" * 4096 * 20)
    code, _, err = typed("backup", "copy.db")
    assert code == 4
    assert "cannot be copied" in err
    assert not Path("copy.db").exists()
    assert not list(Path().glob(".copy.db*"))


@pytest.mark.postgres
def test_a_ledger_on_postgresql_is_for_pg_dump(postgres_url, tmp_path, monkeypatch, typed):
    monkeypatch.chdir(tmp_path)
    Path("orchestrator.yaml").write_text(
        "experiment: x\nregistry: {source: inline}\nevaluation: {loader: 'a:b'}\n"
        f"ledger: {postgres_url}\n"
    )
    code, _, err = typed("backup")
    assert (code, "back it up with pg_dump --format=custom" in err) == (2, True)
    code, _, err = typed("backup", "--restore", "copy.db")
    assert (code, "pg_restore --clean --if-exists --dbname=postgresql://" in err) == (2, True)
