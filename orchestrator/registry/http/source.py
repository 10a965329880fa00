"""The source `http`: lists that a web service returns as JSON, page by page.

A page is a list of rows, or an object that holds it under `items` (by default under the list's
own name). The next page is named by a `Link` header with `rel="next"`, by a URL under `next`, by
a cursor under `next` that goes into the parameter `cursor`, or is the next number of the
parameter `page`, until a page has no rows.

Touches httpx; takes URLs; gives rows; runs on the driver. Only reads.
"""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx
from pydantic import Field, PrivateAttr, SecretStr, field_validator, model_validator

from orchestrator.deadline import within
from orchestrator.errors import RegistryError
from orchestrator.identity import digest
from orchestrator.registry.http.copies import Copies, Document
from orchestrator.registry.http.download import Download, same_host
from orchestrator.registry.sources import Kind, Listing, Settings, public_address, well_formed

_SLACK = 0.5
"""Extra seconds, so that the download's own, more precise message comes first."""

_WEB_ADDRESS = re.compile(r"https?://[^/\s]+", re.IGNORECASE)


class HttpSource(Settings):
    """Models and customers of a web service.

    Attributes:
        models: The URL of the first page of models.
        customers: The URL of the first page of customers.
        token: The token that is sent as `Authorization: Bearer`.
        headers: Further headers that are sent.
        items: The place of the rows in a page, such as `data.rows`; by default the list's own name.
        next: The place in a page that names the next page.
        cursor: The query parameter that takes the value under `next`, if that is not a URL.
        page: The query parameter that counts the pages, from 1.
        timeout: The seconds that one list may take, all pages together.
        max_bytes: The maximum size of one list in bytes, all pages together.
        attempts: The requests that are made for a page while the server is busy or unreachable.
        cache: A folder that keeps pages by their ETag, so that the server need not send unchanged
            pages again.
    """

    models: str | None = None
    customers: str | None = None
    token: SecretStr | None = None
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    items: str | None = None
    next: str = "next"
    cursor: str | None = None
    page: str | None = None
    timeout: float = Field(default=60, gt=0)
    max_bytes: int = Field(default=100_000_000, gt=0)
    attempts: int = Field(default=5, ge=1)
    cache: Path | None = None
    _writable: bool = PrivateAttr(default=True)

    @field_validator("models", "customers")
    @classmethod
    def _is_web_address(cls, url: str | None) -> str | None:
        if url is not None and not _WEB_ADDRESS.match(url):
            raise ValueError("should be an address that begins with http:// or https://")
        return url and well_formed(url)

    @model_validator(mode="after")
    def _names_an_address(self) -> Self:
        if not (self.models or self.customers):
            raise ValueError("no address is given; set `models`, `customers` or both")
        if self.page is not None and self.cursor is not None:
            raise ValueError("`page` and `cursor` cannot be combined; give one of them")
        return self

    @property
    def description(self) -> str:
        """The addresses, without query, user and password, for messages."""
        return ", ".join(public_address(url) for url in (self.models, self.customers) if url)

    def read(self, kind: Kind) -> Listing:
        """Return the rows of all pages of the list."""
        address = self.models if kind == "models" else self.customers
        if not address:
            raise RegistryError(f"{self.description}: no address is given for the list of {kind}")
        url = httpx.URL(address)
        try:
            # A server may send headers so slowly that no single read times out.
            pages = within(self.timeout + _SLACK, partial(self._fetched, url, kind))
        except TimeoutError as error:
            raise RegistryError(
                f"{public_address(address)}: did not answer within {self.timeout:g} seconds"
            ) from error
        etags = [etag for _, etag in pages]
        return Listing(
            rows=[row for rows, _ in pages for row in rows],
            etag=etags[0] if len(etags) == 1 else digest(etags) if all(etags) else "",
        )

    def _fetched(self, url: httpx.URL, kind: Kind) -> list[tuple[list[Any], str]]:
        with httpx.Client(headers=self._headers()) as client:
            download = Download(
                client,
                timeout=self.timeout,
                max_bytes=self.max_bytes,
                attempts=self.attempts,
                copies=self._copies,
            )
            return list(self._pages(download, url, kind))

    def read_only(self) -> "HttpSource":
        """Return the same source, but writing no copies to `cache`."""
        source = self.model_copy()
        source._writable = False  # noqa: SLF001 - a copy of this very object
        return source

    def drop_copies(self) -> None:
        """Remove the copies in `cache`."""
        if self._copies:
            self._copies.drop()

    @property
    def _copies(self) -> Copies | None:
        return Copies(self.cache, writable=self._writable) if self.cache else None

    def _headers(self) -> dict[str, str]:
        headers = {name: value.get_secret_value() for name, value in self.headers.items()}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token.get_secret_value()}"
        return headers

    def _pages(
        self, download: Download, first: httpx.URL, kind: Kind
    ) -> Iterator[tuple[list[Any], str]]:
        """Yield the rows and the ETag of each page; a page seen before means a loop."""
        url: httpx.URL | None = first
        seen: set[str] = set()
        while url is not None:
            document = download.get(url)
            rows = self._rows(document, url, kind)
            yield rows, document.etag
            marks = {str(url), digest(rows)} if rows else {str(url)}
            if marks & seen:
                raise RegistryError(
                    f"{public_address(str(url))}: its pages repeat; check `next` and `page`"
                )
            seen |= marks
            url = self._next(document, url, first, has_rows=bool(rows))

    def _rows(self, document: Document, url: httpx.URL, kind: Kind) -> list[Any]:
        rows = document.content
        if self.items is not None or isinstance(rows, Mapping):
            rows = _inside(rows, self.items or kind)
        if not isinstance(rows, list):
            place = f"under `{self.items or kind}`"
            raise RegistryError(
                f"{public_address(str(url))}: has no list of rows {place}; set `items`"
            )
        return rows

    def _next(
        self, document: Document, url: httpx.URL, first: httpx.URL, *, has_rows: bool
    ) -> httpx.URL | None:
        if document.next_link:
            return same_host(first, url.join(document.next_link), "continues at")
        if self.page is not None:
            number = int(url.params.get(self.page, 1))
            return url.copy_set_param(self.page, number + 1) if has_rows else None
        value = _inside(document.content, self.next)
        if value in (None, ""):
            return None
        if self.cursor is not None:
            return first.copy_set_param(self.cursor, str(value))
        return same_host(first, url.join(str(value)), "continues at")


def _inside(content: Any, path: str) -> Any:
    """Return the value at a dotted path; None if there is none."""
    for name in path.split("."):
        if not isinstance(content, Mapping):
            return None
        content = content.get(name)
    return content
