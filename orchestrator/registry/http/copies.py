"""Copies of pages that a web service need not send again: each by its address, with its ETag.

Only a run writes them: a plan may use copies, and leaves none. A copy that cannot be read, for
whatever reason, is as good as none. They hold customers' rows, so `orchestrator forget` drops all.

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
    """A page as the server gave it.

    Attributes:
        content: Its JSON value.
        etag: Its version; "" where the server tells none.
        next_link: The target of its `Link` header with `rel="next"`; "" where there is none.
    """

    content: Any
    etag: str
    next_link: str


class Copies:
    """The copies in one folder.

    Args:
        folder: Made when the first copy is kept.
        writable: Whether copies are kept; else only those there are used.
    """

    def __init__(self, folder: Path, *, writable: bool) -> None:
        self._folder, self._writable = folder, writable

    def find(self, url: httpx.URL) -> Document | None:
        """The copy of a page, if there is one that can be read."""
        try:
            kept = json.loads(self._file(url).read_text(encoding="utf-8"))
            document = Document(**kept)
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        return document if document.etag and isinstance(document.etag, str) else None

    def keep(self, url: httpx.URL, document: Document) -> None:
        """Keep a page that has a version; its file appears whole or not at all."""
        if not self._writable or not document.etag:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=self._folder)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(asdict(document), stream)
        Path(unfinished).replace(self._file(url))

    def drop(self) -> None:
        """Remove every copy; other files of the folder stay."""
        for file in self._folder.glob("*.json"):
            file.unlink(missing_ok=True)

    def _file(self, url: httpx.URL) -> Path:
        return self._folder / f"{digest(str(url))}.json"
