"""The differences between the ledger's customers and models and a snapshot of the registry.

Touches no library; takes registry rows as canonical JSON; gives `LifeEvent`s to write and
`Changes` to show; pure, runs on the driver.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from orchestrator.records import Json

Kind = Literal["customer", "model"]
LifeState = Literal["active", "paused", "removed"]
Event = Literal["added", "changed", "paused", "resumed", "removed", "restored"]
Quiet = Literal["unchanged", "kept"]

_SHOWN_OTHERWISE = frozenset({"id", "active"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The open period of a customer or model: its row in the table, its state and content."""

    id: int
    state: LifeState
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeEvent:
    """The consequence of a snapshot for one customer or model."""

    key: str
    event: Event | Quiet
    state: LifeState
    content: str
    before: Known | None

    @property
    def begins_period(self) -> bool:
        """Whether it changes anything, so that a period has to be written."""
        return self.event not in ("unchanged", "kept")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field of one customer or model that has changed."""

    key: str
    field: str
    old: Json
    new: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The changes of customers, or of models; all but `changed` are keys.

    Attributes:
        added: Never seen before.
        changed: Fields that differ, also of customers or models paused, resumed or restored.
        paused, resumed: `active` became false or true.
        removed: No longer listed; each is reported once.
        restored: Listed again after a removal.
        unchanged: Listed without a change.
        kept: Unchanged because their row was rejected.
    """

    added: tuple[str, ...] = ()
    changed: tuple[FieldChange, ...] = ()
    paused: tuple[str, ...] = ()
    resumed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    restored: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The changes in a snapshot, by kind."""

    customers: Difference
    models: Difference


def turns(
    known: Mapping[str, Known], listed: Mapping[str, tuple[LifeState, str]], bad: Collection[str]
) -> Iterator[LifeEvent]:
    """The event of each key: the listed ones in their order, then the vanished ones.

    Args:
        known: The open periods, by key, removed ones included.
        listed: State and canonical content of the snapshot's rows, by key.
        bad: Keys of rejected rows; they do not count as removed.
    """
    for key, (state, content) in listed.items():
        before = known.get(key)
        event = _event(before, state, content)
        yield LifeEvent(key=key, event=event, state=state, content=content, before=before)
    for key, before in known.items():
        if key not in listed and before.state != "removed":
            yield _vanished(key, before, is_bad=key in bad)


def _vanished(key: str, before: Known, *, is_bad: bool) -> LifeEvent:
    content = before.content
    if is_bad:
        return LifeEvent(key=key, event="kept", state=before.state, content=content, before=before)
    return LifeEvent(key=key, event="removed", state="removed", content=content, before=before)


def _event(before: Known | None, state: LifeState, content: str) -> Event | Quiet:
    if before is None:
        return "added"
    if before.state == "removed":
        return "restored"
    if before.state != state:
        return "paused" if state == "paused" else "resumed"
    return "unchanged" if before.content == content else "changed"


def difference(happened: Collection[LifeEvent]) -> Difference:
    """The events of one kind, sorted for people."""
    keys: dict[str, list[str]] = {}
    for turn in happened:
        keys.setdefault(turn.event, []).append(turn.key)
    changed = tuple(
        change
        for turn in happened
        if turn.before is not None
        for change in field_changes(turn.key, turn.before.content, turn.content)
    )
    # A change lists its fields; all other events only their keys.
    named = {event: tuple(those) for event, those in keys.items() if event != "changed"}
    return Difference(changed=changed, **named)


def field_changes(key: str, before: str, after: str) -> Iterator[FieldChange]:
    """The fields in which two rows of one customer or model differ.

    Args:
        key: The key of the rows.
        before: The older one as canonical JSON.
        after: The newer one.
    """
    if before == after:
        return
    old, new = json.loads(before), json.loads(after)
    for field in sorted((old.keys() | new.keys()) - _SHOWN_OTHERWISE):
        # Compared as text, like the whole row: 1 and 1.0 differ, and NaN equals itself.
        if json.dumps(old.get(field)) != json.dumps(new.get(field)):
            yield FieldChange(key=key, field=field, old=old.get(field), new=new.get(field))
