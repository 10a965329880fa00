"""A loader whose `version` is what a file, or the customer, says; it fails without the file."""

from pathlib import Path

from tests.support.synthetic import load

__all__ = ["fetch", "version"]


def fetch(customer):
    return load(customer)


def version(customer):
    service = Path(customer.data["service"])
    if not service.exists():
        raise ConnectionError("the service is down")
    return service.read_text() or customer.data["version"]
