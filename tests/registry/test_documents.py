"""YAML and JSON are read as data, and refuse what only looks like data."""

import pytest

from orchestrator.registry.documents import read_json, read_yaml

BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (BOMB, "aliases multiply it"),
        ("a: &a [*a]", "an alias stands inside the node it refers to"),
        ("!!python/object/apply:os.system ['true']", "python/object"),
        ("!!python/name:os.system ", "python/name"),
        ("!custom 5", "!custom"),
        ("a: 1\nb: 2\na: 3", "line 1, column 1: has the key 'a' twice"),
        ("x: {a: 1, a: 2}", "has the key 'a' twice"),
        ("id: 0123", "line 1, column 5: 0123 would be read as another number; put it in quotes"),
        ("id: 12:30", "put it in quotes"),
        ("a: 1\nid: 12_34", "line 2, column 5: 12_34 would be read as another number"),
        ("id: 0x1F", "put it in quotes"),
        ("id: 0b11", "put it in quotes"),
        ("id: 1_0.5", "put it in quotes"),
        ("id: 12:30.5", "put it in quotes"),
        ("a: [1", "line 2, column 1: did not find"),
        ("a: \x07", "not allowed"),
        ("[" * 100_000, "nested too deeply"),
        ("- " * 100_000, "nested too deeply"),
        ("a: 1\n---\nb: 2", "found another document"),
    ],
    ids=lambda value: value[:20],
)
def test_unsafe_or_broken_yaml_is_refused(text, problem):
    with pytest.raises(ValueError, match=problem):
        read_yaml(text)


def test_plain_yaml_is_read():
    text = "a: [1, -2, 0, 1.5, -1.5e+3, .5, yes, ~, 'x', 2024-01-01]\nb: {c: d}"
    assert read_yaml(text)["a"][:9] == [1, -2, 0, 1.5, -1500, 0.5, True, None, "x"]
    assert read_yaml("") is None


def test_anchors_and_merging_are_read():
    text = "base: &base {a: 1, b: 2}\nmine:\n  <<: *base\n  b: 3\nalso: *base"
    assert read_yaml(text) == {
        "base": {"a": 1, "b": 2},
        "mine": {"a": 1, "b": 3},
        "also": {"a": 1, "b": 2},
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"a": 1, "a": 2}', "has the key 'a' twice"),
        ('{"a": [1', "line 1 column"),
        ("[" * 100_000, "nested too deeply"),
    ],
    ids=lambda value: value[:20],
)
def test_broken_json_is_refused(text, problem):
    with pytest.raises(ValueError, match=problem):
        read_json(text)


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1.0e-3", "0.001", "+1e-3"])
def test_a_number_with_an_exponent_is_one_with_a_point_or_without(text):
    assert read_yaml(f"C: [{text}]") == {"C": [0.001]}
