"""The JSON Schema and the page of the configuration: true to the settings, and to the examples."""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from orchestrator import config
from orchestrator.config.examples import whole_examples
from orchestrator.config.reference import reference
from orchestrator.config.schema import objects_of, schema
from orchestrator.errors import ConfigError

jsonschema = pytest.importorskip("jsonschema", reason="install the extra 'dev'")

HERE = Path(__file__).parents[2]
DOCS = HERE / "docs"
REGENERATE = "run `make docs`"

BASE = {
    "experiment": "flights",
    "registry": {"source": "file", "path": "lists.yaml"},
    "evaluation": {"loader": "experiments.flights:load"},
}


@pytest.fixture(scope="module")
def content():
    return schema()


@pytest.fixture(scope="module")
def validator(content):
    return jsonschema.Draft7Validator(content)


def with_keys(keys):
    """The base with these dotted keys set."""
    document = copy.deepcopy(BASE)
    for path, value in keys.items():
        *parents, last = path.split(".")
        place = document
        for name in parents:
            place = place.setdefault(name, {})
        place[last] = value
    return document


def documented():
    """Every YAML text of the documentation that is a configuration, or some keys of one."""
    known = schema()["properties"]
    for page in [HERE / "README.md", *sorted(DOCS.glob("*.md"))]:
        for text in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL):
            content = yaml.safe_load(text)
            if isinstance(content, dict) and content.keys() <= known.keys():
                yield pytest.param(content, id=f"{page.name}-{'-'.join(content)[:40]}")


def test_the_page_and_the_schema_are_what_the_settings_say(content):
    assert (DOCS / "configuration.md").read_text() == reference(), REGENERATE
    assert json.loads((DOCS / "configuration.schema.json").read_text()) == content, REGENERATE


def test_the_schema_is_one_of_its_draft(content):
    jsonschema.Draft7Validator.check_schema(content)


@pytest.mark.parametrize("file", sorted((HERE / "configs").glob("*.yaml")), ids=lambda f: f.stem)
def test_a_configuration_of_the_repository_names_the_schema_and_is_valid_by_it(file):
    first, text = file.read_text().split("\n", 1)
    named = first.removeprefix("# yaml-language-server: $schema=")
    validator = jsonschema.Draft7Validator(json.loads((file.parent / named).read_text()))
    validator.validate(yaml.safe_load(text))


@pytest.mark.parametrize("document", list(documented()))
def test_what_the_documentation_shows_is_valid(document, validator):
    sections = {
        name: {**BASE[name], **section} if name in BASE and name != "registry" else section
        for name, section in document.items()
        if isinstance(section, dict)
    }
    validator.validate(BASE | document | sections)


@pytest.mark.parametrize("example", whole_examples(), ids=lambda example: example.title)
def test_a_whole_example_is_valid_and_loads(example, validator, tmp_path, monkeypatch):
    validator.validate(example.document)
    for name in re.findall(r"\$\{(\w+)\}", example.text):
        monkeypatch.setenv(name, "postgresql://localhost/lists")
    tls = example.document["cluster"].get("tls") if "cluster" in example.document else None
    for file in tls.values() if isinstance(tls, dict) else ():
        (tmp_path / "configs" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "configs" / file).touch()
    (tmp_path / "configs").mkdir(exist_ok=True)
    written = tmp_path / "configs" / "example.yaml"
    written.write_text(example.text)
    assert config.load(written).name == example.document["experiment"]


def every_key(content):
    """Each key of the schema with its path, keys of definitions included."""

    def inside(node, path):
        for place in objects_of(node, content["$defs"]):
            for name, key in place["properties"].items():
                yield f"{path}.{name}".lstrip("."), key
                yield from inside(key, f"{path}.{name}")

    yield from inside(content, "")
    for name, definition in content["$defs"].items():
        if name.startswith(("source-", "strategy-")):
            for path, key in inside(definition, name):
                if "const" not in key:
                    yield path, key


def test_every_key_has_a_meaning(content):
    missing = [path for path, key in every_key(content) if not key.get("description")]
    assert missing == []


def test_every_key_that_holds_a_value_has_an_example(content):
    sections = {name for name, key in content["properties"].items() if "examples" not in key}
    missing = {path for path, key in every_key(content) if "examples" not in key} - sections
    assert missing == set()
    assert all("$ref" in content["properties"][name] for name in sections - {"registry", "search"})


@pytest.mark.parametrize(
    "path",
    [
        *("oops", "registry.oops", "evaluation.oops", "search.oops", "limits.oops", "gate.oops"),
        *("cluster.oops", "cluster.workers.oops", "cluster.tls.oops", "tracking.oops"),
        *("logs.oops", "addresses.oops", "versions.oops", "search.n_trials"),
    ],
)
def test_a_key_that_does_not_exist_is_not_valid(path, validator):
    """`n_trials` belongs to strategies, and the one by default has no such setting."""
    keys = {"cluster.workers.max": 2} if path.startswith("cluster.workers") else {}
    document = with_keys(keys | {path: 1})
    assert not validator.is_valid(document)
    assert validator.is_valid(BASE)


@pytest.mark.parametrize(
    "keys",
    [
        {"experiment": "a b"},
        {"evaluation.folds": 1},
        {"evaluation.folds": "three"},
        {"evaluation.metrics": "roc_auc"},
        {"evaluation.constraints": ["fit_seconds < 2"]},
        {"limits.max_removed": 1.5},
        {"gate.min_relative_change": -1},
        {"cluster.kind": "slurm"},
        {"cluster.dashboard": 3},
        {"cluster.workers": {"min": 1}},
        {"search.placement": "here"},
        {"search.timeout": 0},
        {"versions.at_once": 1001},
        {"tolerance": 2},
        {"retrain_on": "data"},
        {"study_timeout": 0},
        {"logs.keep": "some"},
    ],
    ids=str,
)
def test_a_value_that_the_loader_refuses_is_not_valid_either(keys, validator, tmp_path):
    document = with_keys(keys)
    with pytest.raises(ConfigError):
        config.parse(document, tmp_path / "c.yaml")
    assert not validator.is_valid(document)


@pytest.mark.parametrize(
    "registry",
    [
        {"source": "ftp", "path": "lists.yaml"},
        {"path": "lists.yaml"},
        {"source": "sql"},
        {"source": "http", "models": "https://a.example.com", "attempts": 0},
        {"models": {"source": "file", "path": "a.yaml"}},
        {"models": {"source": "file", "url": "a"}, "customers": {"source": "inline"}},
    ],
    ids=str,
)
def test_a_source_with_wrong_settings_is_not_valid(registry, validator):
    assert not validator.is_valid(BASE | {"registry": registry})


@pytest.mark.parametrize(
    "search",
    [
        {"strategy": "annealing"},
        {"strategy": "optuna"},
        {"strategy": "random", "n_trials": 9, "sampler": "TPESampler"},
        {"strategy": "halving", "resource": "patience"},
    ],
    ids=str,
)
def test_a_strategy_with_wrong_settings_is_not_valid(search, validator):
    assert not validator.is_valid(BASE | {"search": search})


@pytest.mark.parametrize(
    "keys",
    [
        {"cluster.kind": "${KIND}"},
        {"cluster.dashboard": "${DASHBOARD}"},
        {"experiment": "flights-${STAGE}"},
        {"search.strategy": "${STRATEGY}"},
        {"registry.timeout": "${SECONDS}"},
        {"registry": {"source": "${SOURCE}", "anything": 1}},
    ],
    ids=str,
)
def test_a_variable_may_stand_for_a_value(keys, validator):
    validator.validate(with_keys(keys))


PLUGINS = """
from dataclasses import dataclass

@dataclass(frozen=True)
class Annealing:
    '''A strategy from elsewhere.

    Args:
        cooling: How fast it cools.
    '''

    cooling: float
    steps: "int | None" = None


class Directory:
    '''A source from elsewhere.

    Args:
        host: The server.
        client: Something that only Python can make.
    '''

    def __init__(self, host: str, client: object = print, **more) -> None: ...
"""

ENTRY_POINTS = """\
[orchestrator.strategies]
annealing = plugins:Annealing
broken = plugins:Nothing

[orchestrator.sources]
ldap = plugins:Directory
"""


def test_settings_of_installed_sources_and_strategies_are_in_the_schema(tmp_path):
    """What `orchestrator config schema` prints where a package adds a source and a strategy."""
    (tmp_path / "plugins.py").write_text(PLUGINS)
    info = tmp_path / "plugins-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugins\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    printed = subprocess.run(
        [sys.executable, "-m", "orchestrator", "config", "schema"],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{HERE}"},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    validator = jsonschema.Draft7Validator(json.loads(printed))
    strategy = validator.schema["$defs"]["strategy-annealing"]
    assert strategy["properties"]["cooling"]["description"] == "How fast it cools."
    assert validator.is_valid(BASE | {"search": {"strategy": "annealing", "cooling": 0.5}})
    assert not validator.is_valid(BASE | {"search": {"strategy": "annealing", "steps": 3}})
    assert not validator.is_valid(BASE | {"search": {"strategy": "broken"}})
    assert validator.is_valid(BASE | {"registry": {"source": "ldap", "host": "a", "port": 1}})
    assert not validator.is_valid(BASE | {"registry": {"source": "ldap"}})


def test_the_page_is_printed_by_the_command():
    printed = subprocess.run(
        [sys.executable, "-m", "orchestrator", "config", "docs"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert printed == (DOCS / "configuration.md").read_text()
