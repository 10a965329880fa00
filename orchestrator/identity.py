"""Names and numbers that follow from content: digests, slugs, run ids, seeds.

Touches python-slugify; takes strings and JSON; gives strings and integers; driver and workers.
"""

import hashlib
import json
from typing import Any

from slugify import slugify

_LONGEST_SLUG = 80
_HASH_LENGTH = 16
"""In hex digits; 64 bits, so that even 100,000 ids that differ only past the cut stay apart."""


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(*content: Any) -> str:
    """The content's hash: 32 hex digits, equal for equal JSON whatever the order of keys.

    Args:
        *content: JSON values (None, bool, int, float, str, lists, dicts with string keys).

    Raises:
        TypeError: A value is not JSON.
    """
    return hashlib.blake2b(_CANONICAL.encode(content).encode(), digest_size=16).hexdigest()


def slug(name: str) -> str:
    """A name safe for files, URLs and MLflow's registered models, one for each distinct `name`.

    Letters, digits, `-` and `_` stay; anything else is replaced, and then a short hash of the
    original is appended, so that two names never share a slug.

    >>> slug("AA-DFW")
    'AA-DFW'
    >>> slug("../Zoe").startswith("Zoe-")
    True
    """
    plain = slugify(
        name, lowercase=False, regex_pattern=r"[^A-Za-z0-9_-]+", max_length=_LONGEST_SLUG
    )
    if plain == name and not _ends_like_a_hash(name):
        return plain
    short_hash = hashlib.blake2b(name.encode(), digest_size=_HASH_LENGTH // 2).hexdigest()
    return f"{plain}-{short_hash}" if plain else short_hash


def _ends_like_a_hash(name: str) -> bool:
    """Whether a plain name could be mistaken for another name's slug."""
    tail = name[-_HASH_LENGTH:]
    return (
        len(tail) == _HASH_LENGTH
        and all(c in "0123456789abcdef" for c in tail)
        and (len(name) == _HASH_LENGTH or name[-_HASH_LENGTH - 1] == "-")
    )


def derive_seed(seed: int, *parts: str | int) -> int:
    """A seed for one part of the work, in [0, 2**32), from its identity, never from its order.

    Args:
        seed: The experiment's seed.
        *parts: The names of the work, e.g. a study's key and a trial's number (law 9).
    """
    return int(digest(seed, *parts)[:8], 16)


def run_id(flow_run: str, *name: str) -> str:
    """The MLflow run id of a trial: 32 hex digits, the same each time it is sent (law 3).

    Args:
        flow_run: The flow run it belongs to.
        *name: The names of the trial in its flow run.
    """
    return digest("mlflow-run", flow_run, *name)
