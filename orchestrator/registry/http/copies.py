"""Cached pages of a web service, each stored by its address with its ETag.

Only a run writes copies; a plan may read them, and leaves none. A copy that cannot be read counts
as missing. Copies hold customers' rows, so `orchestrator forget` removes all of them.

Touches the file system and httpx's URLs; takes and gives `Document`s; runs on the driver.
"""

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx

from orchestrator.identity import digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One page of a list, as the server sent it.

    Attributes:
        content: Its JSON value.
        etag: Its version; "" if the server gives none.
        next_link: The target of its `Link` header with `rel="next"`; "" without one.
    """

    content: Any
    etag: str
    next_link: str


class Copies:
    """The copies in one folder.

    Args:
        folder: The folder of the copies, created with the first one.
        writable: Whether new copies are kept; otherwise existing ones are only read.
    """

    def __init__(self, folder: Path, *, writable: bool) -> None:
        self._folder, self._writable = folder, writable

    def find(self, url: httpx.URL) -> Document | None:
        """Return the copy of a page; None if it is missing or cannot be read."""
        try:
            kept = json.loads(self._file(url).read_text(encoding="utf-8"))
            document = Document(**kept)
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        return document if document.etag and isinstance(document.etag, str) else None

    def keep(self, url: httpx.URL, document: Document) -> None:
        """Store a page that has a version; the file is written atomically."""
        if not self._writable or not document.etag:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=self._folder)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(asdict(document), stream)
        Path(unfinished).replace(self._file(url))

    def drop(self) -> None:
        """Remove every copy; keep other files in the folder."""
        for file in self._folder.glob("*.json"):
            file.unlink(missing_ok=True)

    def _file(self, url: httpx.URL) -> Path:
        return self._folder / f"{digest(str(url))}.json"
