"""Builders of experiments: the flights on a small slice, and three small synthetic customers.

Touches MLflow's client, to look at what a run left. Takes a folder and MLflow's address, gives
settings that keep everything in that folder. Driver side.
"""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

from orchestrator.clusters import Cluster
from orchestrator.ledger import Ledger
from orchestrator.records import Evaluation
from orchestrator.registry.guards import Limits
from orchestrator.settings import ExperimentSettings
from tests.support.rows import CUSTOMERS, LOGISTIC, ROUTES, TREE, Row

INLINE = Cluster(kind="inline")
SYNTHETIC = Evaluation(loader="tests.support.synthetic:load")


def an_experiment(
    tmp_path: Path,
    tracking: str,
    *,
    models: Iterable[Row] = (LOGISTIC, TREE),
    customers: Iterable[Row] = ROUTES,
    **changes: Any,
) -> ExperimentSettings:
    """The flights on a small slice, with everything it keeps in the test's own folder."""
    settings: dict[str, Any] = {
        "name": "flights",
        "registry": _inline(models, customers),
        "evaluation": Evaluation(loader="experiments.flights:load"),
        "limits": Limits(max_removed=1.0),
        "cluster": INLINE,
        "ledger": f"sqlite:///{tmp_path}/ledger.db",
        "tracking": tracking,
        "artifacts": str(tmp_path / "artifacts"),
    }
    return ExperimentSettings(**{**settings, **changes})


def a_small_experiment(
    tmp_path: Path,
    tracking: str,
    *,
    models: Iterable[Row] = (TREE,),
    customers: Iterable[Row] = CUSTOMERS,
    **changes: Any,
) -> ExperimentSettings:
    """Three small customers and two candidates, in this process."""
    settings = {"name": "trouble", "evaluation": SYNTHETIC, "limits": Limits(), **changes}
    return an_experiment(tmp_path, tracking, models=models, customers=customers, **settings)


def listing(
    experiment: ExperimentSettings,
    *,
    models: Iterable[Row] = (LOGISTIC, TREE),
    customers: Iterable[Row] = ROUTES,
) -> ExperimentSettings:
    """The same experiment after its registry has changed."""
    return dataclasses.replace(experiment, registry=_inline(models, customers))


def _inline(models: Iterable[Row], customers: Iterable[Row]) -> dict[str, Any]:
    return {"source": "inline", "models": list(models), "customers": list(customers)}


def tracked(mlflow_url: str, name: str = "flights") -> list[Run]:
    """Every run of the experiment, read with MLflow's own client."""
    client = MlflowClient(tracking_uri=mlflow_url)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id], max_results=1_000))


def champions(experiment: ExperimentSettings) -> dict[str, tuple[str, dict[str, Any]]]:
    """Each customer's champion: its model and its parameters."""
    with Ledger.open(experiment.ledger) as ledger:
        return {
            customer: (champion.result.trial.study.model.id, dict(champion.result.trial.params))
            for customer, champion in ledger.promotions.champions().items()
        }


def in_mlflow(experiment: ExperimentSettings) -> tuple[int, int, set[str]]:
    """Distinct runs, runs, and customers whose champion has an alias and exactly one version."""
    client = MlflowClient(experiment.tracking, experiment.tracking)
    found = client.get_experiment_by_name(experiment.name)
    runs = client.search_runs([found.experiment_id]) if found else []
    once = {
        model.tags["customer"]
        for model in client.search_registered_models()
        if {alias: int(version) for alias, version in model.aliases.items()} == {"champion": 1}
    }
    return len({run.info.run_id for run in runs}), len(runs), once
