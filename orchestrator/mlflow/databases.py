"""MLflow's database, read without MLflow, whose import takes seconds.

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
    """Return an engine that opens a new connection each time, so that nothing has to be closed.

    Raises:
        UsageError: The address is not that of a database, or its driver is not installed.
    """
    try:
        return create_engine(uri, poolclass=NullPool, connect_args=limits(make_url(uri)))
    except (ArgumentError, ImportError, ValueError) as error:
        raise UsageError(
            f"MLflow's tracking address {without_password(uri)} cannot be used ({error}): give a "
            "database, e.g. sqlite:///mlflow.db, or a server, e.g. http://localhost:5000"
        ) from error


def may_exist(uri: str) -> bool:
    """Whether a database may exist at the address; connecting SQLite would create an empty file."""
    if not uri.startswith("sqlite:"):
        return True
    file = make_url(uri).database
    return file is not None and Path(file).is_file()


def require_usable(uri: str, experiment: str) -> None:
    """Refuse an address or experiment that can never receive runs, as far as a quick check shows.

    A database that does not answer is not refused, since it may answer later; a server is not
    contacted.

    Args:
        uri: MLflow's tracking address.
        experiment: The experiment's name.

    Raises:
        UsageError: MLflow cannot use the address, or the experiment was deleted there.
    """
    if is_server(uri):
        return
    engine = engine_of(uri)
    if may_exist(uri):
        with suppress(SQLAlchemyError):  # opening it will report the error
            _require_active(engine, experiment)


def _require_active(engine: Engine, name: str) -> None:
    """Read only columns that MLflow's table has had since its first version."""
    its = table("experiments", *map(column, ("experiment_id", "lifecycle_stage", "name"))).c
    its_id = select(its.experiment_id).where(its.name == name, its.lifecycle_stage == "deleted")
    with engine.connect() as connection:
        found = connection.scalar(its_id)
    if found is not None:
        raise deleted(str(engine.url), name, found)


def deleted(uri: str, name: str, experiment_id: str) -> UsageError:
    """Return the error for an experiment that was deleted in MLflow."""
    return UsageError(
        f"the experiment {name!r} was deleted in MLflow at {without_password(uri)}: restore it "
        f"with `mlflow experiments restore --experiment-id {experiment_id}`, "
        "or choose another name"
    )
