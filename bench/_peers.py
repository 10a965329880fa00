"""The job as a user else does it, with nothing but the libraries this project is made of.

Each way scores every candidate, tracks every trial in MLflow, and refits, logs, registers and
aliases each customer's best; each is written as its own documentation shows it, by somebody who
knows that `log_model` is slow unless it is told requirements and signature.

    joblib          joblib over customers, tracked afterwards with `MlflowClient`
    naive_dask      a Dask future a trial, tracked inside it with `mlflow.start_run`
    gridsearch_dask `GridSearchCV` a customer and model, its fits on joblib's Dask backend

The ways of packages that this project does not depend on stand in `_peers_elsewhere`.
"""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import mlflow
import pandas as pd
from distributed import Client
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.models import infer_signature
from sklearn.model_selection import GridSearchCV, ParameterGrid, StratifiedKFold, cross_val_score
from threadpoolctl import threadpool_limits

from orchestrator.estimators import Estimators
from orchestrator.records import Customer, ModelSpec
from orchestrator.training.data import find_loader

PROCESSES = 2
REQUIREMENTS = ["scikit-learn", "pandas", "skops"]
TRUSTED = [
    "numpy.dtype",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.tree._tree.Tree",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One point of a model's grid: an unfitted estimator."""

    customer: Customer
    model: ModelSpec
    params: dict[str, Any]
    estimator: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be done, whoever does it.

    Attributes:
        customers, models: Every model is for every customer.
        loader: The data's.
        allowed: Packages whose estimators may be used.
        fit_seconds: What a fit takes, where it is known because fits sleep.
        folds: How many; the other ways know three only.
    """

    customers: Sequence[Customer]
    models: Sequence[ModelSpec]
    loader: str = "bench._routes:load"
    allowed: tuple[str, ...] = ("sklearn",)
    fit_seconds: float | None = None
    folds: int = 3

    def load(self, customer: Customer) -> tuple[Any, Any]:
        data = find_loader(self.loader)(customer)
        return data.X, data.y

    def candidates(self, customer: Customer) -> Iterator[Candidate]:
        for model in self.models:
            for params in ParameterGrid(list(map(dict, model.grid))):
                estimator = Estimators(self.allowed).build(model, params)
                yield Candidate(customer=customer, model=model, params=params, estimator=estimator)

    @property
    def trials(self) -> int:
        points = sum(len(ParameterGrid(list(map(dict, model.grid)))) for model in self.models)
        return len(self.customers) * points


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A candidate with its scores and moments, in seconds since the epoch."""

    candidate: Candidate
    scores: Sequence[float]
    began: float
    ended: float

    @property
    def mean(self) -> float:
        return sum(self.scores) / len(self.scores)


Way = Callable[[Job, str, str, Client], None]
"""Does the job: tracking address, folder of model files, a client of the cluster."""


def by_joblib(job: Job, tracking: str, artifacts: str, client: Client) -> None:  # noqa: ARG001 - joblib has processes of its own
    of_customers = joblib.Parallel(n_jobs=PROCESSES)(
        joblib.delayed(_score_customer)(job, customer) for customer in job.customers
    )
    scored = [each for of_customer in of_customers for each in of_customer]
    run_ids = _track_afterwards(scored, tracking, artifacts)
    deploy(job, list(zip(scored, run_ids, strict=True)), tracking)


def by_dask(job: Job, tracking: str, artifacts: str, client: Client) -> None:
    MlflowClient(tracking).create_experiment("bench", artifacts)
    candidates = [each for customer in job.customers for each in job.candidates(customer)]
    futures = client.map(score_and_track, candidates, job=job, tracking=tracking, pure=False)
    deploy(job, client.gather(futures), tracking)


def by_grid_search(job: Job, tracking: str, artifacts: str, client: Client) -> None:  # noqa: ARG001 - joblib's backend finds it
    scored = []
    with joblib.parallel_config(backend="dask"):
        for customer in job.customers:
            X, y = job.load(customer)
            for model in job.models:
                scored += _grid_search(job, customer, model, X, y)
    run_ids = _track_afterwards(scored, tracking, artifacts)
    deploy(job, list(zip(scored, run_ids, strict=True)), tracking)


WAYS: dict[str, Way] = {
    "joblib": by_joblib,
    "naive_dask": by_dask,
    "gridsearch_dask": by_grid_search,
}


def _score_customer(job: Job, customer: Customer) -> list[Scored]:
    X, y = job.load(customer)
    return [score(candidate, X, y) for candidate in job.candidates(customer)]


def score(candidate: Candidate, X: Any, y: Any) -> Scored:
    began = time.time()
    with threadpool_limits(limits=1, user_api="blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folds = StratifiedKFold(3, shuffle=True, random_state=0)
        scores = cross_val_score(candidate.estimator, X, y, cv=folds, scoring="roc_auc")
    return Scored(candidate=candidate, scores=scores.tolist(), began=began, ended=time.time())


def score_and_track(candidate: Candidate, job: Job, tracking: str) -> tuple[Scored, str]:
    mlflow.set_tracking_uri(tracking)
    mlflow.set_experiment("bench")
    with mlflow.start_run() as run:
        scored = score(candidate, *job.load(candidate.customer))
        mlflow.log_params(candidate.params)
        mlflow.log_metrics(metrics(scored))
        mlflow.set_tags(tags(scored))
    return scored, run.info.run_id


def _grid_search(job: Job, customer: Customer, model: ModelSpec, X: Any, y: Any) -> list[Scored]:
    began = time.time()
    search = GridSearchCV(
        Estimators(job.allowed).build(model, {}),
        list(map(dict, model.grid)),
        scoring="roc_auc",
        cv=StratifiedKFold(3, shuffle=True, random_state=0),
        refit=False,
    ).fit(X, y)
    found, ended = search.cv_results_, time.time()
    return [
        Scored(
            candidate=Candidate(
                customer=customer,
                model=model,
                params=params,
                estimator=Estimators(job.allowed).build(model, params),
            ),
            scores=[float(found[f"split{fold}_test_score"][number]) for fold in range(3)],
            began=began,
            ended=ended,
        )
        for number, params in enumerate(found["params"])
    ]


def metrics(scored: Scored) -> dict[str, float]:
    folds = {f"roc_auc_fold{n}": score for n, score in enumerate(scored.scores)}
    return {"roc_auc": scored.mean, "seconds": scored.ended - scored.began, **folds}


def tags(scored: Scored) -> dict[str, str]:
    return {"customer": scored.candidate.customer.id, "model": scored.candidate.model.id}


def _track_afterwards(scored: Sequence[Scored], tracking: str, artifacts: str) -> list[str]:
    client = MlflowClient(tracking)
    experiment = client.create_experiment("bench", artifacts)
    run_ids = []
    for each in scored:
        run = client.create_run(experiment, start_time=round(each.began * 1000))
        moment = round(each.ended * 1000)
        client.log_batch(
            run.info.run_id,
            metrics=[Metric(name, value, moment, 0) for name, value in metrics(each).items()],
            params=[Param(name, str(value)) for name, value in each.candidate.params.items()],
            tags=[RunTag(name, value) for name, value in tags(each).items()],
        )
        client.set_terminated(run.info.run_id, end_time=moment)
        run_ids.append(run.info.run_id)
    return run_ids


def deploy(job: Job, tracked: Sequence[tuple[Scored, str]], tracking: str) -> None:
    """Refit each customer's best, log it into its run, register it, and set the alias."""
    mlflow.set_tracking_uri(tracking)
    mlflow.set_registry_uri(tracking)
    mlflow.set_experiment("bench")
    client = MlflowClient(tracking, tracking)
    best: dict[str, tuple[Scored, str]] = {}
    for scored, run_id in tracked:
        name = scored.candidate.customer.id
        if name not in best or scored.mean > best[name][0].mean:
            best[name] = scored, run_id
    for name, (scored, run_id) in best.items():
        X, y = job.load(scored.candidate.customer)
        fitted = scored.candidate.estimator.fit(X, y)
        with mlflow.start_run(run_id=run_id):
            logged = mlflow.sklearn.log_model(
                fitted,
                name="model",
                registered_model_name=f"bench-{name}",
                signature=_signature(X, fitted.predict(X[:5])),
                pip_requirements=REQUIREMENTS,
                skops_trusted_types=TRUSTED,
            )
        client.set_registered_model_alias(
            f"bench-{name}", "champion", str(logged.registered_model_version)
        )


def _signature(X: Any, answers: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of integers that might one day be missing
        return infer_signature(pd.DataFrame(X[:5]), answers)
