"""An open ledger database: its engine, its file, its transactions and its errors.

Touches SQLAlchemy; takes an address; gives connections inside short transactions; runs on the
driver. It turns every error of SQLAlchemy into a `MachineryError` that says what to do.
"""

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from orchestrator.errors import MachineryError
from orchestrator.ledger.backups.backup import copy, how_to_restore
from orchestrator.ledger.schema import found_version, prepare
from orchestrator.ledger.tables import SCHEMA_VERSION, metadata
from orchestrator.sql.addresses import file_of, url_of
from orchestrator.sql.engines import limits

logger = logging.getLogger(__name__)

_BUSY_SECONDS = 60.0
_WRITING = "ledger_writing"


class Database:
    """The ledger's database, SQLite or PostgreSQL, open and with its schema in place.

    Args:
        address: The address, in the forms `Ledger.open` takes.
        make: Whether to create a missing database; else an empty one in memory stands for it.

    Attributes:
        name: Its address, without a password.
        file: The file of an SQLite database; None for a server's.
        is_there: Whether it exists; else an empty one in memory stands for it.
        guard: Called at the beginning of each writing transaction; it may refuse by raising.

    Raises:
        UsageError: The ledger cannot use the address.
        MachineryError: The database cannot be opened, is corrupt, or is of a newer version.
    """

    def __init__(self, address: str | Path, *, make: bool = True) -> None:
        url = url_of(address)
        self.name = url.render_as_string(hide_password=True)
        self.file = file_of(url)
        self.guard: Callable[[Connection], None] | None = None
        self.is_there = True
        self._engine = _engine(url) if make or _may_exist(url) else _engine(_NOWHERE)
        try:
            self._prepare(make=make)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One read-only transaction with a consistent view."""
        with self._translated(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that is committed at the end, or rolled back."""
        writing = self._engine.execution_options(**{_WRITING: True})
        with self._translated(), writing.begin() as connection:
            if self.guard is not None:
                self.guard(connection)
            yield connection

    def compact(self) -> None:
        """Overwrite deleted rows, which otherwise stay readable in the file's free pages."""
        with self._translated(), self._engine.connect() as connection:
            if self._engine.dialect.name == "sqlite":
                # Past SQLAlchemy, which would begin a transaction: neither may run within one.
                _execute_alone(connection, "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")
            else:
                alone = connection.execution_options(isolation_level="AUTOCOMMIT")
                for table in metadata.sorted_tables:
                    alone.exec_driver_sql(f"VACUUM FULL {table.name}")

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def _translated(self) -> AbstractContextManager[None]:
        return _translated(self.name, self.file)

    def _prepare(self, *, make: bool) -> None:
        with self.read() as connection:
            # Read first, so that readers never wait for a writer.
            found = found_version(connection, self.name, self.file)
        if found is None and not make:
            self.is_there = False
            self.close()
            self._engine = _engine(_NOWHERE)
        if found != SCHEMA_VERSION:
            with self.write() as connection:
                upgraded = prepare(connection, self.name, self.file, self._keep_old)
            if upgraded is not None:
                kept = f"; the old one is kept as {_kept(self.file, upgraded)}" if self.file else ""
                logger.warning(
                    "ledger %s: its schema was upgraded from version %d to %d%s",
                    *(self.name, upgraded, SCHEMA_VERSION, kept),
                )

    def _keep_old(self, version: int) -> None:
        """Copy the file before its schema is upgraded; a server has its own backups."""
        if self.file is not None:
            copy(self.file, _kept(self.file, version))


def _kept(file: Path, version: int) -> Path:
    """The path for the copy of a file before an upgrade."""
    return file.with_name(f"{file.name}.v{version}.backup")


def _execute_alone(connection: Connection, *statements: str) -> None:
    file = connection.connection.driver_connection
    assert isinstance(file, sqlite3.Connection)  # noqa: S101 - the caller has asked the dialect
    for statement in statements:
        try:
            file.execute(statement)
        except sqlite3.Error as error:
            raise OperationalError(statement, None, error) from error


_NOWHERE = URL.create("sqlite")
"""A database in memory, which stands for a missing ledger."""


def _may_exist(url: URL) -> bool:
    file = file_of(url)
    return file is None or file.exists()


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, connect_args=limits(url))
    if url.database is not None:
        _make_private(Path(url.database))
    # Named parameters, so that rows are dicts on both databases.
    engine = create_engine(url, paramstyle="named", connect_args={"timeout": _BUSY_SECONDS})
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    return engine


def _make_private(file: Path) -> None:
    """Create folder and file with access only for their owner; SQLite's -wal follows the file.

    Raises:
        MachineryError: They cannot be created; or the file is empty, which no ledger's file is.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not file.exists():
            _make(file)
        is_empty = not file.stat().st_size
    except OSError as error:
        raise MachineryError(
            f"ledger {file}: cannot be created: {error.strerror}: check the owner and mode of its "
            "folder"
        ) from error
    if is_empty:
        raise MachineryError(
            f"ledger {file}: it is corrupt, because it was truncated to nothing; delete the file "
            f"to begin again, or {how_to_restore(file)}"
        )


def _make(file: Path) -> None:
    """Create an empty database that appears at once with its first page.

    Without that page, another process could not distinguish it from a truncated one.
    """
    with TemporaryDirectory(prefix=f".{file.name}-", dir=file.parent) as folder:
        new = Path(folder) / file.name
        new.touch(mode=0o600)
        with _translated(str(file), file), closing(sqlite3.connect(new)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")  # writes the first page
        with suppress(FileExistsError):  # another process was faster
            file.hardlink_to(new)


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    # The driver's late begin of transactions is switched off: `_begin` begins them.
    connection.isolation_level = None
    _use_wal(connection)
    # A promotion's intent must survive a power cut, not only a killed process (law 3).
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    # Fingerprints come in random order, so a million of them touch the same pages of their index
    # repeatedly: with these pages in memory and seldom written, a row takes half as long.
    connection.execute("PRAGMA cache_size = -65536")  # KiB
    connection.execute("PRAGMA wal_autocheckpoint = 16384")  # pages


def _use_wal(connection: sqlite3.Connection) -> None:
    """Keep readers and the writer from waiting for each other; the file remembers the mode."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            # Unlike any other statement this one does not wait for another process that creates
            # the same ledger. An exclusive transaction does, and fails with the cause.
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
        else:
            return


def _begin(connection: Connection) -> None:
    # A writer that reads first must take its lock at the start: SQLite cannot wait for it later.
    writing = connection.get_execution_options().get(_WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


_RESTORE = "<how to restore>"

_CURES = (
    ("not a database", f"it is corrupt or not a ledger; give another file, or {_RESTORE}"),
    ("malformed", f"it is corrupt; {_RESTORE}"),
    ("lock timeout", "another process holds it; wait for that process to end, then try again"),
    ("idle-in-transaction", "this process paused for too long; try again"),
    ("locked", "another process holds it; wait for that process to end, then try again"),
    ("readonly", "check the owner and mode of the file and its folder"),
    ("unable to open", "check the owner and mode of the file and its folder"),
    ("disk is full", "free some space, then try again; recorded results are kept"),
    ("no space left", "free some space, then try again; recorded results are kept"),
    ("foreign key", "a flow run must begin before its records are written"),
    ("connection", "check that the database server runs and that the address is right"),
)


@contextmanager
def _translated(name: str, file: Path | None) -> Iterator[None]:
    """Turn SQLAlchemy's errors into an error that names the ledger and the cure."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        # Only the first line: the rest is SQL, and may hold the values being written.
        cause = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        raise MachineryError(f"ledger {name}: {cause}: {_cure(cause, file)}") from error


def _cure(cause: str, file: Path | None) -> str:
    unwritable = any(sign in cause.lower() for sign in ("readonly", "unable to open"))
    if unwritable and file is not None and _is_read_only(file.absolute().parent):
        return f"{file.absolute().parent} is on a read-only file system; mount it to be written to"
    known = (cure for sign, cure in _CURES if sign in cause.lower())
    return next(known, "nothing was changed").replace(_RESTORE, how_to_restore(file))


def _is_read_only(folder: Path) -> bool:
    """Whether a folder is on a read-only file system."""
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False
