"""Hosts that lead back into this machine or its network's own services, however they are spelled.

A loopback or link-local address can be written in many ways that libraries accept: `127.1`,
`2130706433`, `0x7f000001`, `[::ffff:127.0.0.1]`, `localhost.`, or in full-width digits. Cloud
providers serve a machine's credentials at link-local addresses and at a few others, listed here.

Touches no library; takes names and addresses of hosts; gives verdicts; driver and workers. It
resolves no name.
"""

import socket
import unicodedata
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import unquote

Address = IPv4Address | IPv6Address

_LOCAL_NAMES = frozenset({"localhost", "ip6-localhost", "ip6-loopback", "metadata.google.internal"})
_LOCAL_ENDINGS = (".localhost", ".localdomain")

_THIS_NETWORK = IPv4Network("0.0.0.0/8")
"""Linux connects to this machine for 0.0.0.0."""

_METADATA = frozenset(
    {
        IPv4Address("100.100.100.200"),  # Alibaba Cloud
        IPv4Address("168.63.129.16"),  # Azure
        IPv6Address("fd00:ec2::254"),  # AWS
    }
)

_NAT64 = IPv6Network("64:ff9b::/96")
_IPV4_COMPATIBLE = IPv6Network("::/96")

_OTHER_DOTS = str.maketrans({"\u3002": ".", "\uff0e": ".", "\uff61": "."})
"""IDNA reads these as dots."""


def plain_host(host: str) -> str:
    """The one spelling of a host: as resolvers read it, in lower case, without a final dot.

    Args:
        host: As an address names it, possibly quoted, bracketed or with full-width characters.
    """
    text = unicodedata.normalize("NFKC", unquote(host).translate(_OTHER_DOTS))
    text = text.strip().strip("[]").rstrip(".").lower()
    address = _literal(text)
    return text if address is None else str(address)


def is_local(host: str) -> bool:
    """Whether a host is loopback, link-local or a metadata service by its spelling alone."""
    name = plain_host(host)
    address = _literal(name)
    if address is not None:
        return is_local_address(address)
    return name in _LOCAL_NAMES or name.endswith(_LOCAL_ENDINGS)


def is_local_address(address: Address) -> bool:
    """Whether an address is loopback, link-local or a metadata service, itself or embedded."""
    return any(
        each.is_loopback
        or each.is_link_local
        or each.is_unspecified
        or each in _METADATA
        or (isinstance(each, IPv4Address) and each in _THIS_NETWORK)
        for each in (address, *_embedded(address))
    )


def _literal(host: str) -> Address | None:
    """The address a host is spelled as; None for a name."""
    if ":" in host:
        try:
            return IPv6Address(host.partition("%")[0])
        except ValueError:
            return None
    if not host or host[0] not in "0123456789":
        return None
    try:
        return IPv4Address(socket.inet_aton(host))  # reads 127.1, 0x7f000001 and 2130706433
    except (OSError, ValueError):
        return None


def _embedded(address: Address) -> Iterator[IPv4Address]:
    """The IPv4 addresses that an IPv6 address leads to."""
    if isinstance(address, IPv4Address):
        return
    for inner in (address.ipv4_mapped, address.sixtofour, *(address.teredo or ())):
        if inner is not None:
            yield inner
    if address in _NAT64 or address in _IPV4_COMPATIBLE:
        yield IPv4Address(int(address) & 0xFFFFFFFF)
