"""Models of LightGBM, XGBoost and CatBoost are stored without pickling them, and load elsewhere.

Each is tried where its package is installed.
"""

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from orchestrator.mlflow.model_files.files import write_model
from orchestrator.mlflow.model_files.formats import Storable
from orchestrator.mlflow.model_files.readback import Proof, Reading
from orchestrator.mlflow.model_files.readers import reader

ROWS = pd.DataFrame(np.random.default_rng(1).normal(size=(120, 3)), columns=list("abc"))
CLASSES = (ROWS["a"] > ROWS["b"]).astype(int)
AMOUNTS = ROWS["a"] * 2 + ROWS["c"]

SETTINGS = {
    "lightgbm": {"n_estimators": 5, "verbose": -1, "n_jobs": 1},
    "xgboost": {"n_estimators": 5, "n_jobs": 1},
    "catboost": {"iterations": 5, "verbose": 0, "allow_writing_files": False},
}
NAMES = {
    "lightgbm": ("LGBMClassifier", "LGBMRegressor"),
    "xgboost": ("XGBClassifier", "XGBRegressor"),
    "catboost": ("CatBoostClassifier", "CatBoostRegressor"),
}


@pytest.mark.parametrize("in_pipeline", [False, True], ids=["alone", "in a pipeline"])
@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("package", SETTINGS)
def test_a_booster_is_stored_without_pickle_and_read_back_elsewhere(
    package, task, in_pipeline, tmp_path
):
    library = pytest.importorskip(package)
    booster = getattr(library, NAMES[package][task == "regression"])(**SETTINGS[package])
    estimator = make_pipeline(StandardScaler(), booster) if in_pipeline else booster
    estimator.fit(ROWS, AMOUNTS if task == "regression" else CLASSES)
    sample = ROWS.head()
    model = Storable(
        estimator=estimator,
        sample=sample,
        predictions=estimator.predict(sample),
        allowed=("sklearn", package),
    )
    files = write_model(model, str(tmp_path))
    assert files.format == "skops"
    proof = Proof(sample=sample, predictions=model.predictions)
    reading = Reading(source=files.source, files=files.files, proof=proof)
    assert reader(wrote_itself=True)(reading) is None
