"""The configuration file -> a checked `ExperimentSettings`.

A small configuration, with everything it leaves out at its default:

    experiment: churn
    registry: {source: file, path: lists.yaml}
    evaluation: {loader: "churn:load"}

Secrets come from the environment: `${NAME}` inside any text is replaced by that variable, and its
value is never shown. Rows of an `inline` registry are data like any other source's, and are stored:
nothing is replaced in them.
Relative addresses are resolved against the folder of the file, or the folder that its key `root`
names (such as `root: ..` for a file in `configs/`), and not against the current folder.

    location        the file that is used when none is named
    sections        the keys, as pydantic reads them
    checks          keys, numbers and bounds of a section
    metrics         metrics, objectives and constraints
    measures        measures of installed packages, and of the configuration itself
    places          relative addresses made absolute
    stores          the addresses of ledger, MLflow and model files
    attribute_docs  the meaning of each key, from docstrings
    examples        whole configurations that show every key
    schema          the JSON Schema of a configuration
    reference       the page of every key

Touches pydantic; takes a file; gives an `ExperimentSettings`; runs on the driver. Beyond this
room settings are frozen records that the other rooms define.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator import clusters
from orchestrator.config.checks import unknown_key
from orchestrator.config.location import ENVIRONMENT_VARIABLE, find, find_any
from orchestrator.config.places import anchored
from orchestrator.config.sections import Configuration
from orchestrator.errors import ConfigError
from orchestrator.redaction import keep_secret
from orchestrator.registry.documents import read_yaml
from orchestrator.settings import ExperimentSettings


def load(path: Path) -> ExperimentSettings:
    """Return the experiment that a configuration file describes.

    Raises:
        ConfigError: The file cannot be read, or a key of it is wrong; every wrong key is named.
    """
    return parse(read(path), path)


def read(path: Path) -> dict[str, Any]:
    """Return the content of a configuration file, unchanged.

    Raises:
        ConfigError: The file cannot be read, or holds no keys.
    """
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", file=str(path)) from error
    except ValueError as error:
        raise ConfigError(str(error), file=str(path)) from error
    if not isinstance(content, dict):
        raise ConfigError("must hold keys such as `experiment:` and `registry:`", file=str(path))
    return content


def parse(document: Mapping[str, Any], path: Path) -> ExperimentSettings:
    """Return the experiment that a document describes.

    Args:
        document: The content of a configuration file.
        path: That file.

    Raises:
        ConfigError: A key is wrong; every wrong one is named.
    """
    try:
        settings = Configuration.model_validate(_with_environment(document, path))
        experiment = anchored(settings.experiment_at(path))
        clusters.check(experiment.cluster)
        _require_shared_artifacts(experiment.cluster, settings)
    except ValidationError as error:
        raise ConfigError(_every_problem(error), file=str(path)) from error
    except ConfigError as error:
        raise ConfigError(error.problem, file=str(path), key=error.key) from error
    return replace(experiment, document=document)


def _require_shared_artifacts(cluster: clusters.Cluster, settings: Configuration) -> None:
    """Refuse the default folder of model files if workers, which write them, do not share it."""
    if settings.artifacts_are_left_out and not clusters.find_kind(cluster).traits.shares_files:
        raise ConfigError(
            f"tracking.artifacts must be written out where `cluster.kind` is {cluster.kind}: a "
            "folder or an address that the workers share with this machine"
        )


def build(document: Mapping[str, Any], root: Path) -> ExperimentSettings:
    """Return the experiment that a program describes, without a file.

    Args:
        document: The content that a configuration file would have.
        root: The base folder of relative addresses.

    Raises:
        ConfigError: A key is wrong; every wrong one is named.
    """
    try:
        settings = parse(document, root / "configuration")
    except ConfigError as error:
        raise ConfigError(error.problem, key=error.key) from error
    return replace(settings, config=None)


_VARIABLE = re.compile(r"\$\{(\w+)\}")
_ROWS = re.compile(r"registry\.((models|customers)\.)?(models|customers)")
"""The keys of the lists of an `inline` registry."""


def _with_environment(value: Any, path: Path, key: str = "") -> Any:
    """Return the content with every `${NAME}` replaced by that environment variable."""
    if isinstance(value, Mapping):
        return {k: _with_environment(v, path, f"{key}.{k}" if key else k) for k, v in value.items()}
    if isinstance(value, list) and not _ROWS.fullmatch(key):
        return [_with_environment(item, path, f"{key}[{i}]") for i, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    missing = [name for name in _VARIABLE.findall(value) if name not in os.environ]
    if missing:
        problem = f"the environment variable {missing[0]} is not set"
        raise ConfigError(problem, file=str(path), key=key)
    return _VARIABLE.sub(lambda match: _secret(match.group(1)), value)


def _secret(name: str) -> str:
    """Return an environment variable's value, and hide it from now on."""
    value = os.environ[name]
    keep_secret(name, value)
    return value


def _every_problem(error: ValidationError) -> str:
    """Return all problems, one per line if there are several, each with its key.

    Values are not shown: one of them may be a secret.
    """
    problems = [
        ": ".join(part for part in (_dotted(problem["loc"]), _in_words(problem)) if part)
        for problem in error.errors()
    ]
    if len(problems) == 1:
        return problems[0]
    return f"{len(problems)} problems\n" + "\n".join(f"  {problem}" for problem in problems)


def _dotted(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location))


def _in_words(problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        return unknown_key(str(problem["loc"][-1]), list(Configuration.model_fields))
    if problem["type"] == "missing":
        return "is missing"
    if problem["type"] == "tuple_type":
        return "must be a list"
    message: str = problem["msg"]
    return message.removeprefix("Value error, ")


__all__ = ["ENVIRONMENT_VARIABLE", "build", "find", "find_any", "load", "parse", "read"]
