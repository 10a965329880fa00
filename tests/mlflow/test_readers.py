"""A model that hangs when it is read back is given up, and the next one is read as ever."""

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
    assert problem.blames_model
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
    assert not problem.blames_model
