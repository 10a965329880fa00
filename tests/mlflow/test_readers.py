"""A model that hangs when it is read back is given up, and the next one is read as ever."""

import socket
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from orchestrator.mlflow.model_files.files import write_model
from orchestrator.mlflow.model_files.formats import Storable
from orchestrator.mlflow.model_files.readback import Proof, Reading
from orchestrator.mlflow.model_files.readers import ReadingProcess, ReadingThread
from tests.support.undeployable import DiffersElsewhere, HangsElsewhere, Waits

ROWS = pd.DataFrame(np.random.default_rng(1).normal(size=(40, 2)), columns=["a", "b"])
CLASSES = (ROWS["a"] > 0).astype(int)
PATIENT = 120.0


def written(kind, folder, predictions=None):
    """A model of a kind, written; and how it is to be read back."""
    estimator = kind(max_depth=2).fit(ROWS, CLASSES)
    sample = ROWS.head()
    predictions = estimator.predict(sample) if predictions is None else predictions
    model = Storable(
        estimator=estimator, sample=sample, predictions=predictions, allowed=("sklearn", "tests")
    )
    files = write_model(model, str(folder))
    proof = Proof(sample=sample, predictions=predictions)
    return Reading(source=files.source, files=files.files, proof=proof)


@pytest.fixture
def process():
    """A reading process, which has imported MLflow."""
    process = ReadingProcess(PATIENT)
    yield process
    process.close()


def test_a_model_that_hangs_in_another_process_is_given_up(process, tmp_path):
    differs = written(DiffersElsewhere, tmp_path / "differs")
    hangs = written(HangsElsewhere, tmp_path / "hangs")
    assert "where the fitted estimator predicted" in process.read_back(differs).reason
    process.patience = 0.5
    problem = process.read_back(hangs)
    assert problem.reason == "it was not loaded and asked within 0.5 seconds"
    assert problem.culprit == "model"
    process.patience = PATIENT
    assert "where the fitted estimator predicted" in process.read_back(differs).reason


def test_a_model_that_hangs_in_this_process_is_given_up(tmp_path):
    reading = written(Waits, tmp_path, predictions=CLASSES.to_numpy()[:5])
    Waits.may.clear()
    try:
        thread = ReadingThread(0.5)
        assert thread.read_back(reading).reason == "it was not loaded and asked within 0.5 seconds"
        differs = written(DiffersElsewhere, tmp_path / "differs")
        assert "where the fitted estimator predicted" in thread.read_back(differs).reason
    finally:
        Waits.may.set()
    assert ReadingThread(PATIENT).read_back(reading) is None


def test_files_that_are_gone_are_told_in_this_process_too(tmp_path):
    reading = written(DiffersElsewhere, tmp_path)
    for file in (tmp_path / "model").iterdir():
        if file.is_file():
            file.unlink()
    problem = ReadingThread(PATIENT).read_back(reading)
    assert "is gone" in problem.reason
    assert problem.culprit == "files"


@pytest.fixture
def silent_store():
    """The address of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("in_this_process", [True, False])
def test_a_store_that_hangs_is_not_blamed_on_the_model(
    process, in_this_process, silent_store, tmp_path
):
    differs = written(DiffersElsewhere, tmp_path)
    stored = replace(differs, source="mlflow-artifacts:/1/model", tracking_uri=silent_store)
    reader = ReadingThread(PATIENT) if in_this_process else process
    reader.read_back(differs)  # MLflow is imported
    reader.patience = 2.0
    problem = reader.read_back(stored)
    assert problem.culprit == "store"
    assert problem.reason == (
        "the store did not give its files in mlflow-artifacts:/1/model within 2 seconds"
    )
