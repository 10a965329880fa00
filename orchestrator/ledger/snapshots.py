"""The registry's snapshots: each content is stored once, every fetch is noted.

Touches SQLAlchemy and pydantic; takes and gives `Snapshot`; runs on the driver.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row, Select, select

from orchestrator.ledger.codec import dump, load
from orchestrator.ledger.database import Database
from orchestrator.ledger.lookup import one_id
from orchestrator.ledger.tables import fetches, snapshots
from orchestrator.records import Rejected, Snapshot
from orchestrator.sql.inserts import insert_or_replace

_SNAPSHOT = TypeAdapter(Snapshot)
_REJECTED = TypeAdapter(tuple[Rejected, ...])


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """One reading of the registry: when, from where, what snapshot, and how many rows."""

    snapshot: str
    source: str
    etag: str
    at: float
    models: int
    customers: int
    rejected: int


class Snapshots:
    """The stored snapshots, and all fetches."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, snapshot: Snapshot) -> None:
        """Store the content, and note the fetch.

        It replaces the snapshot with the same id, which is smaller if a forgotten customer is now
        listed again.
        """
        bare = replace(snapshot, rejected=(), source="", etag="", fetched=0.0)
        content = {"id": snapshot.id, "content": zlib.compress(dump(bare).encode())}
        with self._database.write() as connection:
            insert_or_replace(connection, snapshots, [content])
            connection.execute(fetches.insert(), [_fetch_row(snapshot)])

    def get(self, snapshot_id: str) -> Snapshot:
        """The snapshot as last fetched.

        Args:
            snapshot_id: Its id or a beginning of it that no other shares.

        Raises:
            UsageError: No snapshot or several snapshots have such an id.
        """
        with self._database.read() as connection:
            full = one_id(connection, snapshots.c.id, snapshot_id, "snapshot")
            row = connection.execute(_last_fetch().where(snapshots.c.id == full)).one()
        return _snapshot(row)

    def latest(self) -> Snapshot | None:
        """The snapshot fetched last, None before the first."""
        with self._database.read() as connection:
            row = connection.execute(_last_fetch()).one_or_none()
        return None if row is None else _snapshot(row)

    def list(self, limit: int = 100) -> Sequence[Fetch]:
        """The last fetches, latest first."""
        columns = [fetches.c[name] for name in Fetch.__dataclass_fields__]
        query = select(*columns).order_by(fetches.c.id.desc()).limit(limit)
        with self._database.read() as connection:
            return [Fetch(**row) for row in connection.execute(query).mappings()]


def _fetch_row(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "snapshot": snapshot.id,
        "source": snapshot.source,
        "etag": snapshot.etag,
        "at": snapshot.fetched,
        "models": len(snapshot.models),
        "customers": len(snapshot.customers),
        "rejected": len(snapshot.rejected),
        "rejections": dump(snapshot.rejected),
    }


def _last_fetch() -> Select[Any]:
    fetched = fetches.c.source, fetches.c.etag, fetches.c.at, fetches.c.rejections
    return (
        select(snapshots.c.content, *fetched)
        .join(fetches, fetches.c.snapshot == snapshots.c.id)
        .order_by(fetches.c.id.desc())
        .limit(1)
    )


def _snapshot(row: Row[Any]) -> Snapshot:
    bare = load(_SNAPSHOT, zlib.decompress(row.content))
    rejected = load(_REJECTED, row.rejections)
    return replace(bare, rejected=rejected, source=row.source, etag=row.etag, fetched=row.at)
