"""Guards between a registry's answer and the run it would cause; each refuses under its own name.

    empty         a list has no rows (checked by `snapshots.fetch`, before a snapshot exists)
    max_removed   too large a share of the customers vanished at once
    max_trials    the run would make too many trials
    similar_ids   a new customer's id differs from another one only by case or white space

Touches no library; takes `Changes` and limits; gives `Refusal`s; pure, runs on the driver.
"""

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from orchestrator.errors import RegistryError, UsageError
from orchestrator.ledger.changes import Changes, Difference

Guard = Literal["empty", "max_removed", "max_trials", "similar_ids"]

_MOST_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one run; beyond them it refuses to start without `--accept`.

    Attributes:
        max_removed: The share of customers that may disappear from the registry at once.
        max_trials: The trials that one run may make.
        seconds: The seconds in which one run may begin studies; it skips those that it has not
            begun by then, and the next run makes them. None for no limit.
    """

    max_removed: float = 0.10
    max_trials: int = 1_000_000
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One guard's refusal and its reason, as a sentence for the user."""

    guard: Guard
    reason: str


def refusals(
    changes: Changes, trials: int, limits: Limits, *, removed_before: Collection[str] = ()
) -> tuple[Refusal, ...]:
    """Return the refusals of all guards.

    Args:
        changes: The difference between the ledger's last snapshot and the new one.
        trials: The number of trials that the run would make.
        limits: The limits of the guards.
        removed_before: Customers that left earlier and whose history is kept.
    """
    reasons: dict[Guard, str | None] = {
        "max_removed": _too_many_removed(changes.customers, limits.max_removed),
        "max_trials": _too_many_trials(trials, limits.max_trials),
        "similar_ids": _similar_ids(changes.customers, removed_before),
    }
    return tuple(
        Refusal(guard=guard, reason=reason)
        for guard, reason in reasons.items()
        if reason is not None
    )


def enforce(found: Sequence[Refusal], accept: Collection[str] = ()) -> None:
    """Stop the run unless the user accepted every refusal by its guard's name.

    Args:
        found: The refusals.
        accept: The names of the guards whose refusal the user accepted.

    Raises:
        RegistryError: A refusal was not accepted.
        UsageError: `accept` has a name that is not a guard's.
    """
    require_guards(accept)
    standing = [refusal for refusal in found if refusal.guard not in accept]
    if standing:
        lines = [
            f"  {r.reason}; accept it by `orchestrator run --accept {r.guard}`" for r in standing
        ]
        raise RegistryError(
            "the registry's answer was refused; nothing was changed, and deployed models keep "
            "serving:\n" + "\n".join(lines)
        )


def require_guards(accept: Collection[str]) -> None:
    """Check that each name is a guard's.

    Raises:
        UsageError: A name is not a guard's.
    """
    unknown = sorted(set(accept) - set(get_args(Guard)))
    if unknown:
        names = ", ".join(get_args(Guard))
        raise UsageError(f"unknown guard {unknown[0]!r}; the guards are {names}")


def _too_many_removed(customers: Difference, share: float) -> str | None:
    removed, before = customers.removed, _listed_before(customers)
    if len(removed) <= share * len(before):
        return None
    return (
        f"{len(removed)} of {len(before)} customers vanished at once, more than {share:.0%} "
        f"(max_removed): {_named(removed)}"
    )


def _too_many_trials(trials: int, most: int) -> str | None:
    if trials <= most:
        return None
    return f"the run would make {trials:,} trials, more than {most:,} (max_trials)"


def _similar_ids(customers: Difference, removed_before: Collection[str]) -> str | None:
    if not customers.added:
        return None
    seen = {_folded(key): key for key in _listed_before(customers) | {*removed_before}}
    pairs = []
    for key in customers.added:
        # New ids are compared with each other too: the very first list may hold similar ids.
        other = seen.setdefault(_folded(key), key)
        if other != key:
            pairs.append(f"{key!r} and {other!r}")
    if not pairs:
        return None
    return (
        "the ids of new customers differ from others only by case or white space (similar_ids), so "
        f"that one customer would have several histories: {_named(pairs)}"
    )


def _listed_before(customers: Difference) -> set[str]:
    """Return the customers of the last snapshot, paused ones included."""
    changed = {change.key for change in customers.changed}
    stayed = {*customers.unchanged, *customers.kept, *customers.paused, *customers.resumed}
    return ({*customers.removed} | stayed | changed) - {*customers.restored}


def _folded(key: str) -> str:
    return "".join(unicodedata.normalize("NFKC", key).casefold().split())


def _named(names: Sequence[str]) -> str:
    left = len(names) - _MOST_NAMED
    return ", ".join([*names[:_MOST_NAMED], *([f"and {left} more"] if left > 0 else [])])
