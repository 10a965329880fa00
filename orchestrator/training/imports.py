"""Functions of the user's project, named in the configuration as `package.module:function`.

The configuration may name any code, because it belongs to the project; the registry may not
(law 8).

Touches no library; takes an import path; gives the callable at it; driver and workers.
"""

import inspect
from importlib import import_module
from typing import Any

from orchestrator.errors import ConfigError
from orchestrator.user_code import RaisedError, user_code


def find_function(path: str, *, what: str, key: str) -> Any:
    """Return the callable at `package.module:function`.

    Args:
        path: The import path.
        what: The noun for the callable in messages, such as "loader".
        key: The configuration's key that holds the path.

    Raises:
        ConfigError: The path is malformed, cannot be imported, or does not name a callable.
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
    """Whether a callable is an object or a partial, which gets values from the module that made it.

    Such a callable is defined apart from the function or class behind it.
    """
    return not (inspect.isroutine(found) or isinstance(found, type))
