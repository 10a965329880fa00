"""Lists that a function of yours returns: `package.module:function`.

The function is named in the configuration, whose author it belongs to; what it returns is data
like that of any other source, and goes through the same checks. It may be a table of pandas, polars
or pyarrow; a cell that pandas calls missing is left out, as an empty one is.

Touches no library; takes import paths; gives rows; runs on the driver.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from importlib import import_module
from typing import Any

from pydantic import Field, field_validator

from orchestrator.errors import OrchestratorError, RegistryError
from orchestrator.registry.sources import Kind, Listing, Settings
from orchestrator.user_code import RaisedError, user_code


class PythonSource(Settings):
    """Models and customers from functions.

    Attributes:
        models: The import path of a function that returns the models' rows.
        customers: The import path of a function that returns the customers' rows.
        arguments: The keyword arguments that both functions are called with.
    """

    models: str | None = None
    customers: str | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)

    @field_validator("models", "customers")
    @classmethod
    def _is_there(cls, path: str | None) -> str | None:
        if path is not None:
            _function(path)
        return path

    @property
    def description(self) -> str:
        """The functions' import paths."""
        return ", ".join(path for path in (self.models, self.customers) if path)

    def read(self, kind: Kind) -> Listing:
        """What the function returns, called anew."""
        path = self.models if kind == "models" else self.customers
        if path is None:
            raise RegistryError(f"{self.description}: no function is given for the list of {kind}")
        try:
            with user_code():
                return Listing(rows=_rows(_function(path)(**self.arguments), path))
        except RaisedError as raised:
            if isinstance(raised.error, OrchestratorError):
                raise raised.error from None
            raise RegistryError(f"{path} raised {raised}") from raised.error


_TABLES = ("to_dicts", "to_pylist")
"""The methods by which tables of polars and pyarrow give their rows."""


def _rows(returned: Any, path: str) -> list[Any]:
    """The rows of a list, of any other iterable, or of a table.

    Raises:
        RegistryError: It is a single text or mapping.
    """
    if isinstance(returned, str | bytes | Mapping):
        raise RegistryError(
            f"{path} returned a {type(returned).__name__}; return a list of rows, or a table"
        )
    if hasattr(returned, "to_dict") and hasattr(returned, "columns"):  # a pandas DataFrame
        named = returned.index.name is not None and returned.index.name not in returned.columns
        returned = (returned.reset_index() if named else returned).to_dict("records")
    for method in _TABLES:
        if hasattr(returned, method):
            returned = getattr(returned, method)()
    return [_without_missing(row) for row in returned]


def _without_missing(row: Any) -> Any:
    """The row without cells that pandas calls missing: NaN, NaT and NA are unlike themselves."""
    if not isinstance(row, Mapping):
        return row
    return {name: cell for name, cell in row.items() if not _is_missing(cell)}


def _is_missing(cell: Any) -> bool:
    if type(cell).__name__ == "NAType":  # pandas' NA, whose comparisons have no truth
        return True
    # datetime covers pandas' NaT. Anything else may hold many values, and compare them one by one.
    return isinstance(cell, float | datetime) and bool(cell != cell)  # noqa: PLR0124


def _function(path: str) -> Callable[..., Iterable[Any]]:
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise ValueError(f"{path!r} is no import path; write 'package.module:function'")
    try:
        with user_code():
            function = getattr(import_module(module_name), name)
    except RaisedError as error:
        raise ValueError(f"{path!r} cannot be imported ({error})") from error.error
    if not callable(function):
        raise ValueError(f"{path!r} is no function")
    found: Callable[..., Iterable[Any]] = function
    return found
