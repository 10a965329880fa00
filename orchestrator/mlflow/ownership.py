"""The ledger that an MLflow experiment belongs to; a database is read without importing MLflow.

MLflow takes seconds to import, and every command that writes checks the ownership first.

Touches SQLAlchemy, and MLflow's client only for servers; takes a tracking address and an
experiment's name; gives `Ownership`; runs on the driver.
"""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, column, func, literal, select, table, update
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.deadline import within
from orchestrator.errors import MachineryError, as_machinery_error
from orchestrator.mlflow.addresses import is_server, without_password
from orchestrator.mlflow.databases import may_exist
from orchestrator.sql.engines import visiting

TAG = "orchestrator.ledger"
"""The experiment's tag that holds its ledger's token."""

RECEIVING = "orchestrator.receiving"
"""The tag that holds the token while `sync --to-new-mlflow` sends everything to the experiment."""

PLACE = "orchestrator.ledger.place"
"""The experiment's tag that holds the place of that ledger, for messages."""

_EXPERIMENTS = table("experiments", *map(column, ("experiment_id", "name", "artifact_location")))
_TAGS = table("experiment_tags", *map(column, ("experiment_id", "key", "value")))
_RUNS = table("runs", *map(column, ("experiment_id", "artifact_uri")))
_VERSIONS = table("model_versions", *map(column, ("source", "storage_location")))
_MODEL_TAGS = table("registered_model_tags", *map(column, ("key", "value")))
"""Columns that MLflow's tables have had for years."""

_NEEDED = ("experiments", "experiment_tags", "runs", "registered_model_tags")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ownership:
    """The ledger that an MLflow experiment belongs to, as the experiment records it.

    Attributes:
        experiment_id: MLflow's id of the experiment.
        artifacts: The experiment's artifact root.
        token: The ledger's token; "" if the experiment has none.
        receiving: The token of a ledger that is sending everything to the experiment; usually "".
        place: The current or last known place of the ledger.
        is_empty: Whether the experiment has no runs.
        has_champions: Whether registered models are tagged with the experiment's name.
    """

    experiment_id: str
    artifacts: str
    token: str
    receiving: str
    place: str
    is_empty: bool
    has_champions: bool


def look_up(uri: str, experiment: str, *, seconds: float | None = None) -> Ownership | None:
    """Return the ownership of an experiment; None if the experiment or the database is missing.

    Args:
        uri: The tracking address.
        experiment: The experiment's name.
        seconds: The time in which a server has to answer all requests together; None applies the
            usual limits to each request.

    Raises:
        MachineryError: MLflow cannot be reached.
    """
    if is_server(uri):
        return _ask(uri, experiment, seconds)
    if not may_exist(uri):
        return None
    failed = as_machinery_error(
        f"MLflow at {without_password(uri)} cannot be read", SQLAlchemyError
    )
    with failed, visiting(uri).connect() as connection:
        if not all(connection.dialect.has_table(connection, name) for name in _NEEDED):
            return None  # MLflow has not finished creating it
        return _read(connection, experiment)


def relocate(uri: str, experiment_id: str, *, before: str, after: str) -> None:
    """Make an experiment, its runs and their models point to a folder that was moved.

    Args:
        uri: The address of MLflow's database.
        experiment_id: MLflow's id of the experiment.
        before: The artifact root that MLflow has recorded.
        after: The current folder of these files.

    Raises:
        MachineryError: The database refused the change.
    """
    failed = as_machinery_error(
        "MLflow's addresses of moved files were not changed", SQLAlchemyError
    )
    with failed, visiting(uri).begin() as connection:
        its = _EXPERIMENTS.c.experiment_id == int(experiment_id)
        connection.execute(update(_EXPERIMENTS).where(its).values(artifact_location=after))
        for of, name in (
            (_RUNS, "artifact_uri"),
            (_VERSIONS, "source"),
            (_VERSIONS, "storage_location"),
        ):
            address = of.c[name]
            below = func.substr(address, 1, len(before) + 1) == f"{before}/"
            moved = literal(after) + func.substr(address, len(before) + 1)
            connection.execute(update(of).where(below).values({name: moved}))


def root_on_disk(address: str) -> Path | None:
    """Return the folder of a local artifact root; None if the root is not a local folder."""
    if address.startswith("file://"):
        return Path(address.removeprefix("file://"))
    return None if ":" in address else Path(address)


def _read(connection: Connection, name: str) -> Ownership | None:
    its = _EXPERIMENTS.c
    found = connection.execute(select(_EXPERIMENTS).where(its.name == name)).one_or_none()
    if found is None:
        return None
    own = select(_TAGS.c.key, _TAGS.c.value).where(_TAGS.c.experiment_id == found.experiment_id)
    run = select(_RUNS.c.experiment_id).where(_RUNS.c.experiment_id == found.experiment_id)
    its_model = (_MODEL_TAGS.c.key == "experiment") & (_MODEL_TAGS.c.value == name)
    model = select(_MODEL_TAGS.c.key).where(its_model)
    tags = {row.key: row.value for row in connection.execute(own)}
    return _ownership(
        str(found.experiment_id),
        str(found.artifact_location),
        tags,
        is_empty=connection.execute(run.limit(1)).first() is None,
        has_champions=connection.execute(model.limit(1)).first() is not None,
    )


def _ask(uri: str, name: str, seconds: float | None) -> Ownership | None:
    # Late: it imports MLflow, whose seconds must not count against the server's limit.
    from orchestrator.mlflow.experiments import find_experiment

    def asked() -> Ownership | None:
        found = find_experiment(uri, name)
        if found is None:
            return None
        client, experiment = found
        with as_machinery_error(f"MLflow at {without_password(uri)} cannot be read", Exception):
            runs = client.search_runs([experiment.experiment_id], max_results=1)
            models = client.search_registered_models(f"tags.experiment = '{name}'", max_results=1)
        return _ownership(
            experiment.experiment_id,
            experiment.artifact_location,
            experiment.tags,
            is_empty=not runs,
            has_champions=bool(models),
        )

    if seconds is None:
        return asked()
    try:
        return within(seconds, asked)
    except TimeoutError as error:
        raise MachineryError(
            f"MLflow at {without_password(uri)} has not answered within {seconds:g} s, to which "
            f"ledger its experiment {name!r} belongs"
        ) from error


def _ownership(
    experiment_id: str,
    artifacts: str,
    tags: dict[str, str],
    *,
    is_empty: bool,
    has_champions: bool,
) -> Ownership:
    return Ownership(
        experiment_id=experiment_id,
        artifacts=artifacts,
        token=tags.get(TAG, ""),
        receiving=tags.get(RECEIVING, ""),
        place=tags.get(PLACE, ""),
        is_empty=is_empty,
        has_champions=has_champions,
    )


def read_marker(root: str, experiment: str) -> str:
    """Return the token of the ledger that owns a local artifact root; "" if none is recorded."""
    file = _marker(root, experiment)
    try:
        return "" if file is None else file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def write_marker(root: str, experiment: str, token: str) -> None:
    """Record the owner of a local artifact root; other roots are identified by address alone.

    Raises:
        OSError: The folder cannot be written.
    """
    file = _marker(root, experiment)
    if file is not None and read_marker(root, experiment) != token:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_name(f"{file.name}.{token}")
        unfinished.write_text(f"{token}\n", encoding="utf-8")
        unfinished.replace(file)


def _marker(root: str, experiment: str) -> Path | None:
    """Return the marker, one per experiment: experiments may share a folder, as run ids differ."""
    folder = root_on_disk(root)
    return None if folder is None else folder / f".{experiment}.ledger"
