"""Restores a ledger from a backup; the replaced file stays beside it.

Touches SQLAlchemy and sqlite3; takes a ledger's address and a backup's file; runs on the driver.
"""

import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import NullPool, create_engine
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.errors import HeldError, MachineryError, UsageError
from orchestrator.ledger.backups.backup import copy
from orchestrator.ledger.leases.leases import Lease, all_leases
from orchestrator.ledger.schema import found_version
from orchestrator.sql.addresses import file_of, for_tools, url_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The result of a restoration.

    Attributes:
        file: The ledger.
        version: The version of its schema; an older one is upgraded when it is opened.
        kept: The replaced ledger under its new name; None without one.
    """

    file: Path
    version: int
    kept: Path | None


def restore(address: str | Path, backup: Path) -> Restored:
    """Make a backup the ledger at an address.

    Raises:
        UsageError: The ledger is not a file, or there is no such backup; nothing was changed.
        HeldError: A driver is at work on the ledger; nothing was changed.
        MachineryError: The backup is corrupt, not a ledger or of a newer version, or the ledger's
            folder cannot be written to; nothing was changed.
    """
    url = url_of(address)
    file = file_of(url)
    if file is None:
        raise UsageError(
            f"the ledger {for_tools(url)} is not a file: restore the output of pg_dump with "
            f"pg_restore --clean --if-exists --dbname={for_tools(url)} FILE, while no driver runs"
        )
    if not backup.is_file():
        raise UsageError(f"there is no backup {backup}")
    _require_no_driver(file)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    restored = file.with_name(f"{file.name}.restoring")
    try:
        copy(backup, restored)
        version = _version(restored, str(backup))
        kept = _keep(file) if file.exists() else None
        restored.replace(file)
    except OSError as error:
        raise MachineryError(f"ledger {file}: {backup} was not restored: {error}") from error
    finally:
        restored.unlink(missing_ok=True)
    return Restored(file=file, version=version, kept=kept)


def _version(file: Path, name: str) -> int:
    with _reading(file) as connection:
        found = found_version(connection, name)
    if found is None:
        raise MachineryError(f"{name}: it is not a backup of a ledger; nothing was changed")
    return found


def _require_no_driver(file: Path) -> None:
    live = next((lease for lease in _leases(file) if not lease.seems_over(time.time())), None)
    if live is not None:
        raise HeldError(
            f"ledger {file}: process {live.pid} on {live.host} drives {live.flow!r} with it: wait "
            "for that process to end, or end it, then restore"
        )


def _leases(file: Path) -> list[Lease]:
    """Its readable leases: it may be corrupt, or from before there were leases."""
    if not file.exists():
        return []
    try:
        with _reading(file) as connection:
            return all_leases(connection)
    except SQLAlchemyError:
        return []


def _reading(file: Path) -> Connection:
    """A read-only connection to any file."""
    read_only = URL.create(
        "sqlite", database=file.absolute().as_uri(), query={"mode": "ro", "uri": "true"}
    )
    return create_engine(read_only, poolclass=NullPool).connect()


def _keep(file: Path) -> Path:
    """Link a ledger, and SQLite's files beside it, to another name; it also stays in place.

    It stays until another file replaces it, so a process killed in between loses nothing.
    """
    kept = file.with_name(f"{file.name}.{time.strftime('%Y%m%d-%H%M%S')}.replaced")
    wal = Path(f"{file}-wal")
    kept.hardlink_to(file)
    if wal.exists():
        Path(f"{kept}-wal").hardlink_to(wal)
    # SQLite would write their content into the restored file.
    wal.unlink(missing_ok=True)
    Path(f"{file}-shm").unlink(missing_ok=True)
    return kept
