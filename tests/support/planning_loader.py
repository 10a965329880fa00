"""Loaders for tests of planning: the flights under another name, and one that always fails."""

from typing import NoReturn

from experiments.flights import load
from orchestrator.records import Customer

__all__ = ["broken", "load", "version"]


def version(customer: Customer) -> str:
    """Known before it is loaded, which will fail."""
    return "1"


def broken(customer: Customer) -> NoReturn:
    """No data at all."""
    raise OSError(f"{customer.id} cannot be loaded")
