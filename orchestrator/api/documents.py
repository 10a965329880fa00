"""Python objects -> the document that a configuration file would hold.

Touches no library itself; takes rows, records, functions and sections; gives plain values; driver.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, TypedDict

from orchestrator.errors import ConfigError
from orchestrator.records import Customer, ModelSpec, grid_content

Rows = Iterable[Mapping[str, Any] | Customer | ModelSpec]
"""The entries of a list, each a row as docs/registry.md describes it, or a record."""


class Sections(TypedDict, total=False):
    """The sections of a configuration, as docs/configuration.md describes them.

    Wherever an import path is expected, a function may be given instead.
    """

    search: Mapping[str, Any]
    limits: Mapping[str, Any]
    gate: Mapping[str, Any]
    cluster: Mapping[str, Any]
    tracking: Mapping[str, Any]
    logs: Mapping[str, Any]
    addresses: Mapping[str, Any]
    versions: Mapping[str, Any]
    ledger: str
    retrain_on: str
    tolerance: float
    grace: float
    study_timeout: float


def document_of(
    name: str,
    registry: Mapping[str, Any],
    loader: str | Callable[..., Any],
    evaluation: Mapping[str, Any],
    sections: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the document of an experiment.

    Args:
        name: The experiment's name.
        registry: The source of the lists, and its settings.
        loader: The function that loads a customer's data, or its import path.
        evaluation: Further keys of the section `evaluation`.
        sections: The other sections; those that are None are left out.

    Raises:
        ConfigError: A function cannot be imported by workers.
    """
    given = {key: value for key, value in sections.items() if value is not None}
    return {
        "experiment": name,
        "registry": dict(registry),
        "evaluation": plain({"loader": loader, **evaluation}, "evaluation"),
        **{key: plain(value, key) for key, value in given.items()},
    }


def inline(models: Rows, customers: Rows) -> dict[str, Any]:
    """Return the section `registry` for lists that a program holds in memory."""
    return {
        "source": "inline",
        "models": [_row(each) for each in models],
        "customers": [_row(each) for each in customers],
    }


def plain(value: Any, key: str) -> Any:
    """Return a value as a configuration file would hold it.

    Args:
        value: A record, mapping, list, path, function or plain value.
        key: The value's key in the configuration, for messages.

    Raises:
        ConfigError: The value is a function that workers cannot import.
    """
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value), key)
    if isinstance(value, Mapping):
        return {name: plain(each, f"{key}.{name}") for name, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each, key) for each in value]
    if isinstance(value, Path):
        return str(value)
    return _import_path(value, key) if callable(value) else value


def _import_path(function: Any, key: str) -> str:
    module = inspect.getmodule(function)
    name = getattr(function, "__name__", "")
    if module is None or getattr(module, name, None) is not function:
        raise ConfigError(
            f"{function!r} is not a function of a module: define it at the top level of a file, so "
            "that workers can import it",
            key=key,
        )
    if module.__name__ == "__main__":
        raise ConfigError(
            f"{name} is defined in the program itself, which workers cannot import: move it to a "
            "module beside the program, such as churn.py",
            key=key,
        )
    return f"{module.__name__}:{name}"


def _row(entry: Any) -> Any:
    """Return the row that a record would be read from; a row is returned unchanged."""
    if isinstance(entry, Customer):
        written = asdict(entry)
        written["grids"] = {model: grid_content(grid) for model, grid in entry.grids.items()}
        return {**written, "tags": list(entry.tags)}
    if isinstance(entry, ModelSpec):
        steps = [{"name": step.name, "estimator": step.estimator} for step in entry.steps]
        single = len(steps) == 1
        return {
            "id": entry.id,
            **({"estimator": steps[0]["estimator"]} if single else {"pipeline": steps}),
            "params": dict(entry.params),
            "grid": grid_content(entry.grid),
            "cost": entry.cost,
            "when": {"tags": list(entry.when.tags), "min_rows": entry.when.min_rows},
        }
    return entry
