"""The parameters of an estimator that a registry row may set, and the values it may give them.

A row may tune an estimator. It may not name a place to write to or read from, have anything
imported, or have code run. For scikit-learn, LightGBM, XGBoost and CatBoost the lists in
`libraries` say which parameters do that. A parameter of any other class is judged by its name, and
a text by its shape: texts that look like a path, an address, an import path or a call are refused.

A parameter that is refused wrongly can be allowed by the configuration, which names it among
`evaluation.allowed` as `package.module:Class.parameter`.

Touches no library; takes a class, a name and a value; gives a reason; driver and workers. It
follows values to any depth, and calls nothing of the class.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from orchestrator.permissions.libraries import ANY_TEXT, CHOICES, DENIED

_ALWAYS = re.compile(
    r"(^|_)(callbacks?|hooks?|plugins?|snapshots?|checkpoints?|save|write|writing|dump|export|"
    r"download|cmd|command|script|exec|backend|scheduler|client|socket|port|fd|files?|"
    r"\w*(?<!pro)file|\w*filename|\w*dir|\w*directory|\w*folder|machines)(_|$)"
    r"|^(memory|func|inverse_func|callable|function|module|pre_dispatch)$",
    re.IGNORECASE,
)
"""Names of which no value is harmless: `true` makes them write, a number is an open file."""

_FOR_TEXT = re.compile(
    r"(^|_)(cache|log|logs|logger|\w*path|paths|\w*url|\w*uri|address|hosts?|server|"
    r"storage|import|location|bucket|joblib|pickle)(_|$)",
    re.IGNORECASE,
)
"""Names that may well mean a number or a switch, but with a text name a place or code."""

_PLACE_OR_CODE = re.compile(
    r"""
    [/\\]                                   # a path, an address
    | :: | __ | \(                          # a chain, a private name, a call
    | ^[~.@$]                               # a home, a relative path, a variable
    | ^[a-z_]\w*(\.[a-z_]\w*)+([:.]\w+)*$   # os.system, model.pkl
    | ^[\w.]*\.[\w.]*:[a-z_]\w*             # package.module:name
    | [\x00-\x1f\x7f]
    """,
    re.IGNORECASE | re.VERBOSE,
)

_SMUGGLED = re.compile(r"[\s=]")
"""LightGBM reads its parameters from one text, `name=value name=value`."""


def refusal(owner: type, name: str, value: Any, allowed: Collection[str] = ()) -> str:
    """Return the reason why a row may not set a parameter to a value; "" where it may.

    Args:
        owner: The class of the estimator whose own parameter it is.
        name: The parameter's name there, without the names of steps before it.
        value: Text, a number, a list or a mapping, as a row holds it.
        allowed: Parameters that the configuration allows, as `package.module:Class.parameter`.
    """
    if value is None or value is False or allowance(owner, name) in allowed:
        return ""
    library = _library(owner, name)
    reason = _denied(library, name, value)
    if not reason:
        reason = _refusal_of_value(library, name, value)
    return f"{reason}; {_cure(owner, name)}" if reason else ""


def allowance(owner: type, name: str) -> str:
    """The entry of `evaluation.allowed` that lets rows set a parameter to anything."""
    return f"{owner.__module__}:{owner.__qualname__}.{name}"


def _library(owner: type, name: str) -> str:
    """The known library whose class takes the parameter; "" for a parameter of another class."""
    for base in reversed(owner.__mro__):
        package = base.__module__.partition(".")[0]
        if package in DENIED and (package != "sklearn" or _takes(base, name)):
            return package
    return ""


def _takes(base: type, name: str) -> bool:
    code = getattr(base.__dict__.get("__init__"), "__code__", None)
    return (
        code is not None and name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    )


def _denied(library: str, name: str, value: Any) -> str:
    if name in DENIED.get(library, {}):
        return f"rows may not set it: it {DENIED[library][name]}"
    if library == "sklearn":
        return ""
    if _ALWAYS.search(name) or (_has_text(value) and _FOR_TEXT.search(name)):
        return "rows may not set it: by its name it stands for a place, a file or code"
    return ""


def _refusal_of_value(library: str, name: str, value: Any) -> str:
    if isinstance(value, Mapping):
        return _first(_refusal_of_entry(library, name, key, each) for key, each in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return _first(_refusal_of_value(library, name, each) for each in value)
    if isinstance(value, str):
        return _refusal_of_text(library, name, value)
    if value is None or isinstance(value, bool | int | float):
        return ""
    return f"rows may not give it a {type(value).__name__}: only text, numbers, lists and mappings"


def _refusal_of_entry(library: str, name: str, key: Any, value: Any) -> str:
    if name in ANY_TEXT.get(library, ()):
        return _refusal_of_value(library, name, value)
    inner = _denied("", str(key), value) if value is not None and value is not False else ""
    if inner:
        return f"rows may not set {key!r} inside it: by its name it stands for a place or code"
    return _refusal_of_value(library, name, key) or _refusal_of_value(library, name, value)


def _refusal_of_text(library: str, name: str, text: str) -> str:
    choices = CHOICES.get(library, {}).get(name)
    if choices is not None:
        fits = choices.fullmatch(text) and "__" not in text
        return "" if fits else f"rows may not give it {text!r}, only {choices.pattern}"
    if name in ANY_TEXT.get(library, ()):
        return ""
    if _PLACE_OR_CODE.search(text) or (library == "lightgbm" and _SMUGGLED.search(text)):
        return f"rows may not give it {text!r}, which reads like a path, an address or code"
    return ""


def _has_text(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_text, value.values()))
    if isinstance(value, list | tuple | set | frozenset):
        return any(map(_has_text, value))
    return isinstance(value, str)


def _first(reasons: Any) -> str:
    return next(filter(None, reasons), "")


def _cure(owner: type, name: str) -> str:
    return (
        "leave it out, or add "
        f"'{allowance(owner, name)}' to `evaluation.allowed` in the configuration"
    )
