"""Functions of the user's project, named in the configuration as `package.module:function`.

The configuration may name any code, as it is the project's own; the registry may not (law 8).

Touches no library; takes an import path; gives what is there; driver and workers.
"""

import inspect
from importlib import import_module
from typing import Any

from orchestrator.errors import ConfigError
from orchestrator.user_code import RaisedError, user_code


def find_function(path: str, *, what: str, key: str) -> Any:
    """What can be called at `package.module:function`.

    Args:
        path: Where.
        what: What it is meant to be, for messages.
        key: The configuration's key that names it.

    Raises:
        ConfigError: The path is malformed, cannot be imported, or names nothing to call.
    """
    module_name, _, name = path.partition(":")
    if not module_name or not name.isidentifier():
        raise ConfigError(f"{path!r} names no {what}; write 'package.module:function'", key=key)
    try:
        with user_code():
            module = import_module(module_name)
    except RaisedError as error:
        problem = f"{what} {path!r} cannot be imported: {error}"
        raise ConfigError(problem, key=key) from error.error
    found = getattr(module, name, None)
    if not callable(found):
        problem = f"{what} {path!r}: module {module_name!r} has no such function"
        raise ConfigError(problem, key=key)
    return found


def is_defined_apart(found: Any) -> bool:
    """Whether a callable is an object or partial, with values from the module that made it."""
    return not (inspect.isroutine(found) or isinstance(found, type))
