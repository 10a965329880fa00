"""The MLflow experiment all runs go to: found, or made by MLflow itself.

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
"""What MLflow and its database raise."""

_KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Opens MLflow's page as one of model training; it would open in its GenAI mode."""


def open_experiment(
    uri: str, name: str, artifact_root: str | None
) -> tuple[MlflowClient, Experiment]:
    """MLflow's client and the experiment, made if missing; so is a database that is not there yet.

    Args:
        uri: MLflow's tracking address.
        name: The experiment's name.
        artifact_root: The folder of a new experiment's files; None leaves it to MLflow. One that
            exists keeps the folder it has.

    Raises:
        UsageError: The experiment was deleted in MLflow, or the address is none MLflow can use.
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
    """MLflow's client and the experiment, if both it and its database are there; none is made.

    Args:
        uri: MLflow's tracking address.
        name: The experiment's name.

    Raises:
        UsageError: The address is none MLflow can use.
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
    """Set tags of an experiment, over whatever they were."""
    with as_machinery_error(f"tags of MLflow's experiment {experiment_id} were not set", *FOREIGN):
        for key, value in tags.items():
            client.set_experiment_tag(experiment_id, key, value)


def attach(client: MlflowClient, run_id: str, name: str, text: str) -> None:
    """Write a text file among those of a run, by MLflow's own id of it."""
    with as_machinery_error(f"{name} was not written to MLflow's run {run_id}", *FOREIGN):
        client.log_text(run_id, text, name)


def delete_files(artifact_uri: str, root: str, tracking_uri: str | None = None) -> None:
    """Delete a run's files, wherever they are; where there are none, nothing happens.

    Args:
        artifact_uri: Their folder.
        root: The artifact root of the experiment, which they must be below.
        tracking_uri: MLflow's address, where files go through its server.

    Raises:
        MachineryError: They are not below the root, be it by a symbolic link; or the library that
            reaches them is not installed.
    """
    if urlsplit(artifact_uri).scheme in {"", "file"}:
        folder = Path(local_file_uri_to_path(artifact_uri))
        _require_below(folder, Path(local_file_uri_to_path(root)))
        # MLflow's own way refuses a folder that is not there.
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
    """Without the log lines of the migrations MLflow runs when it makes a database."""
    logger = logging.getLogger("mlflow.store.db")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)
