"""MLflow's tables that are written in bulk, and a check that they have the expected columns.

Touches MLflow's table classes; takes rows; runs on the driver.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mlflow.store.tracking.dbmodels.models import (
    SqlDataset,
    SqlInput,
    SqlInputTag,
    SqlLatestMetric,
    SqlMetric,
    SqlParam,
    SqlRun,
    SqlTag,
)
from sqlalchemy import Table

Row = dict[str, Any]

_DATABASES = ("sqlite", "postgresql")

COLUMNS_OF_RUNS: Mapping[type, frozenset[str]] = {
    SqlRun: frozenset(
        {
            *("run_uuid", "name", "status", "start_time", "end_time", "deleted_time"),
            *("source_type", "source_name", "source_version", "entry_point_name", "user_id"),
            *("experiment_id", "artifact_uri", "lifecycle_stage"),
        }
    ),
    SqlParam: frozenset({"run_uuid", "key", "value"}),
    SqlTag: frozenset({"run_uuid", "key", "value"}),
    SqlMetric: frozenset({"run_uuid", "key", "value", "timestamp", "step", "is_nan"}),
    SqlLatestMetric: frozenset({"run_uuid", "key", "value", "timestamp", "step", "is_nan"}),
}
"""The tables that name a run in each row, in the order to write them."""

COLUMNS_OF_INPUTS: Mapping[type, frozenset[str]] = {
    SqlDataset: frozenset(
        {
            *("dataset_uuid", "experiment_id", "name", "digest"),
            *("dataset_source_type", "dataset_source", "dataset_schema", "dataset_profile"),
        }
    ),
    SqlInput: frozenset(
        {
            *("input_uuid", "source_type", "source_id", "destination_type", "destination_id"),
            "step",
        }
    ),
    SqlInputTag: frozenset({"input_uuid", "name", "value"}),
}


def understands(uri: str) -> bool:
    """Whether runs can be written in bulk at this tracking address.

    They can on a database that this package supports, if the tables of the installed MLflow have
    exactly the columns that it writes. MLflow itself checks, when the experiment is opened, that
    the database has the version of the installed MLflow.
    """
    database = uri.partition("://")[0].partition("+")[0]
    return database in _DATABASES and all(
        written == set(table_of(model).c.keys()) for model, written in _written()
    )


def table_of(model: type) -> Table:
    """Return the table of one of MLflow's classes."""
    table: Table = model.__table__  # type: ignore[attr-defined]  # MLflow's classes are untyped
    return table


def _written() -> Iterator[tuple[type, frozenset[str]]]:
    yield from COLUMNS_OF_RUNS.items()
    yield from COLUMNS_OF_INPUTS.items()
