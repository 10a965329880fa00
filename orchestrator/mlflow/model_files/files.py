"""A fitted estimator's model files, in the folder of its run.

Touches MLflow's artifact stores; takes a `Storable` and a run's folder; gives `ModelFiles`; runs on
WORKERS, and is the only thing a worker writes (law 5).
"""

import shutil
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import append_to_uri_path, is_local_uri

from orchestrator.errors import as_machinery_error
from orchestrator.mlflow.model_files.checksums import files_in
from orchestrator.mlflow.model_files.formats import Format, Storable, format_of, save
from orchestrator.mlflow.model_files.readback import Proof, problem_in
from orchestrator.records import StoredFile

_FOLDER = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFiles:
    """A written model.

    Attributes:
        source: The address of its folder.
        format: The format of the stored estimator; `cloudpickle` runs code when it is loaded.
        files: The files that were written, with checksums.
    """

    source: str
    format: Format
    files: tuple[StoredFile, ...]


def write_model(
    model: Storable, artifact_uri: str, *, tracking_uri: str | None = None, replace: bool = False
) -> ModelFiles:
    """Write a model into its run's folder.

    In a local folder, a model appears completely or not at all, and an existing model is kept
    unless its predictions differ from those of this one.

    Args:
        model: The model to write.
        artifact_uri: The folder of the run's files, as `Tracker.locate` returns it.
        tracking_uri: MLflow's address; needed if files are accessed through its server.
        replace: Whether to replace an existing model in any case.

    Raises:
        UsageError: The model holds types from packages that are not allowed.
        MachineryError: The folder cannot be written.
    """
    source = str(append_to_uri_path(artifact_uri, _FOLDER))
    with as_machinery_error(f"the model cannot be written to {source}", MlflowException, OSError):
        if is_local_uri(source):
            return _write_here(model, Path(local_file_uri_to_path(source)), source, replace=replace)
        return _send(model, source, tracking_uri)


def _send(model: Storable, source: str, tracking_uri: str | None) -> ModelFiles:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / _FOLDER
        format_ = save(model, path)
        files = files_in(path)
        get_artifact_repository(source, tracking_uri=tracking_uri).log_artifacts(str(path))
    return ModelFiles(source=source, format=format_, files=files)


def _write_here(model: Storable, path: Path, source: str, *, replace: bool) -> ModelFiles:
    was_there = path.exists()
    if was_there and not replace and _is_as_good(model, path):
        return ModelFiles(source=source, format=format_of(path), files=files_in(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}-{uuid.uuid4().hex}")
    outdated = path.with_name(f"{unfinished.name}-outdated")
    try:
        save(model, unfinished)
        if was_there:
            path.rename(outdated)
        _rename(unfinished, path)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.rmtree(outdated, ignore_errors=True)
    return ModelFiles(source=source, format=format_of(path), files=files_in(path))


def _is_as_good(model: Storable, path: Path) -> bool:
    """Whether the model that an earlier attempt left there predicts what this one does."""
    proof = Proof(sample=model.sample, predictions=model.predictions)
    return problem_in(path, proof) is None


def _rename(unfinished: Path, path: Path) -> None:
    try:
        unfinished.rename(path)
    except OSError:
        if not path.exists():  # otherwise another worker ran the same task and finished first
            raise
