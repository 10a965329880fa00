"""The command `backup`: the ledger as it is now, in one file, and back from there.

Touches typer; takes where to, or where from; gives a file; driver.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import Config, Json
from orchestrator.cli.rendering import output

if TYPE_CHECKING:
    from orchestrator.ledger import Ledger


def backup(
    to: Annotated[
        Path | None,
        typer.Argument(
            metavar="TO",
            help="A file that is not there yet, or a folder; by default a file beside the ledger.",
            show_default=False,
        ),
    ] = None,
    *,
    restore: Annotated[
        Path | None,
        typer.Option(
            "--restore",
            metavar="FILE",
            help="Make this backup the ledger again, while no driver is at work; what it replaces "
            "is kept beside it.",
            show_default=False,
        ),
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Copy the ledger to a file, as it is at one moment, also while a flow runs.

    MLflow's database and the model files are not in it. A ledger on PostgreSQL is backed up with
    pg_dump and restored with pg_restore.

    Example: orchestrator backup /mnt/backups

    Example: orchestrator backup --restore /mnt/backups/ledger.db.20260301-020000.backup
    """
    if restore is not None and to is not None:
        raise typer.BadParameter("TO is for writing a backup, --restore for reading one")
    from orchestrator.cli.settings import place  # late: brings the ledger

    ledger = place(config).ledger
    if restore is None:
        _write(ledger, to, as_json=json)
    else:
        _restore(ledger, restore, as_json=json)


def _write(address: str, to: Path | None, *, as_json: bool) -> None:
    from orchestrator.ledger import Ledger  # late: brings SQLAlchemy

    with Ledger.look(address) as ledger:
        target = _target(to, ledger)
        ledger.copy_to(target)
    found = {"file": str(target), "bytes": target.stat().st_size}
    if as_json:
        output.as_json(found)
    else:
        output.report(f"{target}: {found['bytes']:,} bytes")


def _restore(address: str, backup: Path, *, as_json: bool) -> None:
    from orchestrator.ledger.backups.restore import restore  # late: brings SQLAlchemy

    restored = restore(address, backup)
    if as_json:
        output.as_json(restored)
        return
    output.report(f"{restored.file}: restored from {backup}")
    if restored.kept is not None:
        output.report(f"{restored.kept}: what was there before")
    output.say("MLflow may know more, or less: `orchestrator doctor` compares the two")


def _target(to: Path | None, ledger: "Ledger") -> Path:
    if to is not None and not to.is_dir():
        return to
    file = ledger.file
    name = f"{file.name}.{time.strftime('%Y%m%d-%H%M%S')}.backup"
    return (to or file.parent) / name
