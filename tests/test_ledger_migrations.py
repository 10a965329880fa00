"""Ledgers of earlier versions: upgraded when opened, a copy kept, and equal to new ones."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, inspect, text

from orchestrator.errors import MachineryError
from orchestrator.ledger import Ledger
from orchestrator.ledger.migrations import newest
from orchestrator.ledger.tables import SCHEMA_VERSION
from tests.ledger_records import flow_run

LEDGERS = Path(__file__).parent / "ledgers"
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
    assert f"version 1 to {SCHEMA_VERSION}; as it was it is {first_version}.v1.backup" in told


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
