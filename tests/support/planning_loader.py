"""Loaders for tests of planning: the flights under another name, and one that always fails."""

from experiments.flights import load

__all__ = ["broken", "load", "version"]


def version(customer):
    """Known before it is loaded, which will fail."""
    return "1"


def broken(customer):
    """No data at all."""
    raise OSError(f"{customer.id} cannot be loaded")
