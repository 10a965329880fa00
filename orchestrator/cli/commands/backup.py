"""The command `backup`: write the current ledger to one file, or restore it from one.

Touches typer; takes a target, or a backup; gives a file; driver.
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
            help="A new file, or a folder; by default a file beside the ledger.",
            show_default=False,
        ),
    ] = None,
    *,
    restore: Annotated[
        Path | None,
        typer.Option(
            "--restore",
            metavar="FILE",
            help="Replace the ledger by this backup, while no driver is running; the replaced "
            "ledger is kept beside it.",
            show_default=False,
        ),
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Copy the ledger to a file, consistently, even while a flow runs.

    The copy does not contain MLflow's database or the model files. A ledger on PostgreSQL is
    backed up with pg_dump and restored with pg_restore.

    Example: orchestrator backup /mnt/backups

    Example: orchestrator backup --restore /mnt/backups/ledger.db.20260301-020000.backup
    """
    if restore is not None and to is not None:
        raise typer.BadParameter("TO writes a backup and --restore reads one: give one of the two")
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
        output.report(f"{restored.kept}: the replaced ledger")
    output.say("MLflow may differ from the ledger now; compare them: orchestrator doctor")


def _target(to: Path | None, ledger: "Ledger") -> Path:
    if to is not None and not to.is_dir():
        return to
    file = ledger.file
    name = f"{file.name}.{time.strftime('%Y%m%d-%H%M%S')}.backup"
    return (to or file.parent) / name
