"""Printing of differences between snapshots of the registry.

Touches no library; takes `Changes`; prints; runs on the driver.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.cli.rendering.output import report as line
from orchestrator.cli.rendering.output import table

if TYPE_CHECKING:
    from orchestrator.ledger import Changes, Difference
    from orchestrator.records import Rejected

_MOST_NAMED = 8
_MOST_FIELDS = 10
_MOST_SET_ASIDE = 20
_LONGEST_VALUE = 60
_EVENTS = ("added", "changed", "paused", "resumed", "removed", "restored", "kept")


def show_changes(changes: "Changes") -> None:
    """Print the differences between two snapshots, with the old and new value of each field."""
    show_events(changes)
    for kind, difference in (("customer", changes.customers), ("model", changes.models)):
        for change in difference.changed[:_MOST_FIELDS]:
            old, new = in_short(change.old), in_short(change.new)
            line(f"  {kind} {change.key}: {change.field} {old} -> {new}")
        if len(difference.changed) > _MOST_FIELDS:
            left = len(difference.changed) - _MOST_FIELDS
            line(f"  and {left} more fields of {kind}s; --json has them all")


def show_events(changes: "Changes") -> None:
    """Print the added, changed, paused, removed and restored rows, and count the others."""
    rows = []
    for event in _EVENTS:
        customers, models = _change(changes.customers, event), _change(changes.models, event)
        if customers or models:
            rows.append((event, customers, models))
    unchanged = len(changes.customers.unchanged), len(changes.models.unchanged)
    table(("registry", "customers", "models"), [*rows, ("unchanged", *unchanged)])


def show_set_aside(rejected: "Sequence[Rejected]") -> None:
    """Print the rejected rows with their reasons, up to a limit."""
    for row in rejected[:_MOST_SET_ASIDE]:
        line(f"rejected: {row.kind} {row.id or f'number {row.row + 1}'}: {row.reason}")
    left = len(rejected) - _MOST_SET_ASIDE
    if left > 0:
        line(f"and {left:,} more rejected rows; --json has them all")


def in_short(value: Any) -> str:
    """Return a value as JSON, shortened if it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def _change(difference: "Difference", event: str) -> str:
    if event == "changed":
        keys: Sequence[str] = [f"{c.key}.{c.field}" for c in difference.changed]
    else:
        keys = getattr(difference, event)
    if not keys:
        return ""
    left = len(keys) - _MOST_NAMED
    more = f" and {left} more" if left > 0 else ""
    return f"{len(keys)}: {', '.join(keys[:_MOST_NAMED])}{more}"
