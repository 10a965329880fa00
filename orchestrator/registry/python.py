"""Lists that a function of yours returns: `package.module:function`.

The function is named in the configuration, whose author it belongs to; what it returns is data
like that of any other source, and goes through the same checks.

Touches no library; takes import paths; gives rows; runs on the driver.
"""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

from pydantic import Field, field_validator

from orchestrator.errors import OrchestratorError, RegistryError
from orchestrator.registry.sources import Kind, Listing, Settings


class PythonSource(Settings):
    """Models and customers from functions.

    Attributes:
        models: The import path of a function that returns the models' rows.
        customers: The import path of a function that returns the customers' rows.
        arguments: Keyword arguments both are called with.
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
            return Listing(rows=list(_function(path)(**self.arguments)))
        except OrchestratorError:
            raise
        except (Exception, SystemExit) as error:  # a user's function may raise anything
            raise RegistryError(f"{path} raised {type(error).__name__}: {error}") from error


def _function(path: str) -> Callable[..., Iterable[Any]]:
    module_name, _, name = path.partition(":")
    if not module_name or not name:
        raise ValueError(f"{path!r} is no import path; write 'package.module:function'")
    try:
        function = getattr(import_module(module_name), name)
    except (Exception, SystemExit) as error:  # a user's module may raise anything at import
        problem = f"{path!r} cannot be imported ({type(error).__name__}: {error})"
        raise ValueError(problem) from error
    if not callable(function):
        raise ValueError(f"{path!r} is no function")
    found: Callable[..., Iterable[Any]] = function
    return found
