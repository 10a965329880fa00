"""The stores that belong to a ledger: the record that distinguishes a moved from a copied project.

Touches SQLAlchemy and sqlite3; takes and gives `Identity`; runs on the driver.
"""

import sqlite3
import uuid
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sqlalchemy import select

from orchestrator.ledger.database import Database
from orchestrator.ledger.tables import identity
from orchestrator.sql.inserts import insert_or_replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A ledger and the stores that belong to it.

    Attributes:
        token: A random token; MLflow's experiment and the artifact root keep it as well.
        place: The ledger's file, or its database's address.
        tracking: MLflow's address, without a password.
        artifacts: The artifact root of MLflow's experiment.
        bound: Whether MLflow has the token; False just before it gets it.
    """

    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    place: str
    tracking: str
    artifacts: str
    bound: bool


class Identities:
    """The ledger's own identity, of which there is at most one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self) -> Identity | None:
        """The identity, once a driver has opened MLflow with this ledger."""
        with self._database.read() as connection:
            row = connection.execute(select(identity)).one_or_none()
        if row is None:
            return None
        return Identity(
            token=row.token,
            place=row.place,
            tracking=row.tracking,
            artifacts=row.artifacts,
            bound=bool(row.bound),
        )

    def write(self, known: Identity) -> None:
        """Make this the ledger's identity."""
        row = {"id": 1, **asdict(known), "bound": int(known.bound)}
        with self._database.write() as connection:
            insert_or_replace(connection, identity, [row])


def token_at(file: Path) -> str | None:
    """The token of the ledger in a file, if it has one; nothing is written.

    A ledger that cannot be read has the token "", since its owner is unknown.
    """
    if not file.is_file():
        return None
    # Otherwise even a reader leaves a -wal and a -shm beside another project's ledger.
    how = "mode=ro" if Path(f"{file}-wal").exists() else "mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?{how}", uri=True)) as found:
            row = found.execute("SELECT token FROM ledger_identity").fetchone()
    except sqlite3.Error:
        return ""
    return None if row is None else str(row[0])
