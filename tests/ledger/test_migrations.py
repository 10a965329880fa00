"""Ledgers of earlier versions: upgraded when opened, a copy kept, and equal to new ones."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, inspect, text

from orchestrator.errors import MachineryError
from orchestrator.ledger import Ledger
from orchestrator.ledger.migrations import newest
from orchestrator.ledger.tables import SCHEMA_VERSION
from tests.support.ledger_records import flow_run

LEDGERS = Path(__file__).parents[1] / "ledgers"
A_FLOW_RUN = """
    INSERT INTO ledger_flow_runs (id, flow, state, params, started, ended, counts, context)
    VALUES ('run-1', 'adding', 'success', '{}', 1.0, 2.0, '{}', '{}')
"""


@pytest.fixture
def first_version(tmp_path):
    """A ledger of version 1 on SQLite, with one flow run in it."""
    file = tmp_path / "ledger.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executescript((LEDGERS / "v1.sqlite.sql").read_text())
        connection.execute(A_FLOW_RUN)
    return file


def index_of(told):
    only_where = {name: str(where) for name, where in told.get("dialect_options", {}).items()}
    return told["column_names"], bool(told["unique"]), only_where


def schema_of(connection: Connection):
    """Everything of the schema that a database can tell, whatever the order of columns."""
    told = inspect(connection)
    return {
        table: {
            "columns": {
                column["name"]: (str(column["type"]), column["nullable"], column["default"])
                for column in told.get_columns(table)
            },
            "key": told.get_pk_constraint(table)["constrained_columns"],
            "foreign keys": told.get_foreign_keys(table),
            "checks": sorted(check["sqltext"] for check in told.get_check_constraints(table)),
            "unique": told.get_unique_constraints(table),
            "indexes": {index["name"]: index_of(index) for index in told.get_indexes(table)},
        }
        for table in told.get_table_names()
    }


def test_the_last_revision_makes_the_version_of_the_tables():
    assert newest() == SCHEMA_VERSION


def test_an_upgraded_ledger_has_the_schema_of_a_new_one(first_version, tmp_path):
    with (
        Ledger.open(first_version) as upgraded,
        Ledger.open(tmp_path / "new.db") as new,
        upgraded._database.read() as one,
        new._database.read() as other,
    ):
        assert schema_of(one) == schema_of(other)


@pytest.mark.postgres
def test_so_it_has_on_postgresql(postgres_server, postgres_url):
    engine = create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text((LEDGERS / "v1.postgresql.sql").read_text()))
    with Ledger.open(postgres_url), engine.begin() as connection:
        upgraded = schema_of(connection)
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    with Ledger.open(postgres_url), engine.connect() as connection:
        assert schema_of(connection) == upgraded
    engine.dispose()


def test_an_upgrade_keeps_what_was_recorded(first_version):
    with Ledger.open(first_version) as ledger:
        assert ledger.flow_runs.get("latest").id == "run-1"


def test_a_copy_is_kept_as_it_was_before_the_upgrade(first_version):
    Ledger.open(first_version).close()
    copy = first_version.with_name("ledger.db.v1.backup")
    assert copy.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT version FROM ledger_schema_version").fetchone() == (1,)
        assert connection.execute("SELECT id FROM ledger_flow_runs").fetchone() == ("run-1",)
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert "ledger_leases" not in tables


def test_an_upgrade_is_told_in_one_line_also_by_who_only_looks(first_version, caplog):
    Ledger.look(first_version).close()
    Ledger.look(first_version).close()
    (told,) = (record.getMessage() for record in caplog.records)
    assert (
        f"version 1 to {SCHEMA_VERSION}; the old one is kept as {first_version}.v1.backup" in told
    )


def test_it_is_upgraded_once(first_version):
    Ledger.open(first_version).close()
    copy = first_version.with_name("ledger.db.v1.backup")
    copy.unlink()
    with Ledger.open(first_version) as ledger:
        ledger.recorder().begin(flow_run("run-2"))
    assert not copy.exists()


def test_without_room_for_the_copy_nothing_is_upgraded(first_version):
    in_the_way = first_version.with_name("ledger.db.v1.backup")
    in_the_way.mkdir()
    with pytest.raises(MachineryError, match=r"cannot be copied to .*ledger\.db\.v1\.backup"):
        Ledger.open(first_version)
    in_the_way.rmdir()
    with closing(sqlite3.connect(first_version)) as connection:
        assert connection.execute("SELECT version FROM ledger_schema_version").fetchone() == (1,)


def test_who_only_looks_upgrades_too(first_version):
    with Ledger.look(first_version) as ledger:
        assert ledger.flow_runs.get("latest").id == "run-1"


KILLED_AT_EACH_STATEMENT = """
import os, signal, shutil, sys
from sqlalchemy import Engine, event
from orchestrator.ledger import Ledger
import orchestrator.ledger.migrations  # before it is forked, so that this is not done each time

def upgrade_until(last):
    done = []
    def note(*_):
        done.append(1)
        if len(done) == last:
            os.kill(os.getpid(), signal.SIGKILL)
    event.listen(Engine, "after_cursor_execute", note)
    event.listen(Engine, "commit", note)
    Ledger.open(f"{sys.argv[1]}.{last}").close()

killed = 0
while True:
    shutil.copyfile(sys.argv[1], f"{sys.argv[1]}.{killed + 1}")
    child = os.fork()
    if not child:
        upgrade_until(killed + 1)
        os._exit(0)
    if not os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        break
    killed += 1
print(killed)
"""


def version_of(file):
    with closing(sqlite3.connect(file)) as connection:
        (found,) = connection.execute("SELECT version FROM ledger_schema_version").fetchone()
        return found


def test_killed_at_any_moment_of_an_upgrade_a_ledger_is_as_old_as_it_was(first_version):
    """After each statement in turn, and before what they did is committed."""
    child = [sys.executable, "-c", KILLED_AT_EACH_STATEMENT, str(first_version)]
    told = subprocess.run(child, check=True, capture_output=True, text=True, timeout=120)
    killed = int(told.stdout)
    assert killed > 5
    for number in range(1, killed + 1):
        file = first_version.with_name(f"ledger.db.{number}")
        assert version_of(file) == 1
        with Ledger.open(file) as ledger:
            assert ledger.flow_runs.get("latest").id == "run-1"
        assert version_of(file) == SCHEMA_VERSION
        assert version_of(f"{file}.v1.backup") == 1


OPENED_BY_TWO = """
import multiprocessing, sys
from orchestrator.ledger import Ledger

def open_with_the_other(both):
    both.wait()
    Ledger.open(sys.argv[1]).close()

fork = multiprocessing.get_context("fork")
both = fork.Barrier(2)
processes = [fork.Process(target=open_with_the_other, args=(both,)) for _ in range(2)]
for process in processes:
    process.start()
for process in processes:
    process.join()
sys.exit(any(process.exitcode for process in processes))
"""


def upgraded_by_two(address):
    """What two processes say that open an older ledger at the same time."""
    child = [sys.executable, "-c", OPENED_BY_TWO, str(address)]
    return subprocess.run(child, check=True, capture_output=True, text=True, timeout=120).stderr


def test_two_processes_at_once_upgrade_it_once(first_version):
    assert upgraded_by_two(first_version).count("was upgraded") == 1
    assert version_of(first_version) == SCHEMA_VERSION


@pytest.mark.postgres
def test_so_they_do_on_postgresql(postgres_url):
    engine = create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.execute(text((LEDGERS / "v1.postgresql.sql").read_text()))
    assert upgraded_by_two(postgres_url).count("was upgraded") == 1
    with engine.connect() as connection:
        version = connection.scalar(text("SELECT version FROM ledger_schema_version"))
        assert version == SCHEMA_VERSION
    engine.dispose()
