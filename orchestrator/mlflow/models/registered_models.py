"""The registered models in MLflow's database, read in a handful of queries.

Touches SQLAlchemy and MLflow's table classes; takes names; gives `RegisteredModels`; runs on the
driver.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlflow.entities.model_registry.model_version_stages import STAGE_DELETED_INTERNAL
from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlRegisteredModel,
    SqlRegisteredModelAlias,
    SqlRegisteredModelTag,
)
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME
from sqlalchemy import Connection, Table, func, select

from orchestrator.mlflow.models.deployer import Alias, Deployed, state_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModels:
    """Some registered models as MLflow's database has them.

    Attributes:
        tags: The tags of each existing model, by name.
        last_versions: The highest version of each model, by name.
        versions: The versions of the requested runs, by name and run id.
        aliases: The version that each alias points to, by name and alias.
    """

    tags: Mapping[str, Mapping[str, str]]
    last_versions: Mapping[str, int]
    versions: Mapping[tuple[str, str], int]
    aliases: Mapping[tuple[str, str], int]


def read_standing(connection: Connection, names: list[str], run_ids: list[str]) -> RegisteredModels:
    """Read these models, and lock them on PostgreSQL until the transaction ends."""
    models, tags = table_of(SqlRegisteredModel).c, table_of(SqlRegisteredModelTag).c
    versions, aliases = table_of(SqlModelVersion).c, table_of(SqlRegisteredModelAlias).c
    held = connection.scalars(_of(models, names, models.name).with_for_update())
    of_models: dict[str, dict[str, str]] = {name: {} for name in held}
    for name, key, value in connection.execute(_of(tags, names, tags.name, tags.key, tags.value)):
        of_models[name][key] = value
    last = _of(versions, names, versions.name, func.max(versions.version)).group_by(versions.name)
    of_runs = _of(versions, names, versions.name, versions.run_id, versions.version)
    known = connection.execute(of_runs.where(versions.run_id.in_(run_ids)))
    pointing = connection.execute(_of(aliases, names, aliases.name, aliases.alias, aliases.version))
    return RegisteredModels(
        tags=of_models,
        last_versions=dict(iter(connection.execute(last))),
        versions={(name, run_id): version for name, run_id, version in known},
        aliases={(name, alias): version for name, alias, version in pointing},
    )


def read_deployed(connection: Connection, experiment: str) -> Iterator[Deployed]:
    """Yield the registered models of an experiment that have a champion."""
    tags, aliases = table_of(SqlRegisteredModelTag).c, table_of(SqlRegisteredModelAlias).c
    here = tags.workspace == DEFAULT_WORKSPACE_NAME
    own = select(tags.name).where(here, tags.key == "experiment", tags.value == experiment)
    told: dict[str, dict[str, str]] = {}
    of_own = select(tags.name, tags.key, tags.value).where(here, tags.name.in_(own))
    for name, key, value in connection.execute(of_own):
        told.setdefault(name, {})[key] = value
    versions: dict[str, dict[str, str]] = {}
    for name, alias, version in connection.execute(
        select(aliases.name, aliases.alias, aliases.version).where(
            aliases.workspace == DEFAULT_WORKSPACE_NAME, aliases.name.in_(own)
        )
    ):
        versions.setdefault(name, {})[alias] = str(version)
    for name, pointing in versions.items():
        if Alias.CHAMPION in pointing and "customer" in told[name]:
            yield Deployed(
                customer=told[name]["customer"],
                model_name=name,
                version=pointing[Alias.CHAMPION],
                previous_version=pointing.get(Alias.PREVIOUS),
                state=state_of(told[name]),
            )


def read_versions(connection: Connection, experiment: str) -> Iterator[tuple[tuple[str, str], str]]:
    """Yield every version of an experiment's registered models, by name and number, and its run."""
    tags, versions = table_of(SqlRegisteredModelTag).c, table_of(SqlModelVersion).c
    # MLflow keeps the number of a deleted version, so that it is never reused.
    here = (versions.workspace == DEFAULT_WORKSPACE_NAME) & (
        versions.current_stage != STAGE_DELETED_INTERNAL
    )
    own = select(tags.name).where(tags.key == "experiment", tags.value == experiment)
    query = select(versions.name, versions.version, versions.run_id)
    for name, version, run_id in connection.execute(query.where(here, versions.name.in_(own))):
        yield (name, str(version)), run_id


def table_of(model: type) -> Table:
    """Return the table of one of MLflow's classes."""
    table: Table = model.__table__  # type: ignore[attr-defined]  # MLflow's classes are untyped
    return table


def _of(columns: Any, names: list[str], *selected: Any) -> Any:
    """Return a query for these models in MLflow's default workspace, which is the only one used."""
    return select(*selected).where(
        columns.workspace == DEFAULT_WORKSPACE_NAME, columns.name.in_(names)
    )
