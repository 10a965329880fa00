"""Keys of instances, studies and trials: parts joined by `/`, distinct for any spelling.

    join("acme", "logreg", "3")    acme/logreg/3
    join("eu/7", "0")              eu%2F7/0
    split("eu%2F7/0")              ("eu/7", "0")
    unnamed("2")                   #2, for an instance that failed to get a name

A part is written unchanged, except for the characters that would make two keys look the same (`%`,
`/`, a `#` in front) or that a database cannot hold (NUL, lone surrogates): these are
percent-encoded, as in a URL. An empty part is written `%`.

Touches no library; takes and gives text; driver and workers.
"""

import hashlib
import re
from urllib.parse import unquote_to_bytes

LONGEST_PART = 500
"""Characters. PostgreSQL's indexes hold 2,700 bytes, and a key may have several parts."""

_KEPT = 400
"""Characters of a longer part that are kept in front of the hash that replaces the rest."""

_SPECIAL = re.compile("[%/\x00\ud800-\udfff]|\\A#")
_EMPTY = "%"
_UNNAMED = "#"


def part(text: str) -> str:
    """Return one part of a key, in the form written between slashes.

    Args:
        text: Any text. A text longer than `LONGEST_PART` is cut and ends in a hash of the whole.
    """
    if len(text) > LONGEST_PART:
        hashed = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        text = f"{text[:_KEPT]}#{hashed}"
    if not _SPECIAL.search(text):
        return text or _EMPTY
    return _SPECIAL.sub(_encoded, text)


def join(*parts: str) -> str:
    """Return the key of these parts; no other parts have the same key."""
    return "/".join(map(part, parts))


def below(prefix: str, key: str) -> str:
    """Return a key that is already written, under the key of the coordinator it belongs to.

    Args:
        prefix: The coordinator's key; empty in a flow.
        key: The instance's own key.
    """
    return f"{prefix}/{key}" if prefix else key


def split(key: str) -> tuple[str, ...]:
    """Return the parts that a key was joined of."""
    return tuple(map(_decoded, key.split("/"))) if key else ()


def readable(key: str) -> str:
    """Return a key as people would type it, with nothing encoded; two keys may look the same."""
    return "/".join(split(key)) if "%" in key else key


def is_under(key: str, prefix: str) -> bool:
    """Whether a key is `prefix` itself or belongs to what has that key."""
    return not prefix or key == prefix or key.startswith(f"{prefix}/")


def unnamed(place: str) -> str:
    """Return the key of an instance that failed to get a name; no name looks like it.

    Args:
        place: The instance's place: its map index, or the key of the item it is made of.
    """
    return f"{_UNNAMED}{place}"


def is_lasting(key: str) -> bool:
    """Whether every part of a key is a name, which the next flow run would give again."""
    return not any(each.startswith(_UNNAMED) for each in key.split("/"))


def _encoded(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))


def _decoded(written: str) -> str:
    if written == _EMPTY:
        return ""
    return unquote_to_bytes(written).decode("utf-8", "surrogatepass") if "%" in written else written
