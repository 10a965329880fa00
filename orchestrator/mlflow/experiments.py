"""The MLflow experiment that receives all runs: found, or created by MLflow itself.

Touches MLflow; takes a tracking address and a name; gives MLflow's client and experiment; runs on
the driver.
"""

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.entities import Experiment, LifecycleStage
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.file_utils import local_file_uri_to_path
from requests import RequestException
from sqlalchemy.exc import SQLAlchemyError

from orchestrator.errors import MachineryError, as_machinery_error
from orchestrator.mlflow.addresses import without_password
from orchestrator.mlflow.databases import deleted, may_exist
from orchestrator.mlflow.health import check_answers
from orchestrator.mlflow.initialization import is_half_made, make_whole

FOREIGN = (MlflowException, SQLAlchemyError, RequestException, OSError)
"""The exceptions that MLflow and its database raise."""

_KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Opens MLflow's page in its model training mode; by default it opens in its GenAI mode."""


def open_experiment(
    uri: str, name: str, artifact_root: str | None
) -> tuple[MlflowClient, Experiment]:
    """Return MLflow's client and the experiment; create the experiment and database if missing.

    Args:
        uri: MLflow's tracking address.
        name: The experiment's name.
        artifact_root: The folder for a new experiment's files; None lets MLflow choose it. An
            existing experiment keeps its folder.

    Raises:
        UsageError: The experiment was deleted in MLflow, or MLflow cannot use the address.
        MachineryError: MLflow cannot be reached, or its database is of another version.
    """
    failed = f"MLflow at {without_password(uri)} cannot be opened"
    with as_machinery_error(failed, *FOREIGN), _quiet():
        make_whole(uri)
    check_answers(uri)
    with as_machinery_error(failed, *FOREIGN), _quiet():
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        experiment = client.get_experiment_by_name(name)
        if experiment is None:
            experiment_id = client.create_experiment(name, artifact_root, tags=_KIND)
            experiment = client.get_experiment(experiment_id)
    if experiment.lifecycle_stage != LifecycleStage.ACTIVE:
        raise deleted(uri, name, experiment.experiment_id)
    return client, experiment


def find_experiment(uri: str, name: str) -> tuple[MlflowClient, Experiment] | None:
    """Return MLflow's client and the experiment if it and its database exist; create neither.

    Args:
        uri: MLflow's tracking address.
        name: The experiment's name.

    Raises:
        UsageError: MLflow cannot use the address.
        MachineryError: MLflow cannot be reached, or its database is of another version.
    """
    if not may_exist(uri) or is_half_made(uri):
        return None
    check_answers(uri)
    with as_machinery_error(f"MLflow at {without_password(uri)} cannot be read", *FOREIGN):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        experiment = client.get_experiment_by_name(name)
    return None if experiment is None else (client, experiment)


def tag_experiment(client: MlflowClient, experiment_id: str, tags: Mapping[str, str]) -> None:
    """Set tags of an experiment and overwrite their earlier values."""
    with as_machinery_error(f"tags of MLflow's experiment {experiment_id} were not set", *FOREIGN):
        for key, value in tags.items():
            client.set_experiment_tag(experiment_id, key, value)


def attach(client: MlflowClient, run_id: str, name: str, text: str) -> None:
    """Write a text file into the files of a run, which is given by MLflow's own id."""
    with as_machinery_error(f"{name} was not written to MLflow's run {run_id}", *FOREIGN):
        client.log_text(run_id, text, name)


def delete_files(artifact_uri: str, root: str, tracking_uri: str | None = None) -> None:
    """Delete a run's files, local or remote; do nothing if there are none.

    Args:
        artifact_uri: The address of the folder that holds the files.
        root: The experiment's artifact root, which the folder must be below.
        tracking_uri: MLflow's address; needed if files are accessed through its server.

    Raises:
        MachineryError: The files are not below the root, perhaps because of a symbolic link; or
            the library that accesses them is not installed.
    """
    if urlsplit(artifact_uri).scheme in {"", "file"}:
        folder = Path(local_file_uri_to_path(artifact_uri))
        _require_below(folder, Path(local_file_uri_to_path(root)))
        # MLflow's own function refuses a folder that does not exist.
        shutil.rmtree(folder, ignore_errors=True)
        return
    if not artifact_uri.startswith(f"{root.rstrip('/')}/") or ".." in artifact_uri.split("/"):
        raise _outside(artifact_uri, root)
    with as_machinery_error(f"files at {artifact_uri} were not deleted", ImportError):
        get_artifact_repository(artifact_uri, tracking_uri).delete_artifacts()


def _require_below(folder: Path, root: Path) -> None:
    if root.resolve() not in folder.resolve().parents:
        raise _outside(str(folder), str(root))


def _outside(place: str, root: str) -> MachineryError:
    return MachineryError(
        f"{place} leads outside the artifact root {root}: it was not deleted. If it is a symbolic "
        "link, remove the link and repeat"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the log lines of the migrations that MLflow runs when it creates a database."""
    logger = logging.getLogger("mlflow.store.db")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
