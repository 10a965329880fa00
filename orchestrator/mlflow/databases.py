"""MLflow's database, looked at without MLflow, whose import takes seconds.

Touches SQLAlchemy; takes a tracking address; runs on the driver.
"""

from contextlib import suppress
from pathlib import Path

from sqlalchemy import Engine, NullPool, column, create_engine, make_url, select, table
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from orchestrator.errors import UsageError
from orchestrator.mlflow.addresses import is_server, without_password
from orchestrator.sql.engines import limits


def engine_of(uri: str) -> Engine:
    """What connects to a database, anew each time, so that there is nothing to close.

    Raises:
        UsageError: It is no address of a database, or its driver is not installed.
    """
    try:
        return create_engine(uri, poolclass=NullPool, connect_args=limits(make_url(uri)))
    except (ArgumentError, ImportError, ValueError) as error:
        raise UsageError(
            f"MLflow's tracking address {without_password(uri)} cannot be used ({error}): give a "
            "database, e.g. sqlite:///mlflow.db, or a server, e.g. http://localhost:5000"
        ) from error


def may_exist(uri: str) -> bool:
    """Whether there may be something at the address: SQLite would make an empty file there."""
    if not uri.startswith("sqlite:"):
        return True
    file = make_url(uri).database
    return file is not None and Path(file).is_file()


def require_usable(uri: str, experiment: str) -> None:
    """Refuse what could never be sent anything, as far as a moment's look tells.

    What does not answer is not refused, since it may later; a server is not asked.

    Args:
        uri: MLflow's tracking address.
        experiment: The experiment's name.

    Raises:
        UsageError: The address is none MLflow can use, or the experiment was deleted there.
    """
    if is_server(uri):
        return
    engine = engine_of(uri)
    if may_exist(uri):
        with suppress(SQLAlchemyError):  # opening it will tell
            _require_active(engine, experiment)


def _require_active(engine: Engine, name: str) -> None:
    """These columns MLflow's table has had since its first version."""
    its = table("experiments", *map(column, ("experiment_id", "lifecycle_stage", "name"))).c
    its_id = select(its.experiment_id).where(its.name == name, its.lifecycle_stage == "deleted")
    with engine.connect() as connection:
        found = connection.scalar(its_id)
    if found is not None:
        raise deleted(str(engine.url), name, found)


def deleted(uri: str, name: str, experiment_id: str) -> UsageError:
    """The error of an experiment that was deleted in MLflow."""
    return UsageError(
        f"the experiment {name!r} was deleted in MLflow at {without_password(uri)}: restore it "
        f"with `mlflow experiments restore --experiment-id {experiment_id}`, "
        "or choose another name"
    )
