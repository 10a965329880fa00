"""MLflow's database in a file: created completely, or not at all.

MLflow builds a new database by running all its migrations of many years, which takes seconds. A
process killed meanwhile would leave a database that MLflow can neither use nor finish, so the file
is built in a temporary folder beside its place and then linked there. Incomplete databases that
earlier versions left behind are replaced if they hold nothing.

Touches MLflow and SQLAlchemy; takes a tracking address; runs on the driver.
"""

import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config, _initialize_tables
from sqlalchemy import (
    Connection,
    Engine,
    NullPool,
    create_engine,
    func,
    inspect,
    literal,
    make_url,
    select,
)
from sqlalchemy import table as a_table
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.errors import as_machinery_error

_HOLDING = ("runs", "registered_models", "logged_models", "trace_info")
"""Tables at least one of which has a row once MLflow has been used."""


def make_whole(uri: str) -> None:
    """Create the database of a tracking address if it is missing or incomplete.

    Args:
        uri: Any tracking address; only an SQLite file can be incomplete.

    Raises:
        MachineryError: The folder cannot be written.
    """
    file = _file(uri)
    if file is None or (file.exists() and not is_half_made(uri)):
        return
    with as_machinery_error(f"MLflow's database {file} cannot be made", OSError, SQLAlchemyError):
        file.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{file.name}-", dir=file.parent) as folder:
            new = Path(folder) / file.name
            _initialize_tables(_engine(new))
            if file.exists():
                file.rename(file.with_name(f"{file.name}.{time.strftime('%Y%m%d-%H%M%S')}.half"))
            with suppress(FileExistsError):  # another process was faster
                file.hardlink_to(new)


def is_half_made(uri: str) -> bool:
    """Whether an SQLite file is a database that MLflow never finished and that holds nothing."""
    file = _file(uri)
    if file is None or not file.is_file():
        return False
    try:
        with _engine(file).connect() as connection:
            tables = set(inspect(connection).get_table_names())
            return _holds_nothing(connection, tables) and not _is_finished(connection)
    except SQLAlchemyError:
        return False  # the file is not a database; opening it reports that


def _holds_nothing(connection: Connection, tables: set[str]) -> bool:
    if tables and "experiments" not in tables:
        return False  # the tables of another program
    rows = (select(literal(1)).select_from(a_table(name)) for name in _HOLDING if name in tables)
    if any(connection.scalar(query.limit(1)) for query in rows):
        return False
    experiments = select(func.count()).select_from(a_table("experiments"))
    return "experiments" not in tables or (connection.scalar(experiments) or 0) <= 1


def _is_finished(connection: Connection) -> bool:
    """Whether all migrations that this MLflow knows were run; another version may know more."""
    # MLflow has no public name for its migrations.
    scripts = ScriptDirectory.from_config(_get_alembic_config(db_url=""))
    found = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    return found is not None and (found not in known or found in scripts.get_heads())


def _engine(file: Path) -> Engine:
    return create_engine(URL.create("sqlite", database=str(file)), poolclass=NullPool)


def _file(uri: str) -> Path | None:
    if not uri.startswith("sqlite:"):
        return None
    database = make_url(uri).database
    return Path(database) if database and database != ":memory:" else None
