"""A loader whose `version` is what a file, or the customer, says; it fails without the file."""

from pathlib import Path

from orchestrator.records import Customer
from orchestrator.training.data import Data
from tests.support.synthetic import load

__all__ = ["fetch", "version"]


def fetch(customer: Customer) -> Data:
    """Rows as the synthetic loader draws them."""
    return load(customer)


def version(customer: Customer) -> str:
    """The text of the customer's file, or the version its row says."""
    assert isinstance(customer.data, dict)
    service = Path(customer.data["service"])
    if not service.exists():
        raise ConnectionError("the service is down")
    if written := service.read_text():
        return written
    version: str = customer.data["version"]  # not a text, where a test wants that refused
    return version
