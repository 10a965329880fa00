"""Ledgers that earlier versions of the program made, from the files in `tests/ledgers`."""

import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy import create_engine

LEDGERS = Path(__file__).parents[1] / "ledgers"


def script(version: int, dialect: str, project: Path) -> str:
    """The statements that make a ledger of a version.

    Args:
        version: Of its schema.
        dialect: `sqlite` or `postgresql`.
        project: The folder that it is to say it was made in.
    """
    text = (LEDGERS / f"v{version}.{dialect}.sql").read_text("utf-8")
    return text.replace("@PROJECT@", str(project))


def make_old_ledger(version: int, address: str, project: Path) -> None:
    """Make a ledger of an earlier version at an address."""
    if address.startswith("sqlite:///"):
        with closing(sqlite3.connect(address.removeprefix("sqlite:///"))) as connection, connection:
            connection.executescript(script(version, "sqlite", project))
        return
    engine = create_engine(address.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as server:
        server.exec_driver_sql(script(version, "postgresql", project).replace("%", "%%"))
    engine.dispose()
