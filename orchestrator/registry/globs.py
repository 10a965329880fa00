"""A glob whose files are the customers.

A customer's id is the file's path below the glob's fixed part, without the ending that the glob
names: `data/*.csv` makes `data/AA.1.csv` the customer `AA.1`, and `data/*` makes it `AA.1.csv`. Its
data is the file's address. Hidden files are left out, as a shell leaves them out, unless the glob
names the dot.

Touches the file systems of fsspec; takes a pattern; gives rows; runs on the driver. Only reads.
"""

import re
from pathlib import PurePosixPath
from typing import Any

from orchestrator.registry.sources import Row

_WILD = re.compile(r"[*?\[\]]")


def is_glob(address: str) -> bool:
    """Whether an address has a wildcard; `?` is none behind a protocol: it begins a query."""
    return "*" in address or "[" in address or ("?" in address and "://" not in address)


def row_for_each_file(files: Any, pattern: str, *, with_protocol: bool) -> list[Row]:
    """A customer's row for each file.

    Args:
        files: A file system of fsspec.
        pattern: The glob, as that file system names paths.
        with_protocol: Whether a customer's data is an address with the protocol.
    """
    fixed = _WILD.split(pattern, maxsplit=1)[0].rpartition("/")[0]
    below = pattern.removeprefix(fixed).lstrip("/")
    ending = _ending(below)
    names_hidden = any(part.startswith(".") for part in below.split("/"))
    return [
        {
            "id": str(inside).removesuffix(ending),
            "data": files.unstrip_protocol(path) if with_protocol else path,
        }
        for path in files.glob(pattern, withdirs=False)
        for inside in [PurePosixPath(path).relative_to(fixed)]
        if names_hidden or not any(part.startswith(".") for part in inside.parts)
    ]


def _ending(pattern: str) -> str:
    """What the names of all files end with, from its first dot on."""
    literal = _WILD.split(pattern)[-1].rpartition("/")[2]
    return literal[literal.index(".") :] if "." in literal else ""
