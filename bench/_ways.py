"""One round of the job: the cluster, an empty MLflow, ours, the bare loop, and the clock."""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

from distributed import Client
from mlflow import MlflowClient
from sklearn.model_selection import StratifiedKFold, cross_val_score
from threadpoolctl import threadpool_limits

from bench._peers import Job
from orchestrator.clusters import Cluster, connect
from orchestrator.pipeline.pipeline import run
from orchestrator.records import Customer, Distribution, Evaluation, ModelSpec
from orchestrator.settings import ExperimentSettings

WORKERS = 2

T = TypeVar("T")


class Spent(NamedTuple):
    """What doing the job once took: wall seconds, and of CPU in the driver and the workers."""

    seconds: float
    cpu: float


Way = Callable[["Setting"], Spent]
"""Does the job once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One round: the job, a cluster that is up, and an empty folder with an empty MLflow."""

    job: Job
    client: Client
    folder: Path

    @classmethod
    def new(cls, job: Job, client: Client, folder: Path, empty: bytes) -> "Setting":
        """With a copy of MLflow's empty database in a new folder."""
        folder.mkdir()
        folder.joinpath("mlflow.db").write_bytes(empty)
        return cls(job=job, client=client, folder=folder)

    @property
    def tracking(self) -> str:
        return f"sqlite:///{self.folder}/mlflow.db"


def ours(setting: Setting) -> Spent:
    """As a user runs it on a cluster that is up; ledger, registry, MLflow are new each time."""
    report, spent = measured(setting.client, lambda: run(experiment(setting)))
    check(setting, report.trials["success"], len(report.promotions))
    return spent


def experiment(setting: Setting) -> ExperimentSettings:
    """The job as a configuration file would say it."""
    job, folder = setting.job, setting.folder
    return ExperimentSettings(
        name="bench",
        registry={
            "source": "inline",
            "models": [_row_of_model(model) for model in job.models],
            "customers": [_row_of_customer(customer) for customer in job.customers],
        },
        evaluation=Evaluation(loader=job.loader, allowed=job.allowed, folds=job.folds),
        cluster=Cluster(kind="remote", address=setting.client.scheduler.address),
        ledger=f"sqlite:///{folder}/ledger.db",
        tracking=setting.tracking,
        artifacts=str(folder / "artifacts"),
    )


def loop(setting: Setting) -> Spent:
    """A bare loop of `cross_val_score`, half of it on each worker: nothing tracked or deployed."""
    job, client = setting.job, setting.client
    if job.fit_seconds is not None:
        return Spent(job.trials * job.folds * job.fit_seconds / WORKERS, 0.0)
    workers = list(client.scheduler_info(n_workers=-1)["workers"])
    began = time.perf_counter()
    halves = [
        client.submit(_bare, job, job.customers[n::WORKERS], workers=[worker], pure=False)
        for n, worker in enumerate(workers)
    ]
    cpu = sum(client.gather(halves))
    return Spent(time.perf_counter() - began, cpu)


def _bare(job: Job, customers: Sequence[Customer]) -> float:
    """On a worker: every candidate of some customers; its CPU seconds."""
    began = time.thread_time()
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for customer in customers:
            X, y = job.load(customer)
            folds = StratifiedKFold(job.folds, shuffle=True, random_state=0)
            for candidate in job.candidates(customer):
                cross_val_score(candidate.estimator, X, y, cv=folds, scoring="roc_auc")
    return time.thread_time() - began


def measured(client: Client, work: Callable[[], T]) -> tuple[T, Spent]:
    cpu, began = _cpu_seconds(client), time.perf_counter()
    done = work()
    seconds = time.perf_counter() - began
    return done, Spent(seconds, _cpu_seconds(client) - cpu)


def check(setting: Setting, trials: int, promotions: int) -> None:
    """The job is done only when MLflow has every trial and an alias for every customer."""
    job, mlflow = setting.job, MlflowClient(setting.tracking, setting.tracking)
    experiment = mlflow.get_experiment_by_name("bench")
    assert experiment is not None
    tracked = len(mlflow.search_runs([experiment.experiment_id], max_results=50_000))
    assert (trials, tracked) == (job.trials, job.trials), (trials, tracked)
    models = mlflow.search_registered_models(max_results=1000)
    aliased = sum("champion" in model.aliases for model in models)
    assert (promotions, aliased) == (len(job.customers), len(job.customers))


@contextmanager
def workers(count: int = WORKERS) -> Iterator[Client]:
    """The cluster of worker processes that `kind: local` starts, up before the clock is."""
    with (
        threadpool_limits(limits=1),
        connect(Cluster(workers=count, dashboard=False)) as client,
    ):
        assert client is not None
        yield client


def empty_mlflow(folder: Path) -> bytes:
    """A database as MLflow makes it, which takes it seconds: every way starts with one."""
    file = folder / "empty.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file.read_bytes()


def process_seconds(client: Client) -> float:
    """CPU seconds of the workers' processes so far."""
    return float(sum(client.run(time.process_time).values()))


def _cpu_seconds(client: Client) -> float:
    """Of the driver, which is the scheduler's process too, and of the workers."""
    return time.process_time() + process_seconds(client)


def forget() -> None:
    """On a worker: what it keeps of a customer would serve the next round."""
    from orchestrator.training.cache import of_this_process

    of_this_process().clear()


def _row_of_model(model: ModelSpec) -> dict[str, object]:
    steps = [{"name": step.name, "estimator": step.estimator} for step in model.steps]
    (grid,) = model.grid
    return {
        "id": model.id,
        "pipeline": steps,
        "params": model.params,
        "grid": {name: _row_of_values(values) for name, values in grid.items()},
    }


def _row_of_values(values: tuple[object, ...] | Distribution) -> object:
    """A list, or a range with two ends."""
    if isinstance(values, Distribution):
        return {values.kind: [values.low, values.high]}
    return list(values)


def _row_of_customer(customer: Customer) -> dict[str, object]:
    return {"id": customer.id, "data": customer.data}
