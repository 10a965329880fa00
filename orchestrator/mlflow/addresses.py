"""What a tracking address says of itself, without asking anybody.

Touches no library, since the configuration needs it long before MLflow; takes an address; driver.
"""

from urllib.parse import urlsplit


def is_server(uri: str) -> bool:
    """Whether a tracking address is a server's, rather than a database's."""
    return uri.lower().startswith(("http://", "https://"))


def without_password(uri: str) -> str:
    """The address as it may be shown."""
    try:
        password = urlsplit(uri).password
    except ValueError:  # half an IPv6 address: a password could stand anywhere in it
        return uri.partition("://")[0] + "://..."
    return uri.replace(f":{password}@", ":***@", 1) if password else uri
