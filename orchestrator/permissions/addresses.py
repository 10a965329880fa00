"""The addresses that a registry row may name.

A row names an address in a customer's `data`, as one text or anywhere inside a list or mapping. An
address begins with a scheme, such as `s3://`; any other text is a path or a name that only the
loader interprets, and is not judged here.

Touches no library; takes values of rows; gives reasons for refusing them; driver and workers. It
opens nothing and resolves no name: whatever opens an address also has to check what its host
resolves to, with `Addresses.permits_address`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from orchestrator.permissions.hosts import Address, is_local, is_local_address, plain_host
from orchestrator.records import Json

_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss"})
_FILES = frozenset({"file", "local"})
_STANDARD = _STORES | _FILES | {"https"}
"""Object stores under every name that fsspec gives them; what follows their scheme is a bucket."""

_NAMED = "file, s3, gs, az, https"

_WRAPPERS = "(blockcache|cached|dask|dir|filecache|libarchive|reference|simplecache|tar|zip)"
_SCHEME = re.compile(r"([a-z][\w+.-]*)://", re.IGNORECASE | re.ASCII)
_CHAIN = re.compile(
    rf"(?:.*::\s*[a-z][\w+.-]*://|[a-z][\w+.-]*://.*::|{_WRAPPERS}::)", re.IGNORECASE | re.DOTALL
)
_IPV6_HOST = re.compile(r"^(https?://)([^/\[\]]*@)?\[[\w.:%]*", re.IGNORECASE | re.ASCII)
"""The host of a web address, whose colons chain nothing; fsspec is not asked to read these."""

_EMBEDDED = re.compile(r"data:", re.IGNORECASE)

_IGNORED = re.compile(r"[\t\r\n]")
_EDGES = "".join(map(chr, range(0x21)))
"""Libraries that read URLs drop these, and control characters and blanks at either end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """The addresses that rows of a registry may name.

    Attributes:
        schemes: The schemes that are allowed besides plain paths and `file`, `s3`, `gs`, `az` and
            `https`.
        hosts: The loopback or link-local hosts that rows may name; others of these are refused.
    """

    schemes: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()

    def refusal(self, text: str) -> str:
        """The reason why a row may not name this text; "" where it may.

        Args:
            text: A value of a row. Anything but an address is allowed.
        """
        address = _as_libraries_read(text)
        if _CHAIN.match(_IPV6_HOST.sub(r"\1", address)):
            return (
                f"{text!r} chains addresses with '::', which a row may not do; name one address, "
                "and let the loader wrap it"
            )
        scheme = scheme_of(text)
        if not scheme:
            return ""
        if address != text:
            return f"{text!r} has blanks or control characters that libraries drop; remove them"
        if scheme not in _STANDARD and scheme not in {each.lower() for each in self.schemes}:
            return (
                f"{text!r} has the scheme {scheme!r}, which rows may not name ({_listed(self)}); "
                "add it to `addresses.schemes` in the configuration if rows may be trusted with it"
            )
        return "" if has_no_host(scheme) else self._refusal_of_host(text, address)

    def refusals(self, data: Json, key: str) -> Iterator[tuple[str, str]]:
        """Every place inside `data` that names what it may not, and the reason.

        Args:
            data: A customer's data: text, a list or a mapping.
            key: The key `data` stands under, for messages.
        """
        if isinstance(data, str):
            reason = self.refusal(data)
            if reason:
                yield key, reason
        elif isinstance(data, dict):
            for name, value in data.items():
                yield from self.refusals(name, key)
                yield from self.refusals(value, f"{key}.{name}")
        elif isinstance(data, list):
            for index, value in enumerate(data):
                yield from self.refusals(value, f"{key}[{index}]")

    def permits_address(self, host: str, address: Address) -> bool:
        """Whether a connection may be made to what a host's name resolved to.

        Args:
            host: The name as the row gives it.
            address: One of the addresses it resolved to.
        """
        if not is_local_address(address):
            return True
        return self._names(host) or self._names(str(address))

    def _names(self, host: str) -> bool:
        return plain_host(host) in {plain_host(each) for each in self.hosts}

    def _refusal_of_host(self, text: str, address: str) -> str:
        try:
            host = urlsplit(address).hostname or ""
        except ValueError as error:
            return f"{text!r} is not a valid address: {error}"
        if not host or "\\" in address:
            return (
                f"{text!r} is not a valid address: it must name one host, as in https://host/path"
            )
        if is_local(host) and not self._names(host):
            return (
                f"{text!r} names the host {host!r}, this machine or its link-local network; "
                "add it to `addresses.hosts` in the configuration if rows may reach it"
            )
        return ""


def has_no_host(scheme: str) -> bool:
    """Whether a bucket or a path follows this scheme instead of a host."""
    return scheme in _STORES | _FILES | {"memory"}


def scheme_of(text: str) -> str:
    """The scheme of an address, in lower case; "" for a path and any other text."""
    address = _as_libraries_read(text)
    found = _SCHEME.match(address)
    if found:
        return found[1].lower()
    return "data" if _EMBEDDED.match(address) else ""


def _as_libraries_read(text: str) -> str:
    return _IGNORED.sub("", text).strip(_EDGES)


def _listed(addresses: Addresses) -> str:
    return ", ".join([_NAMED, *addresses.schemes])
