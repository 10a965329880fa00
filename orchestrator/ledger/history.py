"""The history of every customer and model: its past registry rows, each with its period.

A slowly changing dimension: a key's periods follow one another without gap or overlap from the
moment the key was first seen, and a removal is a period, too, the tombstone, which lasts until the
key is restored. Touches SQLAlchemy and pydantic; takes `Snapshot`; gives `Changes` and `Period`s;
runs on the driver.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, Row, bindparam, func, or_, select, update

from orchestrator.ledger.changes import (
    Changes,
    Event,
    Kind,
    Known,
    LifeEvent,
    LifeState,
    difference,
    turns,
)
from orchestrator.ledger.codec import canonical, load
from orchestrator.ledger.database import Database
from orchestrator.ledger.tables import lives
from orchestrator.records import Customer, ModelSpec, Snapshot

_ADAPTERS: dict[str, TypeAdapter[Any]] = {
    "customer": TypeAdapter(Customer),
    "model": TypeAdapter(ModelSpec),
}
_KINDS: tuple[Kind, ...] = ("customer", "model")


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The row of a customer or model during one period.

    Attributes:
        kind, key: The customer or model.
        start, end: Epoch seconds; valid from `start` until just before `end`, None is until now.
        event: The event that began the period.
        state: `removed` is the tombstone; `row` is then the last row.
        row: The registry row.
        snapshot: The id of the snapshot that began it.
    """

    kind: Kind
    key: str
    start: float
    end: float | None
    event: Event
    state: LifeState
    row: Customer | ModelSpec
    snapshot: str


class Lives:
    """The periods of all customers and models."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def preview(self, snapshot: Snapshot) -> Changes:
        """The changes `apply` would make; nothing is written."""
        with self._database.read() as connection:
            happened = {kind: _turns(connection, kind, snapshot) for kind in _KINDS}
        return _changes(happened)

    def apply(self, snapshot: Snapshot) -> Changes:
        """Close and open periods so that the live rows match the snapshot.

        A rejected row leaves its customer or model unchanged.
        """
        with self._database.write() as connection:
            happened = {kind: _turns(connection, kind, snapshot) for kind in _KINDS}
            _write(connection, happened, snapshot)
        return _changes(happened)

    def history(self, kind: Kind, key: str) -> Sequence[Period]:
        """The whole history, oldest period first; empty for an unknown key."""
        query = select(lives).where(lives.c.kind == kind, lives.c.key == key).order_by(lives.c.id)
        with self._database.read() as connection:
            return [_period(row) for row in connection.execute(query)]

    def removed(self, kind: Kind) -> frozenset[str]:
        """The keys that are no longer listed now."""
        query = select(lives.c.key).where(
            lives.c.kind == kind, lives.c.valid_to.is_(None), lives.c.state == "removed"
        )
        with self._database.read() as connection:
            return frozenset(connection.execute(query).scalars())

    def live(self) -> Sequence[Period]:
        """The customers and models, active or paused, that are listed now, regardless of clocks."""
        return self._listed(lives.c.valid_to.is_(None))

    def live_at(self, time: float) -> Sequence[Period]:
        """The customers and models, active or paused, that were listed at a moment."""
        not_ended = or_(lives.c.valid_to.is_(None), lives.c.valid_to > time)
        return self._listed((lives.c.valid_from <= time) & not_ended)

    def _listed(self, when: ColumnElement[bool]) -> Sequence[Period]:
        query = select(lives).where(when, lives.c.state != "removed")
        with self._database.read() as connection:
            found = connection.execute(query.order_by(lives.c.kind, lives.c.key))
            return [_period(row) for row in found]


def compare(before: Snapshot, after: Snapshot) -> Changes:
    """The differences between two snapshots, regardless of when they were fetched."""
    happened: dict[Kind, list[LifeEvent]] = {}
    for kind in _KINDS:
        known = {
            key: Known(id=0, state=state, content=content)
            for key, (state, content) in _listed(kind, before).items()
        }
        happened[kind] = list(turns(known, _listed(kind, after), _rejected(kind, after)))
    return _changes(happened)


def _turns(connection: Connection, kind: Kind, snapshot: Snapshot) -> list[LifeEvent]:
    query = select(lives.c.key, lives.c.id, lives.c.state, lives.c.content).where(
        lives.c.kind == kind, lives.c.valid_to.is_(None)
    )
    known = {
        key: Known(id=number, state=state, content=content)
        for key, number, state, content in connection.execute(query)
    }
    return list(turns(known, _listed(kind, snapshot), _rejected(kind, snapshot)))


def _listed(kind: Kind, snapshot: Snapshot) -> dict[str, tuple[LifeState, str]]:
    if kind == "model":
        return {model.id: ("active", canonical(model)) for model in snapshot.models}
    return {
        customer.id: ("active" if customer.active else "paused", canonical(customer))
        for customer in snapshot.customers
    }


def _rejected(kind: Kind, snapshot: Snapshot) -> frozenset[str]:
    return frozenset(r.id for r in snapshot.rejected if r.kind == kind and r.id is not None)


def _changes(happened: Mapping[Kind, list[LifeEvent]]) -> Changes:
    return Changes(customers=difference(happened["customer"]), models=difference(happened["model"]))


def _write(
    connection: Connection, happened: Mapping[Kind, list[LifeEvent]], snapshot: Snapshot
) -> None:
    begun = [(kind, turn) for kind in happened for turn in happened[kind] if turn.begins_period]
    if not begun:
        return
    at = _now(connection, snapshot)
    closing = [{"closed": turn.before.id} for _, turn in begun if turn.before is not None]
    if closing:
        by_id = update(lives).where(lives.c.id == bindparam("closed")).values(valid_to=at)
        connection.execute(by_id, closing)
    opening = [_row(kind, turn, at, snapshot.id) for kind, turn in begun]
    connection.execute(lives.insert(), opening)


def _now(connection: Connection, snapshot: Snapshot) -> float:
    """The time of the fetch, but never before the last change: clocks may be set back."""
    last = connection.execute(select(func.max(lives.c.valid_from))).scalar()
    return snapshot.fetched if last is None else max(snapshot.fetched, float(last))


def _row(kind: Kind, turn: LifeEvent, at: float, snapshot_id: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "key": turn.key,
        "valid_from": at,
        "event": turn.event,
        "state": turn.state,
        "snapshot": snapshot_id,
        "content": turn.content,
    }


def _period(row: Row[Any]) -> Period:
    return Period(
        kind=row.kind,
        key=row.key,
        start=row.valid_from,
        end=row.valid_to,
        event=row.event,
        state=row.state,
        row=load(_ADAPTERS[row.kind], row.content),
        snapshot=row.snapshot,
    )
