"""The tables of the SQL registry, and the import into them (`orchestrator registry import`).

    models                                      customers
    id        VARCHAR(250) PRIMARY KEY          id       VARCHAR(250) PRIMARY KEY
    pipeline  JSON: [{name, estimator}, ...]    data     TEXT; JSON where it is a list or mapping
    params    JSON: {name: value}               segment  TEXT
    grid      JSON: [{name: [value, ...]}, ...] tags     JSON: [tag, ...]
    cost      FLOAT                             active   BOOLEAN
    when      JSON: {tags, min_rows}            grids    JSON: {model: grid}

Touches SQLAlchemy; takes records; writes tables and gives the changes; runs on the driver.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy import JSON, Boolean, Column, Float, MetaData, String, Table, Text
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.errors import RegistryError
from orchestrator.records import Customer, ModelSpec, grid_content
from orchestrator.registry.sources import Kind
from orchestrator.registry.sql import described, opened

_TIMEOUT = 60.0

_METADATA = MetaData()

_MODELS = Table(
    "models",
    _METADATA,
    Column("id", String(250), primary_key=True),
    Column("pipeline", JSON, nullable=False),
    Column("params", JSON, nullable=False),
    Column("grid", JSON, nullable=False),
    Column("cost", Float, nullable=False),
    Column("when", JSON, nullable=False),
)

_CUSTOMERS = Table(
    "customers",
    _METADATA,
    Column("id", String(250), primary_key=True),
    Column("data", Text),
    Column("segment", Text, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("grids", JSON, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The ids that an import added, changed and removed in one list, in order."""

    kind: Kind
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unchanged: int


def import_rows(
    url: str, models: Sequence[ModelSpec], customers: Sequence[Customer]
) -> tuple[Imported, Imported]:
    """Make the SQL registry equal to these lists, in one transaction.

    Missing tables are created; rows are added, updated and removed.

    Args:
        url: A SQLAlchemy URL; a missing SQLite file is created.
        models: Every model of the registry after the import.
        customers: Every customer of the registry after the import.

    Returns:
        The changes of the models and of the customers.

    Raises:
        RegistryError: The database refused; nothing was changed.
        ConfigError: The URL is not valid, or its driver is not installed.
    """
    with opened(url, _TIMEOUT, create=True) as engine:
        try:
            with engine.begin() as connection:
                _METADATA.create_all(connection)
                return (
                    _equalise(connection, "models", _MODELS, map(_model_row, models)),
                    _equalise(connection, "customers", _CUSTOMERS, map(_customer_row, customers)),
                )
        except SQLAlchemyError as error:
            cause = " ".join(str(getattr(error, "orig", None) or error).split())
            raise RegistryError(f"{described(url)}: cannot be written: {cause}") from error


def _equalise(
    connection: sqlalchemy.Connection, kind: Kind, table: Table, rows: Iterable[Mapping[str, Any]]
) -> Imported:
    wanted = {row["id"]: row for row in rows}
    present = {row["id"]: dict(row) for row in connection.execute(table.select()).mappings()}
    added = sorted(wanted.keys() - present.keys())
    removed = sorted(present.keys() - wanted.keys())
    changed = sorted(id_ for id_ in wanted.keys() & present.keys() if wanted[id_] != present[id_])
    _delete(connection, table, removed + changed)
    if added or changed:
        connection.execute(table.insert(), [wanted[id_] for id_ in added + changed])
    return Imported(
        kind=kind,
        added=tuple(added),
        changed=tuple(changed),
        removed=tuple(removed),
        unchanged=len(wanted) - len(added) - len(changed),
    )


def _delete(connection: sqlalchemy.Connection, table: Table, ids: Sequence[str]) -> None:
    if ids:
        statement = table.delete().where(table.c.id == sqlalchemy.bindparam("gone"))
        connection.execute(statement, [{"gone": id_} for id_ in ids])


def _model_row(model: ModelSpec) -> dict[str, Any]:
    return {
        "id": model.id,
        "pipeline": [{"name": step.name, "estimator": step.estimator} for step in model.steps],
        "params": dict(model.params),
        "grid": grid_content(model.grid),
        "cost": model.cost,
        "when": {"tags": list(model.when.tags), "min_rows": model.when.min_rows},
    }


def _customer_row(customer: Customer) -> dict[str, Any]:
    data = customer.data
    return {
        "id": customer.id,
        "data": data if data is None or isinstance(data, str) else json.dumps(data),
        "segment": customer.segment,
        "tags": list(customer.tags),
        "active": customer.active,
        "grids": {model: grid_content(grid) for model, grid in customer.grids.items()},
    }
