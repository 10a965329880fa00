"""A customer's data as a loader returns it, and the lookup of the configured loader.

A loader is a function, or another callable, named in the configuration as
`package.module:function`:

    def load(customer: Customer) -> tuple[X, y]: ...      # or -> Data, with weights or groups

If the data can change, a function named `version` in the same module returns the version without
loading the data; work is then repeated only when the version has changed:

    def version(customer: Customer) -> str: ...

Touches no library; takes a `Customer`; gives `Data`; the driver finds loaders, workers call them.
"""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import ConfigError
from orchestrator.records import Customer
from orchestrator.training.imports import find_function, is_defined_apart


class DataError(ValueError):
    """A customer's data cannot be used; the message names the customer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """One customer's rows.

    Attributes:
        X: Features: array, sparse matrix, DataFrame, or a list of texts; one entry a row.
        y: The target, one value a row.
        groups: The group of each row; rows of one group are never on both sides of a fold.
        sample_weight: The weight of each row when fitting; scores are not weighted.
    """

    X: Any
    y: Any
    groups: Any = None
    sample_weight: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loader:
    """A configured loader: its import path, its function, and its `version` function if any."""

    path: str
    load: Callable[[Customer], Any]
    version: Callable[[Customer], str] | None = None

    def __call__(self, customer: Customer) -> Data:
        """Load a customer's data.

        Raises:
            DataError: The function returned neither `(X, y)` nor `Data`.
        """
        loaded = self.load(customer)
        if isinstance(loaded, Data):
            return loaded
        if isinstance(loaded, tuple) and len(loaded) == 2:
            return Data(X=loaded[0], y=loaded[1])
        raise DataError(
            f"customer {customer.id!r}: loader {self.path} returned {type(loaded).__name__}; "
            "return (X, y) or orchestrator.training.data.Data(X=..., y=...)"
        )

    def version_of(self, customer: Customer) -> str | None:
        """Return the version of a customer's data, or None if the loader's module has no `version`.

        Raises:
            DataError: The version is not a string, or is empty.
        """
        if self.version is None:
            return None
        found = self.version(customer)
        if not isinstance(found, str) or not found:
            raise DataError(
                f"customer {customer.id!r}: `version` beside loader {self.path} returned "
                f"{found!r}; return a text that changes with the data"
            )
        return found


def find_loader(path: str) -> Loader:
    """Return the loader at `package.module:function`.

    Raises:
        ConfigError: The path is malformed, cannot be imported, or does not name a callable that
            takes a customer.
    """
    load = find_function(path, what="loader", key="evaluation.loader")
    try:
        inspect.signature(load).bind("customer")
    except ValueError:
        pass  # a builtin without a signature
    except TypeError as error:
        raise ConfigError(
            f"{path!r} is not a loader, which is called with a customer: {error}",
            key="evaluation.loader",
        ) from error
    return Loader(path=path, load=load, version=_version_beside(load, path))


def _version_beside(load: Callable[..., Any], path: str) -> Callable[[Customer], str] | None:
    """The function `version` that the loader's module defines; an imported one does not count.

    Many modules contain `from importlib.metadata import version`, which is not meant here.
    """
    home = path.partition(":")[0] if is_defined_apart(load) else getattr(load, "__module__", "")
    found = getattr(sys.modules.get(home), "version", None)
    if callable(found) and getattr(found, "__module__", None) == home:
        version: Callable[[Customer], str] = found
        return version
    return None
