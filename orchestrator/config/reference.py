"""The page of every key, `docs/configuration.md`, written from the schema and the examples.

Touches no library; takes only the schema; gives Markdown; runs on the driver.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from orchestrator.config.examples import whole_examples
from orchestrator.config.schema import SOURCE, STRATEGY, VARIABLE, Schema, objects_of, schema

_INTRODUCTION = """\
# Configuration

An experiment is configured by one YAML file. Three keys are required; this is a whole file:

```yaml
experiment: flights
registry: {source: file, path: lists.yaml}
evaluation: {loader: "experiments.flights:load"}
```

Any text of the file may name an environment variable, as `${NAME}`; its value is used and never
shown. Only the rows of an `inline` registry are stored as written.

Relative addresses start from the folder of the file, or from the one that `root` names. A command
reads the file that `--config` names, else the one in `$ORCHESTRATOR_CONFIG`, else
`orchestrator.yaml`, else the only one in `configs/`. Every wrong key is reported before anything
starts.

Editors check a file while you write it, and complete its keys, if its first line names the schema:

```yaml
# yaml-language-server: $schema=configuration.schema.json
```

`orchestrator config schema > configuration.schema.json` writes that JSON Schema, with the settings
of the sources and strategies that are installed, your own included.
[configuration.schema.json](configuration.schema.json) is the one of a plain installation.

This page is written by `orchestrator config docs`; `make docs` writes it and the schema again.
"""

_HEADER = "| key | type | default | example | meaning |\n|---|---|---|---|---|"

_CHOICES = {"registry": SOURCE, "search": STRATEGY}
"""Sections with settings that depend on a choice, and the prefixes of its definitions."""

_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true`, `false`",
    "object": "mapping",
}


Row = tuple[str, ...]


def reference() -> str:
    """Return the page in Markdown."""
    found = schema()
    return "\n".join([_INTRODUCTION, *_sections(found, found["$defs"]), *_whole_files()])


def _sections(page: Schema, definitions: Schema) -> Iterator[str]:
    """Yield the top level, each key that holds keys, and the keys of sources and strategies."""
    yield "## The top level\n"
    yield _table(_top_level(page["properties"], page["required"]))
    for name, key in page["properties"].items():
        objects = list(objects_of(key, definitions))
        choices = _CHOICES.get(name, "")
        if not objects and not choices:
            continue
        yield f"## `{name}`\n\n{key['description']}\n"
        if objects:
            yield _table(row for each in objects for row in _rows(each, definitions))
        for each, chosen in definitions.items():
            if choices and each.startswith(choices):
                yield _choice(each, chosen, key, definitions)


def _choice(name: str, chosen: Schema, section: Schema, definitions: Schema) -> str:
    """Return the section of the settings that only one source or strategy has."""
    common = {*section.get("properties", ()), "source"}
    own = {key: value for key, value in chosen["properties"].items() if key not in common}
    kind, _, value = name.partition("-")
    rows = list(_rows({"properties": own, "required": chosen["required"]}, definitions))
    table = _table(rows) if rows else "It has no settings of its own.\n"
    return f"### `{kind}: {value}`\n\n{chosen['description']}\n\n{table}"


def _table(rows: Iterable[Row]) -> str:
    return "\n".join([_HEADER, *("| " + " | ".join(map(_cell, row)) + " |" for row in rows), ""])


def _top_level(keys: Schema, required: Collection[str]) -> Iterator[Row]:
    """Yield a row for each key; a key that holds keys links to its section."""
    for name, key in keys.items():
        shown, *rest = _row(name, key, is_required=name in required)
        is_section = "$ref" in key or name in _CHOICES
        yield (f"[{shown}](#{name})" if is_section else shown, *rest)


def _rows(section: Schema, definitions: Schema, path: str = "") -> Iterator[Row]:
    """Yield a row for each key of an object, and for each nested key."""
    for name, key in section["properties"].items():
        yield _row(f"{path}{name}", key, is_required=name in section.get("required", ()))
        for inner in objects_of(key, definitions):
            yield from _rows(inner, definitions, f"{path}{name}.")


def _row(name: str, key: Schema, *, is_required: bool) -> Row:
    examples = ", ".join(map(_code, key.get("examples", ())))
    default = "required" if is_required else _default(key)
    return f"`{name}`", _type_of(key), default, examples, key["description"]


def _type_of(key: Schema) -> str:
    """Return the type in words, without the variable that may replace any value."""
    if "anyOf" in key:
        types = [_type_of(each) for each in key["anyOf"] if each != VARIABLE]
        return " or ".join(dict.fromkeys(each for each in types if each))
    if "enum" in key:
        return ", ".join(map(_code, key["enum"]))
    if "const" in key:
        return _code(key["const"])
    if "$ref" in key:
        return "mapping"
    if key.get("type") == "array":
        return f"list of {_type_of(key.get('items', {})) or 'anything'}"
    return f"{_TYPES.get(key.get('type', ''), '')}{_bounds(key)}"


def _bounds(key: Schema) -> str:
    limits = {
        "above": key.get("exclusiveMinimum"),
        "at least": key.get("minimum"),
        "at most": key.get("maximum"),
    }
    stated = [f"{word} {limit:,.10g}" for word, limit in limits.items() if limit is not None]
    return "".join(f", {each}" for each in stated)


def _default(key: Schema) -> str:
    """Return the default; "" if there is none, or if the meaning states it."""
    default = key.get("default")
    return "" if default is None or default in ([], {}) else _code(default)


def _whole_files() -> Iterator[str]:
    yield "## Whole files\n\nEach is a valid configuration; together they show every key.\n"
    for example in whole_examples():
        yield f"### {example.title}\n\n```yaml\n{example.text.rstrip()}\n```\n"


def _code(value: Any) -> str:
    """Return a value as one line of YAML."""
    written = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"`{written}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
