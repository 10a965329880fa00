"""The command `backup`: the ledger as it is now, in one file.

Touches typer; takes where to; gives a file; driver.
"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli import output
from orchestrator.cli.options import Config, Json

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
    config: Config = None,
    json: Json = False,
) -> None:
    """Copy the ledger to a file, as it is at one moment, also while a flow runs.

    To restore it while nothing runs: remove ledger.db-wal and ledger.db-shm where they are beside
    the ledger (SQLite would write into the restored file what they hold), put the file in the
    ledger's place, then `orchestrator sync`.

    MLflow's database and the model files are not in it. A ledger on PostgreSQL is backed up with
    pg_dump.

    Example: orchestrator backup /mnt/backups
    """
    from orchestrator.cli.settings import place  # late: brings the ledger
    from orchestrator.ledger import Ledger

    with Ledger.look(place(config).ledger) as ledger:
        target = _target(to, ledger)
        ledger.copy_to(target)
    found = {"file": str(target), "bytes": target.stat().st_size}
    if json:
        output.as_json(found)
    else:
        output.report(f"{target}: {found['bytes']:,} bytes")


def _target(to: Path | None, ledger: "Ledger") -> Path:
    if to is not None and not to.is_dir():
        return to
    file = ledger.file
    name = f"{file.name}.{time.strftime('%Y%m%d-%H%M%S')}.backup"
    return (to or file.parent) / name
