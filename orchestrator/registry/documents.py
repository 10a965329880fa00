"""YAML and JSON read as data: no tags that create objects, no alias bombs, no repeated keys.

Touches PyYAML; takes text; gives JSON-like values; runs on the driver. Also reads the
configuration file.
"""

import json
import re
from typing import Any

import yaml

_DEEPEST = 100
"""The deepest allowed nesting of lists and mappings."""

_ALIASES_MAY_GROW = 10
"""The factor by which aliases may enlarge a YAML document beyond its text."""


def read_json(text: str) -> Any:
    """Return the value of a JSON text; NaN and infinities pass, for the row's own checks to refuse.

    Raises:
        ValueError: The text is not JSON, is nested too deeply, or an object repeats a key.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error


def read_yaml(text: str) -> Any:
    """Return the value of a YAML text, read by the safe loader.

    Raises:
        ValueError: The text is not YAML, has Python tags, repeats a key, or grows through aliases.
    """
    loader = _Loader(text)
    try:
        _refuse_deep_nesting(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _refuse_alias_bomb(node)
        _refuse_repeated_keys(node)
        return loader.construct_document(node)
    except yaml.YAMLError as error:
        raise ValueError(_on_one_line(error)) from error
    except RecursionError as error:
        raise ValueError("is nested too deeply") from error
    finally:
        loader.dispose()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # `add` returns None
        raise ValueError(f"has the key {twice!r} twice")
    return found


_PLAIN_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_PLAIN_FLOAT = re.compile(r"[-+]?([0-9.]+([eE][-+]?[0-9]+)?|\.(inf|nan))", re.IGNORECASE)

# The C parser is ten times faster; PyYAML is sometimes built without it.
_FastestSafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_FastestSafeLoader):  # type: ignore[misc]  # its base is chosen at run time
    """A safe loader that refuses numbers YAML 1.1 misreads, and reads `1e-3` as a number."""

    def construct_plain_int(self, node: Any) -> int:
        """Accept plain digits only: YAML 1.1 misreads `0123`, `0x1F`, `12_34` and `12:30`."""
        _require(_PLAIN_INT, node)
        return int(node.value)

    def construct_plain_float(self, node: Any) -> float:
        """Accept plain numbers only: not `1_0.5`, nor `12:30.5`, which is base 60."""
        _require(_PLAIN_FLOAT, node)
        return float(self.construct_yaml_float(node))


# YAML 1.1 reads a float without a decimal point as text. `1e3` stays text, because it may be an id
# that PyYAML wrote without quotes; an id such as `1e-3` is not plausible.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE]-[0-9]+$"), list("-+0123456789")
)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_plain_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_plain_float)


def _require(plain: re.Pattern[str], node: Any) -> None:
    if not plain.fullmatch(node.value):
        raise _wrong(node, f"{node.value} would be read as another number; put it in quotes")


def _refuse_deep_nesting(text: str) -> None:
    """Check the parsing events: the C parser would overflow its stack while composing nodes."""
    depth = 0
    for event in yaml.parse(text, Loader=_FastestSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST:
            raise yaml.YAMLError("is nested too deeply")


def _refuse_alias_bomb(root: Any) -> None:
    """Compare the number of nodes written with the number after every alias is expanded."""
    sizes: dict[int, int | None] = {}
    if _expanded_size(root, sizes) > _ALIASES_MAY_GROW * len(sizes):
        raise yaml.YAMLError("its aliases multiply it; write the values out")


def _expanded_size(node: Any, sizes: dict[int, int | None]) -> int:
    known = sizes.get(id(node), 0)
    if known is None:
        raise yaml.YAMLError("an alias stands inside the node it refers to")
    if known:
        return known
    sizes[id(node)] = None
    size = 1 + sum(_expanded_size(child, sizes) for child in _children(node))
    sizes[id(node)] = size
    return size


def _refuse_repeated_keys(root: Any) -> None:
    """Check before anything is constructed: merging (`<<`) repeats keys on purpose."""
    nodes, seen = [root], {id(root)}
    while nodes:
        node = nodes.pop()
        _refuse_repeated_key(node)
        new = [child for child in _children(node) if id(child) not in seen]
        seen.update(map(id, new))
        nodes += new


def _refuse_repeated_key(node: Any) -> None:
    if not isinstance(node, yaml.MappingNode):
        return
    seen = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.value in seen:
            raise _wrong(node, f"has the key {key.value!r} twice")
        seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))


def _wrong(node: Any, problem: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _children(node: Any) -> list[Any]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _on_one_line(error: yaml.YAMLError) -> str:
    """Return PyYAML's message on one line, without the `<unicode string>` it shows as file name."""
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if problem is None or mark is None:
        return " ".join(str(error).split())
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
