"""The source `python`: lists that the user's own function returns, `package.module:function`.

The configuration names the function. Its result passes the same checks as that of any other
source. It may be a pandas, polars or pyarrow table; a cell that pandas considers missing is left
out, like an empty one.

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
        """The functions' import paths, for messages."""
        return ", ".join(path for path in (self.models, self.customers) if path)

    def read(self, kind: Kind) -> Listing:
        """Call the function and return its rows."""
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
"""The methods that return the rows of a polars or a pyarrow table."""


def _rows(returned: Any, path: str) -> list[Any]:
    """Return the rows of a list, of any other iterable, or of a table.

    Raises:
        RegistryError: The function returned a single text or mapping.
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
    """Return the row without NaN, NaT and NA, which do not equal themselves."""
    if not isinstance(row, Mapping):
        return row
    return {name: cell for name, cell in row.items() if not _is_missing(cell)}


def _is_missing(cell: Any) -> bool:
    if type(cell).__name__ == "NAType":  # pandas' NA: its comparisons have no truth value
        return True
    # datetime covers pandas' NaT. Other types may hold many values and compare element by element.
    return isinstance(cell, float | datetime) and bool(cell != cell)  # noqa: PLR0124


def _function(path: str) -> Callable[..., Iterable[Any]]:
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise ValueError(f"{path!r} is not an import path; write 'package.module:function'")
    try:
        with user_code():
            function = getattr(import_module(module_name), name)
    except RaisedError as error:
        raise ValueError(f"{path!r} cannot be imported ({error})") from error.error
    if not callable(function):
        raise ValueError(f"{path!r} is not a function")
    found: Callable[..., Iterable[Any]] = function
    return found
