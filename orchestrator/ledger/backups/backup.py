"""A consistent copy of an SQLite ledger, even while a driver writes to it.

Touches sqlite3; takes two files; gives nothing; runs on the driver.
"""

import sqlite3
from contextlib import closing
from glob import escape
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.errors import MachineryError


def copy(source: Path, target: Path) -> None:
    """Copy a database by SQLite's own backup; an existing target is replaced by the whole copy.

    Raises:
        MachineryError: Either file cannot be read or written; the target is unchanged.
    """
    try:
        # In a folder of its own, so that two simultaneous copies do not write to one file.
        with TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as folder:
            part = Path(folder) / target.name
            part.touch(mode=0o600)
            _copy(source, part)
            part.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise MachineryError(f"ledger {source}: cannot be copied to {target}: {error}") from error


def how_to_restore(file: Path | None) -> str:
    """The cure for an unusable ledger, for a message.

    Args:
        file: The file of an SQLite ledger; None for a server's.
    """
    if file is None:
        return "restore a backup with pg_restore"
    newest = max(_beside(file), key=lambda backup: backup.stat().st_mtime, default=None)
    if newest is None:
        return "restore a backup (there is none beside it): orchestrator backup --restore FILE"
    return f"restore a backup, such as the newest: orchestrator backup --restore {newest}"


def _beside(file: Path) -> list[Path]:
    return list(file.parent.glob(f"{escape(file.name)}.*.backup"))


def _copy(source: Path, part: Path) -> None:
    with (
        closing(sqlite3.connect(source.absolute().as_uri() + "?mode=ro", uri=True)) as old,
        closing(sqlite3.connect(part)) as new,
    ):
        old.backup(new)
        # One file that needs no -wal beside it.
        new.execute("PRAGMA journal_mode = DELETE")
        _check(new)


def _check(copied: sqlite3.Connection) -> None:
    (problem,) = copied.execute("PRAGMA quick_check(1)").fetchone()
    if problem != "ok":
        raise sqlite3.DatabaseError(f"it is corrupt: {' '.join(problem.split())}")
