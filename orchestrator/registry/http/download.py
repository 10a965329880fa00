"""Download of JSON documents by HTTP, with retries and limits.

A request passes through a chain of methods, each with one concern: `get` asks only for changed
documents (ETag), `_retried` waits and asks again, `_redirected` follows within the same host,
`_received` reads a body of bounded size in bounded time.

Touches httpx and stamina; takes URLs; gives `Document`s; runs on the driver.
"""

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import httpx
import stamina

from orchestrator.errors import RegistryError
from orchestrator.registry.documents import read_json
from orchestrator.registry.http.copies import Copies, Document
from orchestrator.registry.http.decoding import ACCEPTED, EncodingError, decoded
from orchestrator.registry.sources import public_address

_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
_WHOLE = frozenset(
    {httpx.codes.OK, httpx.codes.NON_AUTHORITATIVE_INFORMATION, httpx.codes.NOT_MODIFIED}
)
"""The statuses of a whole list; with others, such as 206, a part may be missing."""

_MOST_REDIRECTS = 5


class Download:
    """One download of several documents from one server, within one limit of time and size.

    Args:
        client: An httpx client with the headers set and redirects off.
        timeout: Seconds for all documents together.
        max_bytes: The size limit of all bodies together.
        attempts: The maximum number of requests for one document.
        copies: Cached documents; an unchanged one is not sent again.
    """

    def __init__(
        self,
        client: httpx.Client,
        *,
        timeout: float,
        max_bytes: int,
        attempts: int,
        copies: Copies | None,
    ) -> None:
        self._client = client
        self._timeout = timeout
        self._deadline = time.monotonic() + timeout
        self._max_bytes = self._bytes_left = max_bytes
        self._attempts = attempts
        self._copies = copies

    def get(self, url: httpx.URL) -> Document:
        """Return the document at `url`, from the cache if the server says it has not changed.

        Raises:
            RegistryError: The document cannot be fetched; the address is named without its secrets.
        """
        known = self._copies.find(url) if self._copies else None
        answer = self._retried(url, {"If-None-Match": known.etag} if known else {})
        if known and answer.response.status_code == httpx.codes.NOT_MODIFIED:
            return known
        document = _document(answer, url)
        if self._copies:
            self._copies.keep(url, document)
        return document

    def _retried(self, url: httpx.URL, headers: Mapping[str, str]) -> "_Answer":
        def ask() -> _Answer:  # without arguments: stamina logs them, and a URL may hold a secret
            return self._redirected(url, headers)

        caller = stamina.RetryingCaller(attempts=self._attempts, timeout=self._timeout)
        return caller(self._patience, ask)

    def _patience(self, error: Exception) -> bool | float:
        """Return whether to ask again, or the seconds to wait if the server named them."""
        if not isinstance(error, _TemporaryError):
            return False
        if error.wait is None:
            return True
        return error.wait if error.wait < self._seconds_left() else False

    def _redirected(self, url: httpx.URL, headers: Mapping[str, str]) -> "_Answer":
        target = url
        for _ in range(_MOST_REDIRECTS + 1):
            answer = self._received(target, headers)
            following = answer.response.next_request
            if following is None:
                return answer
            target = same_host(url, following.url, "redirects to")
        raise RegistryError(f"{_name(url)}: redirects more than {_MOST_REDIRECTS} times")

    def _received(self, url: httpx.URL, headers: Mapping[str, str]) -> "_Answer":
        """Return the response with its body; a failure that may pass is a temporary error."""
        request = self._client.build_request(
            "GET",
            url,
            headers={**headers, "Accept-Encoding": ACCEPTED},
            timeout=max(self._seconds_left(), 0.001),
        )
        try:
            response = self._client.send(request, stream=True)
            try:
                _require_success(response, url)
                return _Answer(response, self._body(response, url))
            finally:
                response.close()
        except httpx.TimeoutException as error:
            raise self._too_slow(url) from error
        except (httpx.TransportError, httpx.DecodingError) as error:
            problem = f"{_name(url)}: {type(error).__name__}: {error}"
            raise _TemporaryError(problem, wait=None) from error

    def _body(self, response: httpx.Response, url: httpx.URL) -> bytes:
        parts = []
        encoding = response.headers.get("content-encoding", "")
        try:
            for part in decoded(self._raw(response, url), encoding):
                self._bytes_left -= len(part)
                if self._bytes_left < 0:
                    raise self._too_much(url)
                parts.append(part)
        except EncodingError as error:
            raise RegistryError(f"{_name(url)}: {error}") from error
        return b"".join(parts)

    def _raw(self, response: httpx.Response, url: httpx.URL) -> Iterator[bytes]:
        """Yield the body undecoded; it may not exceed the size limit either."""
        received = 0
        for part in response.iter_raw():
            received += len(part)
            if received > self._max_bytes:
                raise self._too_much(url)
            if self._seconds_left() <= 0:
                raise self._too_slow(url)
            yield part

    def _too_much(self, url: httpx.URL) -> RegistryError:
        return RegistryError(
            f"{_name(url)}: sends more than {self._max_bytes:,} bytes; "
            "raise `max_bytes` if the list is that long"
        )

    def _too_slow(self, url: httpx.URL) -> RegistryError:
        return RegistryError(f"{_name(url)}: did not answer within {self._timeout:g} seconds")

    def _seconds_left(self) -> float:
        return self._deadline - time.monotonic()


class _Answer(NamedTuple):
    """A response and its body; httpx does not keep a body that is read in parts."""

    response: httpx.Response
    body: bytes


class _TemporaryError(RegistryError):
    """A failure that may pass; `wait` is the seconds to wait, if the server named them."""

    def __init__(self, problem: str, *, wait: float | None) -> None:
        super().__init__(problem)
        self.wait = wait


def same_host(url: httpx.URL, target: httpx.URL, how: str) -> httpx.URL:
    """Return `target` if it may receive the credentials meant for `url`.

    Args:
        url: The address the credentials belong to.
        target: The next address.
        how: The verb for the message, such as "redirects to".

    Raises:
        RegistryError: `target` has another host or port, or leaves https.
    """
    same_place = (target.host, target.port) == (url.host, url.port)  # a scheme's own port is None
    if not same_place or target.scheme not in {url.scheme, "https"}:
        raise RegistryError(
            f"{_name(url)}: {how} another server, {_name(target)}, which is not followed; "
            "if that is the right address, put it into the configuration"
        )
    return target


def _require_success(response: httpx.Response, url: httpx.URL) -> None:
    status = response.status_code
    problem = f"{_name(url)}: answers {status} {response.reason_phrase}".rstrip()
    if status in _TEMPORARY:
        wait = _retry_after(response.headers.get("retry-after"))
        hint = "" if wait is None else f" and asks to wait {wait:g} seconds"
        raise _TemporaryError(problem + hint, wait=wait)
    if status in {401, 403}:
        raise RegistryError(f"{problem}; check the token")
    if status >= 400:
        raise RegistryError(f"{problem}; check the address")
    if status not in _WHOLE and not response.has_redirect_location:
        raise RegistryError(f"{problem}, which may be only a part of the list")


def _retry_after(value: str | None) -> float | None:
    """Return the seconds of a `Retry-After` header in either of its forms (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(
        0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    )


def _document(answer: _Answer, url: httpx.URL) -> Document:
    try:
        content = read_json(answer.body.decode("utf-8-sig"))
    except ValueError as error:
        raise RegistryError(f"{_name(url)}: did not send valid JSON: {error}") from error
    return Document(
        content=content,
        etag=answer.response.headers.get("etag", ""),
        next_link=answer.response.links.get("next", {}).get("url", ""),
    )


def _name(url: httpx.URL) -> str:
    return public_address(str(url))
