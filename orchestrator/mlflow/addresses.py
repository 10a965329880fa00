"""The kind of a tracking address, and its form without a password, without connecting to it.

Touches no library, since the configuration needs it long before MLflow; takes an address; driver.
"""

from urllib.parse import urlsplit


def is_server(uri: str) -> bool:
    """Whether a tracking address is that of a server, rather than of a database."""
    return uri.lower().startswith(("http://", "https://"))


def without_password(uri: str) -> str:
    """Return the address without its password, so that it can be shown."""
    try:
        password = urlsplit(uri).password
    except ValueError:  # half an IPv6 address: a password could stand anywhere in it
        return uri.partition("://")[0] + "://..."
    return uri.replace(f":{password}@", ":***@", 1) if password else uri
