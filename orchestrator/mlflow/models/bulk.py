"""Many champions in one transaction, through MLflow's own tables: for SQLite and PostgreSQL.

Touches SQLAlchemy and MLflow's table classes; takes `Challenger`; gives `Deployed`; runs on the
driver. Through MLflow's client, a new champion takes five calls and at least 15 ms; this module
takes well under 1 ms.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mlflow.entities.model_registry.model_version_stages import STAGE_NONE
from mlflow.entities.model_registry.model_version_status import ModelVersionStatus
from mlflow.environment_variables import MLFLOW_ENABLE_WORKSPACES
from mlflow.store.model_registry.dbmodels.models import (
    SqlModelVersion,
    SqlModelVersionTag,
    SqlRegisteredModel,
    SqlRegisteredModelAlias,
    SqlRegisteredModelTag,
)
from mlflow.utils.workspace_utils import DEFAULT_WORKSPACE_NAME
from sqlalchemy import Connection, update
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.errors import as_machinery_error
from orchestrator.mlflow.models.claims import Claim
from orchestrator.mlflow.models.client import ClientDeployer
from orchestrator.mlflow.models.deployer import (
    Alias,
    Challenger,
    Deployed,
    ModelState,
    check_one_each,
    check_owner,
    model_tags,
)
from orchestrator.mlflow.models.model_names import model_name
from orchestrator.mlflow.models.registered_models import (
    RegisteredModels,
    read_deployed,
    read_standing,
    read_versions,
    table_of,
)
from orchestrator.sql.engines import visiting
from orchestrator.sql.inserts import insert_missing, insert_or_replace

_DATABASES = ("sqlite", "postgresql")
_CHUNK = 500

_COLUMNS_WRITTEN: Mapping[type, frozenset[str]] = {
    SqlRegisteredModel: frozenset(
        {"workspace", "name", "creation_time", "last_updated_time", "description"}
    ),
    SqlRegisteredModelTag: frozenset({"workspace", "name", "key", "value"}),
    SqlModelVersion: frozenset(
        {
            *("workspace", "name", "version", "creation_time", "last_updated_time", "description"),
            *("user_id", "current_stage", "source", "storage_location", "run_id", "run_link"),
            *("status", "status_message"),
        }
    ),
    SqlModelVersionTag: frozenset({"workspace", "name", "version", "key", "value"}),
    SqlRegisteredModelAlias: frozenset({"workspace", "name", "alias", "version"}),
}


def understands(uri: str) -> bool:
    """Whether champions can be registered in bulk at this tracking address.

    They can on a database that this module supports, if the tables of the installed MLflow have
    exactly the columns that it writes, and if MLflow's workspaces are not enabled.
    """
    database = uri.partition("://")[0].partition("+")[0]
    return (
        database in _DATABASES
        and not MLFLOW_ENABLE_WORKSPACES.get()
        and all(written == set(table_of(m).c.keys()) for m, written in _COLUMNS_WRITTEN.items())
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """The deployment of one challenger: its version, and the aliases to move."""

    challenger: Challenger
    name: str
    version: int
    is_new: bool
    current: int | None
    previous: int | None


class BulkDeployer:
    """A deployer that writes champions directly into MLflow's database; see `Deployer`.

    Args:
        uri: The database's address, one that `understands` accepts.
        by_client: The deployer for everything that is not worth doing in bulk.
        experiment: The experiment's name.
    """

    def __init__(self, uri: str, by_client: ClientDeployer, experiment: str) -> None:
        self._engine = visiting(uri)
        self._by_client = by_client
        self._experiment = experiment
        self._claim: Claim | None = None

    def claim(self) -> None:
        """Claim the right to move aliases; it is one row, so MLflow's client writes it."""
        self._claim = self._by_client.claimed()

    def deploy(self, challengers: Sequence[Challenger]) -> Sequence[Deployed]:
        """Make the challengers their customers' champions, all of a chunk or none of it."""
        check_one_each(challengers)
        deployed: list[Deployed] = []
        for start in range(0, len(challengers), _CHUNK):
            chunk = challengers[start : start + _CHUNK]
            with self._transaction(f"{len(chunk)} champions were not registered") as connection:
                deployed += self._deploy(connection, chunk)
        return deployed

    def retire(self, customers: Sequence[str]) -> frozenset[str]:
        """Mark the models of customers that left the registry."""
        return self._by_client.retire(customers)

    def restore(self, customers: Sequence[str]) -> frozenset[str]:
        """Mark the models of customers that came back."""
        return self._by_client.restore(customers)

    def champions(self) -> Mapping[str, Deployed]:
        """Return the deployed champions by customer; MLflow's client takes 1 s for a thousand."""
        border = as_machinery_error(
            "MLflow's registered models were not read", SQLAlchemyError, OSError
        )
        with border, self._engine.connect() as connection:
            return {each.customer: each for each in read_deployed(connection, self._experiment)}

    def versions(self) -> Mapping[tuple[str, str], str]:
        """Return the run of every version, read in one query."""
        border = as_machinery_error("MLflow's model versions were not read", SQLAlchemyError)
        with border, self._engine.connect() as connection:
            return dict(read_versions(connection, self._experiment))

    def forget(self, customer: str) -> bool:
        """Delete a customer's registered model."""
        return self._by_client.forget(customer)

    def _deploy(self, connection: Connection, chunk: Sequence[Challenger]) -> list[Deployed]:
        if self._claim is not None:
            self._claim.require_in(connection)
        names = {model_name(self._experiment, each.customer): each for each in chunk}
        standing = read_standing(connection, list(names), [each.run_id for each in chunk])
        for name, tags in standing.tags.items():
            check_owner(name, tags, self._experiment, names[name].customer)
        steps = [_step(name, each, standing) for name, each in names.items()]
        self._write(connection, steps)
        return [_deployed(step) for step in steps]

    def _write(self, connection: Connection, steps: Sequence[_Step]) -> None:
        now = round(time.time() * 1000)
        added = [step for step in steps if step.is_new]
        moved = [step for step in steps if step.version != step.current]
        insert_missing(
            connection, table_of(SqlRegisteredModel), [_model_row(s, now) for s in steps]
        )
        _touch(connection, [step.name for step in added], now)
        insert_or_replace(connection, table_of(SqlRegisteredModelTag), self._model_tags(steps))
        insert_missing(connection, table_of(SqlModelVersion), [_version_row(s, now) for s in added])
        insert_missing(connection, table_of(SqlModelVersionTag), _version_tags(added))
        insert_or_replace(connection, table_of(SqlRegisteredModelAlias), _alias_rows(moved))

    def _model_tags(self, steps: Sequence[_Step]) -> list[dict[str, Any]]:
        return [
            _row(step.name, key=key, value=value)
            for step in steps
            for key, value in model_tags(self._experiment, step.challenger.customer).items()
        ]

    @contextmanager
    def _transaction(self, failed: str) -> Iterator[Connection]:
        border = as_machinery_error(f"MLflow's database: {failed}", SQLAlchemyError, OSError)
        with border, self._engine.begin() as connection:
            if self._engine.dialect.name == "sqlite":
                # Lock before reading: the next process to get the lock must see our versions.
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection


def _step(name: str, challenger: Challenger, standing: RegisteredModels) -> _Step:
    known = standing.versions.get((name, challenger.run_id))
    version = known or standing.last_versions.get(name, 0) + 1
    current = standing.aliases.get((name, Alias.CHAMPION))
    moves = current is not None and current != version
    return _Step(
        challenger=challenger,
        name=name,
        version=version,
        is_new=known is None,
        current=current,
        previous=current if moves else standing.aliases.get((name, Alias.PREVIOUS)),
    )


def _row(name: str, **columns: Any) -> dict[str, Any]:
    return {"workspace": DEFAULT_WORKSPACE_NAME, "name": name, **columns}


def _model_row(step: _Step, now: int) -> dict[str, Any]:
    return _row(step.name, creation_time=now, last_updated_time=now, description=None)


def _touch(connection: Connection, names: list[str], now: int) -> None:
    """Set the update time of models that have a new version, as MLflow does."""
    models = table_of(SqlRegisteredModel)
    touched = update(models).where(
        models.c.workspace == DEFAULT_WORKSPACE_NAME, models.c.name.in_(names)
    )
    connection.execute(touched.values(last_updated_time=now))


def _version_row(step: _Step, now: int) -> dict[str, Any]:
    """Return the row that MLflow's `create_model_version` would write."""
    return _row(
        step.name,
        version=step.version,
        creation_time=now,
        last_updated_time=now,
        description=None,
        user_id=None,
        current_stage=STAGE_NONE,
        source=step.challenger.source,
        storage_location=step.challenger.source,
        run_id=step.challenger.run_id,
        run_link=None,
        status=ModelVersionStatus.to_string(ModelVersionStatus.READY),
        status_message=None,
    )


def _version_tags(steps: Sequence[_Step]) -> list[dict[str, Any]]:
    return [
        _row(step.name, version=step.version, key=key, value=value)
        for step in steps
        for key, value in step.challenger.tags.items()
    ]


def _alias_rows(steps: Sequence[_Step]) -> list[dict[str, Any]]:
    champions = [_row(s.name, alias=str(Alias.CHAMPION), version=s.version) for s in steps]
    outgoing = [
        _row(s.name, alias=str(Alias.PREVIOUS), version=s.current)
        for s in steps
        if s.current is not None
    ]
    return [*outgoing, *champions]


def _deployed(step: _Step) -> Deployed:
    return Deployed(
        customer=step.challenger.customer,
        model_name=step.name,
        version=str(step.version),
        previous_version=None if step.previous is None else str(step.previous),
        state=ModelState.LIVE,
    )
