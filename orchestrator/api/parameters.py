"""`--param name=value` -> the typed arguments of a flow function.

Touches pydantic; takes text and a flow; gives its arguments; runs on the driver.
"""

import inspect
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_origin

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from orchestrator.errors import UsageError
from orchestrator.mapping import Flow
from orchestrator.records import FileRun
from orchestrator.redaction import as_variables, with_values


def split(given: Sequence[str]) -> dict[str, str]:
    """Return `["n=3", "folder=data"]` as a dict of texts.

    Raises:
        UsageError: An entry has no `=`, or a name is given twice.
    """
    texts: dict[str, str] = {}
    for entry in given:
        name, equals, text = entry.partition("=")
        if not equals or not name:
            raise UsageError(f"--param {entry}: write it as NAME=VALUE")
        if name in texts:
            raise UsageError(f"--param {name} is given twice")
        texts[name] = text
    return texts


def to_keep(texts: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the texts as a flow run stores them: clear ones, and secrets as their variables."""
    secret = {name: shown for name, text in texts.items() if (shown := as_variables(text))}
    clear = {name: text for name, text in texts.items() if name not in secret}
    return clear, secret


def kept(run: FileRun) -> dict[str, str]:
    """Return the texts that a flow run has stored, with the current values of the environment.

    Raises:
        UsageError: A variable is no longer set.
    """
    try:
        secret = {name: with_values(shown) for name, shown in run.secret_params.items()}
    except KeyError as error:
        raise UsageError(
            f"the environment variable {error.args[0]} is not set: a parameter of the flow run had "
            "its value, which is not kept; set it, then try again"
        ) from error
    return {**run.params, **secret}


def typed(flow: Flow, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the texts, converted to the types of the flow function's annotations.

    Raises:
        UsageError: A name is unknown, a parameter without a default is missing, or a text is not
            valid for its type.
    """
    known = _parameters(flow)
    for name in texts:
        if name not in known:
            raise UsageError(f"flow {flow.name!r} has no parameter {name!r}; {_hint(name, known)}")
    missing = [name for name, p in known.items() if p.default is p.empty and name not in texts]
    if missing:
        wanted = " ".join(f"--param {name}=..." for name in missing)
        raise UsageError(f"flow {flow.name!r} needs {wanted}; {_signature(known)}")
    return {name: _value(flow, known[name], text) for name, text in texts.items()}


def _parameters(flow: Flow) -> dict[str, inspect.Parameter]:
    try:
        signature = inspect.signature(flow.function, eval_str=True)
    except NameError as error:
        raise UsageError(f"flow {flow.name!r}: an annotation cannot be read: {error}") from error
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: p for name, p in signature.parameters.items() if p.kind in named}


def _value(flow: Flow, parameter: inspect.Parameter, text: str) -> Any:
    """Return the text converted as a plain text if its type allows that, else parsed as JSON."""
    wanted = _type(parameter)
    try:
        adapter = TypeAdapter(wanted)
    except PydanticSchemaGenerationError as error:
        raise UsageError(
            f"flow {flow.name!r}: parameter {parameter.name!r} is a {_name(wanted)}, which cannot "
            "be given on the command line"
        ) from error
    try:
        return adapter.validate_strings(text)
    except ValidationError as as_text:
        try:
            return adapter.validate_json(text)
        except ValidationError as as_json:
            reason = _reason(as_text, as_json)
            raise UsageError(
                f"flow {flow.name!r}: --param {parameter.name}={text} is no {_name(wanted)}: "
                f"{reason}"
            ) from as_json


def _reason(as_text: ValidationError, as_json: ValidationError) -> str:
    """Return the error of the reading, as text or as JSON, that comes closest to the type."""
    text, json = as_text.errors()[0], as_json.errors()[0]
    if json["type"] != "json_invalid":
        return json["msg"]
    return "write it as JSON" if text["type"].endswith("_type") else text["msg"]


def _type(parameter: inspect.Parameter) -> Any:
    """Return the annotated type, else the type of the default, else `str`."""
    if parameter.annotation is not parameter.empty:
        return parameter.annotation
    return str if parameter.default in (parameter.empty, None) else type(parameter.default)


def _name(wanted: Any) -> str:
    """Return the type's notation: `int`, `list[int]`."""
    return str(getattr(wanted, "__name__", wanted) if get_origin(wanted) is None else wanted)


def _hint(name: str, known: Mapping[str, inspect.Parameter]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else _signature(known)


def _signature(known: Mapping[str, inspect.Parameter]) -> str:
    if not known:
        return "it takes none"
    return "it takes " + ", ".join(str(parameter) for parameter in known.values())
