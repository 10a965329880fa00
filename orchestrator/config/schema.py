"""The JSON Schema of a configuration file, for editors and for programs that write such files.

It states every key of the file, the settings of every installed source and strategy included, with
type, bounds, default, meaning and an example. `${NAME}` is valid wherever the configuration
accepts the text of an environment variable.

Touches pydantic; takes only the installed packages; gives plain values; runs on the driver.
"""

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from pydantic import PydanticSchemaGenerationError, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from orchestrator import plugins
from orchestrator.clusters import kinds
from orchestrator.config.attribute_docs import attribute_docs, summary_of
from orchestrator.config.examples import Examples, read_examples
from orchestrator.config.metrics import CONSTRAINT
from orchestrator.config.sections import Configuration
from orchestrator.errors import ConfigError
from orchestrator.records import Search
from orchestrator.registry import sources
from orchestrator.search import strategies
from orchestrator.settings import ExperimentSettings

Schema = dict[str, Any]

DIALECT = "http://json-schema.org/draft-07/schema#"
"""The draft that editors support best."""

SOURCE, STRATEGY = "source-", "strategy-"
"""The prefixes of definitions with the settings of one source or one strategy."""

_NONE = re.compile(r"\bNone\b")
_SOURCE = "The kind of source, which has settings of its own."

VARIABLE: Schema = {"type": "string", "pattern": r"\$\{\w+\}"}
"""A text in which an environment variable is named."""


def schema() -> Schema:
    """Return the JSON Schema of a configuration, with the sources and strategies installed here."""
    found = Configuration.model_json_schema(schema_generator=_Documented)
    definitions, properties = found["$defs"], found["properties"]
    _as_written(definitions["Evaluation"]["properties"])
    del definitions["Constraint"]
    properties["registry"] |= _registry(definitions)
    _add_kinds(definitions["Cluster"]["properties"])
    properties["search"] = {
        "description": properties["search"]["description"],
        **_search(definitions.pop("Search"), definitions),
    }
    examples = read_examples()
    _add_examples(found, "", definitions, examples)
    for name, definition in definitions.items():
        kind, _, chosen = name.partition("-")
        if chosen:
            section = "registry" if kind == "source" else "search"
            _add_examples(definition, f"{section}[{chosen}]", definitions, examples)
    return {"$schema": DIALECT, "title": "A configuration of orchestrator", **found}


class _Documented(GenerateJsonSchema):
    """A generator that describes keys by docstrings, and accepts variables in place of values."""

    schema_dialect = DIALECT

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        return _documented(super().model_schema(schema), schema["cls"])

    def dataclass_schema(self, schema: Any) -> JsonSchemaValue:
        return _documented(super().dataclass_schema(schema), schema["cls"])

    def bool_schema(self, schema: Any) -> JsonSchemaValue:
        return _or_variable(super().bool_schema(schema))

    def literal_schema(self, schema: Any) -> JsonSchemaValue:
        return _or_variable(super().literal_schema(schema))

    def str_schema(self, schema: Any) -> JsonSchemaValue:
        found = super().str_schema(schema)
        return _or_variable(found) if "pattern" in found else found

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


class _DocumentedOptions(_Documented):
    """The generator for settings of sources, whose numbers may also be texts."""

    def int_schema(self, schema: Any) -> JsonSchemaValue:
        return _or_variable(super().int_schema(schema))

    def float_schema(self, schema: Any) -> JsonSchemaValue:
        return _or_variable(super().float_schema(schema))


def _or_variable(found: JsonSchemaValue) -> JsonSchemaValue:
    return {"anyOf": [found, VARIABLE]}


def _documented(found: JsonSchemaValue, cls: type) -> JsonSchemaValue:
    """Return the schema of a class, with the meaning of each key and without titles."""
    found.pop("title", None)
    found["description"] = summary_of(cls)
    docs = _meanings(cls)
    if cls.__module__ == Configuration.__module__:  # most of its keys become the experiment's
        docs = {**_meanings(ExperimentSettings), **docs}
    for name, key in found["properties"].items():
        if name in docs:
            key["description"] = docs[name]
        if isinstance(key.get("default"), dict):  # of a section, whose keys have their own
            del key["default"]
    return found


def _meanings(cls: object) -> Mapping[str, str]:
    """Return the meanings of a class's attributes, in the terms of YAML."""
    return {name: _NONE.sub("`null`", text) for name, text in attribute_docs(cls).items()}


def _as_written(evaluation: Schema) -> None:
    """Describe metrics as a configuration writes them, before they become a record."""
    evaluation["constraints"]["items"] = {"type": "string", "pattern": f"^{CONSTRAINT.pattern}$"}
    for name in ("metric", "metrics"):  # their defaults depend on the other keys
        del evaluation[name]["default"]


def _registry(definitions: Schema) -> Schema:
    """Return the schema of `registry`: one source for both lists, or one for each."""
    made = _installed(sources.ENTRY_POINTS)
    for name, make in made.items():
        definitions[SOURCE + name] = _options(
            make, _DocumentedOptions, {"source": {"const": name}}, ["source"]
        )
    names = list(made)
    definitions["source"] = {
        "type": "object",
        "properties": {"source": _or_variable({"enum": names}) | {"description": _SOURCE}},
        "required": ["source"],
        **_by_name("source", SOURCE, names),
    }
    each = {"$ref": "#/$defs/source"}
    return {
        "type": "object",
        "if": {"required": ["source"]},
        "then": each,
        "else": {
            "properties": {
                kind: {"allOf": [each], "description": f"The source of the list of {kind}."}
                for kind in ("models", "customers")
            },
            "required": ["models", "customers"],
            "additionalProperties": False,
        },
    }


def _add_kinds(cluster: Schema) -> None:
    """Add the installed kinds of clusters, and the keys that belong to one kind."""
    made = _installed(kinds.ENTRY_POINTS)
    kind = {name: cluster["kind"][name] for name in ("description", "default")}
    cluster["kind"] = _or_variable({"enum": list(made)}) | kind
    del cluster["settings"]
    for make in made.values():
        cluster.update(_options(make, _Documented, {}, [])["properties"])


def _search(common: Schema, definitions: Schema) -> Schema:
    """Return the schema of `search`: the common keys, and the settings of each strategy."""
    made = _installed(strategies.ENTRY_POINTS)
    properties = {name: key for name, key in common["properties"].items() if name != "settings"}
    default = next(field.default for field in fields(Search) if field.name == "strategy")
    properties["strategy"] = _or_variable({"enum": list(made)}) | {
        "description": properties["strategy"]["description"],
        "default": default,
    }
    for name, make in made.items():
        shared = properties | {"strategy": {"const": name}}
        required = [] if name == default else ["strategy"]
        definitions[STRATEGY + name] = _options(make, _Documented, shared, required)
    chosen = _by_name("strategy", STRATEGY, list(made))
    unnamed = {"$ref": f"#/$defs/{STRATEGY}{default}"}
    chosen["allOf"].append({"if": {"not": {"required": ["strategy"]}}, "then": unnamed})
    return {
        "type": "object",
        "description": common["description"],
        "properties": properties,
        **chosen,
    }


def _by_name(key: str, prefix: str, names: Iterable[str]) -> Schema:
    """Return the choice of a definition by the value of a key."""
    return {
        "allOf": [
            {
                "if": {"properties": {key: {"const": name}}, "required": [key]},
                "then": {"$ref": f"#/$defs/{prefix}{name}"},
            }
            for name in names
        ]
    }


def _installed(group: str) -> Mapping[str, Any]:
    """Return the classes of an entry point group by name, without those that fail to import."""
    found = {}
    for name in plugins.names(group):
        try:
            found[name] = plugins.load(group, name, noun="implementation", key="")
        except ConfigError:
            continue
    return found


def _options(
    make: Any, generator: type[GenerateJsonSchema], shared: Schema, required: list[str]
) -> Schema:
    """Return the schema of a class's settings, together with the shared ones."""
    docs = _meanings(make)
    parameters = inspect.signature(make, eval_str=True).parameters.values()
    named = [each for each in parameters if each.kind is not each.VAR_KEYWORD]
    own = {each.name: _option(each, generator, docs.get(each.name)) for each in named}
    needed = [each.name for each in named if each.default is each.empty]
    return {
        "type": "object",
        "description": summary_of(make),
        "properties": shared | own,
        "required": required + needed,
        "additionalProperties": len(named) < len(parameters),
    }


def _option(
    parameter: inspect.Parameter, generator: type[GenerateJsonSchema], meaning: str | None
) -> Schema:
    found: Schema = {}
    if parameter.annotation is not parameter.empty:
        try:
            found = TypeAdapter(parameter.annotation).json_schema(schema_generator=generator)
        except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema):
            found = {}  # a type of a third-party class, without a schema
    found.pop("writeOnly", None)
    if meaning:
        found["description"] = meaning
    if isinstance(parameter.default, str | int | float | bool):
        found["default"] = parameter.default
    return found


def objects_of(key: Schema, definitions: Schema) -> Iterator[Schema]:
    """Yield the objects that a key may hold, each with its `properties`.

    Args:
        key: The schema of one key.
        definitions: The definitions that it may refer to.
    """
    if "properties" in key:
        yield key
    if "$ref" in key:
        yield from objects_of(definitions.get(key["$ref"].rpartition("/")[2], {}), definitions)
    for each in key.get("anyOf", ()):
        yield from objects_of(each, definitions)


def _add_examples(node: Schema, path: str, definitions: Schema, examples: Examples) -> None:
    """Give each key inside an object the value that it has in the example files."""
    for place in objects_of(node, definitions):
        for name, key in place["properties"].items():
            where = f"{path}.{name}".lstrip(".")
            is_section = not path and isinstance(examples.get(where), Mapping)
            if where in examples and not is_section:
                key["examples"] = [examples[where]]
            _add_examples(key, where, definitions, examples)
