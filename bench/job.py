"""The whole job, from submission to the last alias: ours, the ideal, and what a user else would do.

    python -m bench.job                    every way in turn, 5 rounds after a warm-up
    python -m bench.job --quick            ours and the loop alone, 3 rounds
    python -m bench.job --shape 500x12     another shape of the job: 5x120, 500x12, routes, slow

600 trials: 50 routes x 12 candidates, 3 folds, ROC AUC, tracked in MLflow on SQLite, and each
route's best candidate refitted, registered and given its alias. Two worker processes are up before
the clock starts; README.md says exactly what is counted.
"""

import argparse
import statistics
import sys
import tempfile
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

from bench import _peers as peers
from bench import _routes as routes
from bench import _slow_fits as slow_fits
from bench._peers import Job
from orchestrator.clusters import Cluster, connect
from orchestrator.experiment.line import run
from orchestrator.experiment.settings import Experiment
from orchestrator.records import Customer, Evaluation, ModelSpec

WORKERS, FOLDS = 2, 3

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

    @property
    def tracking(self) -> str:
        return f"sqlite:///{self.folder}/mlflow.db"


SHAPES: dict[str, Callable[[], Job]] = {
    "50x12": lambda: Job(customers=routes.largest(50), models=routes.MODELS),
    "5x120": lambda: Job(customers=routes.largest(5), models=routes.MANY_CANDIDATES),
    "500x12": lambda: Job(customers=routes.windows(500), models=routes.MODELS),
    "routes": lambda: Job(customers=routes.every(), models=routes.MODELS),
    "slow": lambda: Job(
        customers=slow_fits.CUSTOMERS,
        models=slow_fits.MODELS,
        loader="bench._slow_fits:load",
        allowed=("sklearn", "bench"),
        fit_seconds=slow_fits.FIT_SECONDS,
    ),
}
"""The job, and how else it may look; the first is the one of `make bench`."""


def measure(
    shape: str = "50x12", rounds: int = 5, peers_too: Sequence[str] = tuple(peers.WAYS)
) -> dict[str, float]:
    """Seconds of every way, medians of the rounds, and ours as a share of the ideal.

    Args:
        shape: One of `SHAPES`.
        rounds: After one that is not counted.
        peers_too: Which of the other ways to run.
    """
    job = SHAPES[shape]()
    ways = {"ours": _ours, "loop": _loop} | {name: _peer(peers.WAYS[name]) for name in peers_too}
    with _workers() as client, threadpool_limits(limits=1), tempfile.TemporaryDirectory() as folder:
        empty = _empty_mlflow(Path(folder))
        spent: dict[str, list[Spent]] = {way: [] for way in ways}
        for number in range(rounds + 1):
            for way, do in ways.items():
                setting = Setting(job=job, client=client, folder=Path(folder, f"{way}{number}"))
                setting.folder.mkdir()
                setting.folder.joinpath("mlflow.db").write_bytes(empty)
                spent[way].append(do(setting))
                client.run(_forget)
    name = "job" if shape == "50x12" else f"job.{shape}"
    return {f"{name}.{figure}": value for figure, value in _figures(job, spent).items()}


def _figures(job: Job, spent: dict[str, list[Spent]]) -> dict[str, float]:
    wall = {way: statistics.median(s.seconds for s in each[1:]) for way, each in spent.items()}
    cpu = {way: statistics.median(s.cpu for s in spent[way][1:]) for way in ("ours", "loop")}
    ideal = cpu["loop"] / WORKERS if job.fit_seconds is None else wall["loop"]
    return {
        "ratio": wall["ours"] / ideal,
        "ratio_to_loop": wall["ours"] / wall["loop"],
        "ideal_s": ideal,
        **{f"{way}_s": seconds for way, seconds in wall.items()},
        "ours_cpu_s": cpu["ours"],
        "trials": float(job.trials),
    }


def _ours(setting: Setting) -> Spent:
    """As a user runs it on a cluster that is up; ledger, registry, MLflow are new each time."""
    job, folder = setting.job, setting.folder
    experiment = Experiment(
        name="bench",
        registry={
            "source": "inline",
            "models": [_row_of_model(model) for model in job.models],
            "customers": [_row_of_customer(customer) for customer in job.customers],
        },
        evaluation=Evaluation(loader=job.loader, allowed=job.allowed),
        cluster=Cluster(kind="remote", address=setting.client.scheduler.address),
        ledger=f"sqlite:///{folder}/ledger.db",
        tracking=setting.tracking,
        artifacts=str(folder / "artifacts"),
    )
    report, spent = _measured(setting.client, lambda: run(experiment))
    _check(setting, report.trials["success"], len(report.promotions))
    return spent


def _loop(setting: Setting) -> Spent:
    """A bare loop of `cross_val_score`, half of it on each worker: nothing tracked or deployed."""
    job, client = setting.job, setting.client
    if job.fit_seconds is not None:
        return Spent(job.trials * FOLDS * job.fit_seconds / WORKERS, 0.0)
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
            folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
            for candidate in job.candidates(customer):
                cross_val_score(candidate.estimator, X, y, cv=folds, scoring="roc_auc")
    return time.thread_time() - began


def _peer(way: peers.Way) -> Way:
    def timed(setting: Setting) -> Spent:
        artifacts = str(setting.folder / "artifacts")
        _, spent = _measured(
            setting.client, lambda: way(setting.job, setting.tracking, artifacts, setting.client)
        )
        _check(setting, setting.job.trials, len(setting.job.customers))
        return spent

    return timed


def _measured(client: Client, work: Callable[[], T]) -> tuple[T, Spent]:
    cpu, began = _cpu_seconds(client), time.perf_counter()
    done = work()
    seconds = time.perf_counter() - began
    return done, Spent(seconds, _cpu_seconds(client) - cpu)


def _check(setting: Setting, trials: int, promotions: int) -> None:
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
def _workers() -> Iterator[Client]:
    """The cluster of two worker processes that `kind: local` starts, up before the clock is."""
    with connect(Cluster(workers=WORKERS, dashboard=False)) as client:
        assert client is not None
        yield client


def _empty_mlflow(folder: Path) -> bytes:
    """A database as MLflow makes it, which takes it seconds: every way starts with one."""
    file = folder / "empty.db"
    MlflowClient(f"sqlite:///{file}").search_experiments()
    return file.read_bytes()


def _cpu_seconds(client: Client) -> float:
    """Of the driver, which is the scheduler's process too, and of the workers."""
    return time.process_time() + sum(client.run(time.process_time).values())


def _forget() -> None:
    """On a worker: what it keeps of a customer would serve the next round."""
    from orchestrator.training.cache import of_this_process

    of_this_process().clear()


def _row_of_model(model: ModelSpec) -> dict[str, object]:
    steps = [{"name": step.name, "estimator": step.estimator} for step in model.steps]
    (grid,) = model.grid
    return {"id": model.id, "pipeline": steps, "grid": {k: list(v) for k, v in grid.items()}}


def _row_of_customer(customer: Customer) -> dict[str, object]:
    return {"id": customer.id, "data": customer.data}


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.job")
    parser.add_argument("--shape", choices=SHAPES, default="50x12")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="ours and the loop alone, 3 rounds")
    parser.add_argument("--peers", nargs="*", choices=peers.WAYS, default=list(peers.WAYS))
    given = parser.parse_args(arguments)
    if given.quick:
        given.rounds, given.peers = min(given.rounds, 3), []
    for name, value in measure(given.shape, given.rounds, given.peers).items():
        print(f"{name:42} {value:8.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
