"""What one champion costs: its model files, then registered model, version, tags and alias.

    python -m bench deploy

500 champions, each a scaled logistic regression of six columns, fitted beforehand. One process
writes the files; on a cluster the workers share that part. Registration is measured in bulk and,
for fewer champions, by MLflow's client, both on SQLite.
"""

import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench._turns import Figures
from orchestrator.identity import digest
from orchestrator.mlflow.model_files.files import ModelFiles, write_model
from orchestrator.mlflow.model_files.formats import Storable
from orchestrator.mlflow.models.client import ClientDeployer
from orchestrator.mlflow.models.deployer import Challenger
from orchestrator.mlflow.models.opening import open_deployer
from orchestrator.mlflow.runs.opening import open_tracker

CHAMPIONS, QUICK_CHAMPIONS = 500, 100
BY_CLIENT = 50


def measure(*, quick: bool = False) -> Figures:
    """Milliseconds a champion: files, registration, and both together."""
    champions = QUICK_CHAMPIONS if quick else CHAMPIONS
    with tempfile.TemporaryDirectory() as folder:
        uri = f"sqlite:///{folder}/mlflow.db"
        open_tracker(uri, "bench", folder)  # which makes the database
        client = MlflowClient(uri, uri)
        in_bulk = open_deployer(uri, "bulk")
        by_client = ClientDeployer(client, "client", connections=1)
        model = _model()
        write_model(model, f"{folder}/warm-up")
        files, writing = _timed(
            lambda: [write_model(model, f"{folder}/{n}/artifacts") for n in range(champions)]
        )
        challengers = [_challenger(number, each) for number, each in enumerate(files)]
        _, bulk = _timed(lambda: in_bulk.deploy(challengers))
        _, client_seconds = _timed(lambda: by_client.deploy(challengers[:BY_CLIENT]))
        _, again = _timed(lambda: in_bulk.deploy(challengers))
    return {
        "deploy.ms_per_champion": (writing + bulk) / champions * 1000,
        "deploy.ms_per_champion.files": writing / champions * 1000,
        "deploy.ms_per_champion.register_bulk": bulk / champions * 1000,
        "deploy.ms_per_champion.register_client": client_seconds / BY_CLIENT * 1000,
        "deploy.ms_per_champion.register_again": again / champions * 1000,
    }


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def _model() -> Storable:
    rows = pd.DataFrame(np.random.default_rng(0).random((500, 6)), columns=list("abcdef"))
    estimator = make_pipeline(StandardScaler(), LogisticRegression())
    fitted = estimator.fit(rows, (rows["a"] > 0.5).astype(int))
    return Storable(
        estimator=fitted,
        sample=rows.head(),
        predictions=fitted.predict(rows.head()),
        allowed=("sklearn",),
    )


def _challenger(number: int, files: ModelFiles) -> Challenger:
    return Challenger(
        customer=f"AA-{number}",
        run_id=digest("bench", number),
        source=files.source,
        tags={"model": "logreg", "format": files.format},
    )
