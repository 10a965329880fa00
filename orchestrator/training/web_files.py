"""The headers that a web server sends for a file: its tag, size and time of change.

The address comes from a registry row. Each host is resolved once, the resulting address is checked,
and the connection is made to exactly that address, so that a second answer of a name server cannot
get around the check. Redirects are followed only to addresses that a row may name. The request
contains nothing of this machine, neither credentials of `.netrc` nor cookies, and uses no proxy.

Touches httpx and the resolver; takes an address; gives headers; runs on the driver.
"""

import socket
from collections.abc import Mapping
from functools import cache
from ipaddress import ip_address
from ssl import SSLContext

import httpx

from orchestrator.permissions import Addresses

_MOST_REDIRECTS = 5


class ForbiddenAddressError(ValueError):
    """A row's address leads to a place that rows may not reach; the message names it."""


def file_headers(address: str, permitted: Addresses, seconds: float) -> Mapping[str, str]:
    """Return the headers that a web server sends for a file; none if it rejects the request.

    Args:
        address: The URL; it begins with `https://`, or `http://` where that is allowed.
        permitted: The addresses that rows may name.
        seconds: The time limit of each step; the caller limits the total.

    Raises:
        ForbiddenAddressError: The address, or a redirect, leads to a place rows may not reach.
        httpx.HTTPError: The server cannot be reached.
        OSError: Its name cannot be resolved.
    """
    url = httpx.URL(address)
    with httpx.Client(trust_env=False, verify=_certificates(), timeout=seconds) as client:
        for _ in range(_MOST_REDIRECTS + 1):
            response = _asked(client, url, permitted)
            if not response.is_redirect:
                return response.headers if response.is_success else {}
            url = url.join(response.headers["location"])
    return {}


@cache
def _certificates() -> SSLContext:
    """The TLS context, cached because it reads the CA certificates; SSL_CERT_FILE is respected."""
    return httpx.create_ssl_context()


def _asked(client: httpx.Client, url: httpx.URL, permitted: Addresses) -> httpx.Response:
    reason = permitted.refusal(str(url))
    if reason:
        raise ForbiddenAddressError(reason)
    request = client.build_request(
        "HEAD",
        url.copy_with(host=_checked_address(url, permitted), username="", password=""),
        headers={"Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity"},
        extensions={"sni_hostname": url.host},
    )
    return client.send(request, auth=_credentials(url))


def _credentials(url: httpx.URL) -> httpx.BasicAuth | None:
    return httpx.BasicAuth(url.username, url.password) if url.username else None


def _checked_address(url: httpx.URL, permitted: Addresses) -> str:
    """The first address that a URL's host resolves to, after all of them were checked."""
    port = url.port or {"https": 443, "http": 80}.get(url.scheme, 0)
    return checked_addresses(url.host, port, permitted)[0]


def checked_addresses(host: str, port: int, permitted: Addresses) -> list[str]:
    """Return every address that a host resolves to.

    Raises:
        ForbiddenAddressError: Rows may not reach one of the addresses.
        OSError: The name cannot be resolved.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    texts = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for text in texts:
        if not permitted.permits_address(host, ip_address(text)):
            raise ForbiddenAddressError(
                f"the host {host!r} is {text}, which is this machine or its link-local network; "
                "add it to `addresses.hosts` in the configuration if rows may reach it"
            )
    return texts
