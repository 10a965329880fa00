"""A loader whose `version` does as the customer's data says, and fails where a file is missing."""

from pathlib import Path

from tests.synthetic import load

__all__ = ["fetch", "version"]


def fetch(customer):
    return load(customer)


def version(customer):
    if not Path(customer.data["service"]).exists():
        raise ConnectionError("the service is down")
    return customer.data["version"]
