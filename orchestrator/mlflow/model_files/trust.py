"""The types that a model's skops file may hold: those of allowed packages, and a few harmless ones.

Touches skops and scikit-learn, not MLflow; takes an estimator; gives names of types; used by the
driver when it plans, and by workers.
"""

from collections.abc import Sequence
from typing import Any

import skops.io

from orchestrator.errors import UsageError, chain_of

_NUMERIC = ("numpy", "scipy")
"""Packages trusted besides the allowed ones: scikit-learn's estimators hold their functions."""

_HARMLESS = frozenset({"functools.partial", "collections.OrderedDict"})
"""Types that only hold others, which skops lists too: a partial is as safe as its function."""

CURE = "choose another estimator, or set `allow_pickle: true` if all who load it trust it"


def types_held(estimator: Any, allowed: Sequence[str]) -> frozenset[str]:
    """Return the types in a fitted estimator that skops does not trust by default.

    Args:
        estimator: A fitted estimator.
        allowed: Packages whose types a file may hold.

    Raises:
        UsageError: A type belongs to another package, or skops cannot store the estimator and read
            it back.
    """
    name = type(estimator).__name__
    try:
        content = skops.io.dumps(estimator)
        held = skops.io.get_untrusted_types(data=content)
    except Exception as error:  # skops raises whatever the parts of an estimator raise
        raise UsageError(f"{name} cannot be stored by skops ({chain_of(error)}): {CURE}") from error
    packages = tuple(f"{package}." for package in (*allowed, *_NUMERIC))
    for path in held:
        if path not in _HARMLESS and not path.startswith(packages):
            raise UsageError(
                f"{name} holds a {path}, which is outside the allowed packages "
                f"({', '.join(allowed)}): {CURE}"
            )
    try:
        skops.io.loads(content, trusted=held)
    except Exception as error:  # as above
        raise UsageError(
            f"{name} cannot be read back by skops ({chain_of(error)}): {CURE}"
        ) from error
    return frozenset(held)


def problem_of(estimator: Any, allowed: Sequence[str]) -> str | None:
    """Return why a fitted estimator cannot be stored without pickle; None if it can."""
    try:
        types_held(estimator, allowed)
    except UsageError as error:
        return str(error)
    return None
