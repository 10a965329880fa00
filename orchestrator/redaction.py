"""Secrets that must not be shown: values that the configuration takes from the environment.

`${NAME}` in the configuration most often stands for a secret, and a library's message may quote
it. The configuration declares each such value here; errors, messages and logs pass through
`redacted`, which writes `${NAME}` again. A value of fewer than four characters is left: it keeps
nothing secret, and its replacement would make every text unreadable.

The driver alone reads the configuration. Its worker processes inherit the environment, and with it
the names of these variables: what a task's exception quotes is hidden before it leaves a worker.

Touches the environment; takes and gives text; driver and workers.
"""

import json
import os
import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import quote, unquote, urlsplit

_SHORTEST = 4

_VARIABLES = "ORCHESTRATOR_SECRET_VARIABLES"
"""The variable that passes the names to worker processes, separated by commas; never a value."""

_VARIABLE = re.compile(r"\$\{(\w+)\}")

# Global to the process, like the loggers: a library's thread may log secrets, too.
_names: dict[str, str] = {}


def keep_secret(name: str, value: str) -> None:
    """Never show this value from now on, nor the password in it where it is an address.

    Args:
        name: The name of the environment's variable, which is shown in its place.
        value: The secret, which is found plain, quoted, or escaped in a URL.
    """
    declared = [*filter(None, os.environ.get(_VARIABLES, "").split(",")), name]
    os.environ[_VARIABLES] = ",".join(dict.fromkeys(declared))
    _remember(name, value)


def redacted(text: str) -> str:
    """The text with `${NAME}` in place of every value that is kept secret."""
    _inherit()
    if not _names:
        return text
    return _pattern(tuple(_names)).sub(lambda found: f"${{{_names[found.group()]}}}", text)


def without_secrets(value: Any) -> Any:
    """Plain values with `${NAME}` in place of secrets, also of one that was read as a number."""
    if isinstance(value, Mapping):
        return {name: without_secrets(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(each) for each in value]
    shown = redacted(str(value))
    return value if shown == str(value) else shown


def as_variables(text: str) -> str | None:
    """The text with `${NAME}` in it, if `with_values` makes of that the same text again."""
    shown = redacted(text)
    if shown == text or "${" in text:
        return None
    known = all(name in os.environ for name in _VARIABLE.findall(shown))
    return shown if known and with_values(shown) == text else None


def with_values(text: str) -> str:
    """The text with the environment's values in place of every `${NAME}`.

    Raises:
        KeyError: There is no such variable.
    """
    return _VARIABLE.sub(lambda found: os.environ[found.group(1)], text)


@cache
def _inherit() -> None:
    """Take over the secrets that the driver knows, once, in a worker process."""
    for name in os.environ.get(_VARIABLES, "").split(","):
        if name in os.environ:
            _remember(name, os.environ[name])


def _remember(name: str, value: str) -> None:
    for secret in {value, _password(value)}:
        for form in {secret, quote(secret, safe=""), unquote(secret), *_quoted(secret)}:
            if len(form) >= _SHORTEST:
                _names[form] = name


@cache
def _pattern(secrets: tuple[str, ...]) -> re.Pattern[str]:
    """Any of these, the longest first, since one may be a part of another."""
    return re.compile("|".join(map(re.escape, sorted(secrets, key=len, reverse=True))))


def _password(value: str) -> str:
    try:
        return urlsplit(value).password or ""
    except ValueError:  # such as half an IPv6 address: no URL
        return ""


def _quoted(text: str) -> tuple[str, ...]:
    """The text in the forms that Python and JSON write within quotes."""
    return repr(text)[1:-1], json.dumps(text)[1:-1]
