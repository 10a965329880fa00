"""`orchestrator backup`, and restoring what it wrote."""

import json
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest

from orchestrator.cli import main
from orchestrator.ledger import Ledger
from tests.ledger_records import flow_run, instance


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """The ledger of a project without a configuration, with one flow run."""
    monkeypatch.chdir(tmp_path)
    with Ledger.open("state/ledger.db") as ledger:
        ledger.recorder().begin(flow_run())
        yield ledger


@pytest.fixture
def typed(capsys):
    """Type a command; gives exit code, stdout and stderr."""

    def typed(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        told = capsys.readouterr()
        return ended.value.code, told.out, told.err

    return typed


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
    assert (code, "precious is there already; name another file" in err) == (2, True)
    assert Path("precious").read_text() == "precious"


def test_restored_as_the_help_says_a_backup_is_the_ledger_again(ledger, typed):
    """A driver that was killed leaves its -wal, which would be written into the restored file."""
    assert typed("backup", "copy.db")[0] == 0
    ledger.recorder().begin(flow_run("run-2"))
    killed = {file.name: file.read_bytes() for file in Path("state").iterdir()}
    ledger.close()
    for name, content in killed.items():
        (Path("state") / name).write_bytes(content)
    assert Path("state/ledger.db-wal").exists()
    told = " ".join(typed("backup", "--help")[1].replace("│", " ").split())
    assert "remove ledger.db-wal and ledger.db-shm" in told
    for name in ("ledger.db-wal", "ledger.db-shm"):
        (Path("state") / name).unlink()
    Path("copy.db").replace("state/ledger.db")
    with Ledger.open("state/ledger.db") as restored:
        assert [each.id for each in restored.flow_runs.list()] == ["run-1"]


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
    assert (code, "back it up with pg_dump --table='ledger_*' postgresql://" in err) == (
        2,
        True,
    )
