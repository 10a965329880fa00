"""The `key` option: templates such as "{customer}/{model}", and what a key function may give.

Touches no library; pure; takes what the user wrote; gives parts of a key; runs on the driver.
"""

from functools import lru_cache
from string import Formatter
from typing import Any

from orchestrator import keys
from orchestrator.errors import FlowError


@lru_cache
def template_parts(template: str) -> tuple[str, ...]:
    """A template as one template for each part of the key: its own slashes part, not its values'.

    Raises:
        ValueError: It is not a template, such as "{customer".
    """
    parts = [""]
    for literal, name, spec, conversion in Formatter().parse(template):
        first, *others = literal.replace("{", "{{").replace("}", "}}").split("/")
        parts[-1] += first
        parts += others
        if name is not None:
            converted = f"!{conversion}" if conversion else ""
            parts[-1] += f"{{{name}{converted}{f':{spec}' if spec else ''}}}"
    return tuple(parts)


@lru_cache
def template_names(template: str) -> tuple[str, ...]:
    """The arguments that a template names.

    Raises:
        ValueError: It is not a template, or one of its fields has no name.
    """
    names = []
    for _, name, spec, _ in Formatter().parse(template):
        if name is None:
            continue
        argument = name.partition(".")[0].partition("[")[0]
        if not argument or argument.isdigit():
            raise ValueError("write the name of an argument in each pair of braces")
        names += [argument, *template_names(spec or "")]
    return tuple(names)


def key_from(given: Any) -> str:
    """The key that a key function gave: a text, or a tuple of texts, one for each part.

    Raises:
        FlowError: It gave nothing, or a container that is not a tuple.
    """
    parts = given if type(given) is tuple else (given,)
    for part in parts:
        if part is None or isinstance(part, list | tuple | dict | set | frozenset):
            raise FlowError(_refusal(part))
    if not parts:
        raise FlowError(_refusal(given))
    return keys.join(*map(str, parts))


def _refusal(given: Any) -> str:
    kind = "None" if given is None else f"a {type(given).__name__}"
    return f"option 'key' gave {kind}; it must give a text, or a tuple of texts"
