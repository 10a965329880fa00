"""Where a model's files are, and whether they are there: a look at sizes, nothing is read.

Touches no library; takes an address and `StoredFile`s; runs on workers and on the driver, which
asks it of every champion at the start of a run.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from orchestrator.records import StoredFile


def local_path(source: str) -> Path | None:
    """The folder of a model on this machine; None of an address that is elsewhere."""
    parts = urlsplit(source)
    return Path(unquote(parts.path)) if parts.scheme in {"", "file"} else None


def is_lost(source: str, files: Sequence[StoredFile]) -> bool:
    """Whether files of a model on this machine are gone or have another size.

    Of a model that is elsewhere nothing is known without asking for it, and nothing is said.
    """
    folder = local_path(source)
    if folder is None:
        return False
    if not files:  # written by an earlier version, which kept no checksums
        return not folder.exists()
    return any(_size(folder, file.path) != file.size for file in files)


def _size(folder: Path, path: str) -> int:
    try:
        return os.stat(f"{folder}/{path}").st_size  # noqa: PTH116 - tens of thousands of them
    except OSError:
        return -1
