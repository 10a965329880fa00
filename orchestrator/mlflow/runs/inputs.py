"""The data of runs, written in bulk: MLflow's datasets, and the inputs of runs.

A dataset is one version of a customer's data: all trials on it share one row. MLflow's page shows
it in the column Dataset. Touches SQLAlchemy and MLflow's table classes; takes `TrackedRun`; runs on
the driver, within a transaction of the bulk writer.
"""

from collections.abc import Collection, Mapping, Sequence

from mlflow.store.tracking.dbmodels.models import SqlDataset, SqlInput, SqlInputTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT
from sqlalchemy import ColumnElement, Connection, delete, select

from orchestrator import identity
from orchestrator.mlflow.runs.limits import dataset_name
from orchestrator.mlflow.runs.tracked_run import Dataset, TrackedRun
from orchestrator.mlflow.tables import Row, table_of
from orchestrator.sql.inserts import insert_missing

CONTEXT = "training"
"""The use of the data, in MLflow's terms."""

_DATASET, _RUN = "DATASET", "RUN"
_AT_ONCE = 500


def write_inputs(connection: Connection, experiment_id: int, runs: Sequence[TrackedRun]) -> None:
    """Write the datasets and inputs of new runs, as MLflow's `log_inputs` does."""
    given = [(run.run_id, run.dataset) for run in runs if run.dataset is not None]
    datasets = {(dataset.name, dataset.digest): dataset for _, dataset in given}
    rows = [_dataset_row(experiment_id, dataset) for dataset in datasets.values()]
    insert_missing(connection, table_of(SqlDataset), rows)
    ids = _ids(connection, experiment_id, {name for name, _ in datasets})
    inputs = [_input_row(run_id, ids[data.name, data.digest]) for run_id, data in given]
    insert_missing(connection, table_of(SqlInput), inputs)
    insert_missing(connection, table_of(SqlInputTag), [_tag_row(each) for each in inputs])


def erase_inputs(
    connection: Connection, experiment_id: int, customer: str, run_ids: Sequence[str]
) -> None:
    """Delete a customer's datasets, and the inputs of these runs."""
    datasets, inputs = table_of(SqlDataset), table_of(SqlInput)
    own = (datasets.c.experiment_id == experiment_id) & (datasets.c.name == dataset_name(customer))
    ids = connection.scalars(select(datasets.c.dataset_uuid).where(own)).all()
    _erase(connection, (inputs.c.source_type == _DATASET), inputs.c.source_id, ids)
    _erase(connection, (inputs.c.destination_type == _RUN), inputs.c.destination_id, run_ids)
    connection.execute(delete(datasets).where(own))


def _erase(
    connection: Connection,
    kind: ColumnElement[bool],
    column: ColumnElement[str],
    ids: Sequence[str],
) -> None:
    inputs, tags = table_of(SqlInput), table_of(SqlInputTag)
    for start in range(0, len(ids), _AT_ONCE):
        these = kind & column.in_(ids[start : start + _AT_ONCE])
        tagged = tags.c.input_uuid.in_(select(inputs.c.input_uuid).where(these))
        connection.execute(delete(tags).where(tagged))
        connection.execute(delete(inputs).where(these))


def _ids(
    connection: Connection, experiment_id: int, names: Collection[str]
) -> Mapping[tuple[str, str], str]:
    """Return the ids of datasets by name and digest; an existing dataset keeps its id."""
    its, known, sought = table_of(SqlDataset).c, dict[tuple[str, str], str](), sorted(names)
    query = select(its.name, its.digest, its.dataset_uuid).where(its.experiment_id == experiment_id)
    for start in range(0, len(sought), _AT_ONCE):
        some = query.where(its.name.in_(sought[start : start + _AT_ONCE]))
        known.update({(name, digest): found for name, digest, found in connection.execute(some)})
    return known


def _dataset_row(experiment_id: int, dataset: Dataset) -> Row:
    return {
        "dataset_uuid": identity.digest(
            "mlflow-dataset", experiment_id, dataset.name, dataset.digest
        ),
        "experiment_id": experiment_id,
        "name": dataset.name,
        "digest": dataset.digest,
        "dataset_source_type": dataset.source_type,
        "dataset_source": dataset.source,
        "dataset_schema": None,
        "dataset_profile": None,
    }


def _input_row(run_id: str, dataset_id: str) -> Row:
    return {
        "input_uuid": identity.digest("mlflow-input", dataset_id, run_id),
        "source_type": _DATASET,
        "source_id": dataset_id,
        "destination_type": _RUN,
        "destination_id": run_id,
        "step": 0,
    }


def _tag_row(of: Row) -> Row:
    return {"input_uuid": of["input_uuid"], "name": MLFLOW_DATASET_CONTEXT, "value": CONTEXT}
