"""The whole job, from submission to the last alias: ours, the ideal, and what a user else would do.

    python -m bench.job                    every way in turn, 5 rounds after a warm-up
    python -m bench.job --quick            ours and the ideal alone, 3 rounds
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

from distributed import Client, LocalCluster
from mlflow import MlflowClient
from sklearn.model_selection import StratifiedKFold, cross_val_score
from threadpoolctl import threadpool_limits

from bench import peers, routes, slow_fits
from bench.peers import Job
from orchestrator.clusters import Cluster
from orchestrator.experiment.line import run
from orchestrator.experiment.settings import Experiment
from orchestrator.records import Customer, Evaluation, ModelSpec

WORKERS = 2

Way = Callable[["Setting"], float]
"""Does the job once; gives its seconds."""


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
        loader="bench.slow_fits:load",
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
    ways: dict[str, Way] = {"ours": _ours, "ideal": _ideal}
    ways |= {name: _peer(peers.WAYS[name]) for name in peers_too}
    name = "job" if shape == "50x12" else f"job.{shape}"
    with _cluster() as client, threadpool_limits(limits=1), tempfile.TemporaryDirectory() as folder:
        empty = _empty_mlflow(Path(folder))
        taken: dict[str, list[float]] = {way: [] for way in ways}
        cpu: list[float] = []
        for number in range(rounds + 1):
            for way, do in ways.items():
                setting = Setting(job=job, client=client, folder=Path(folder, f"{way}{number}"))
                setting.folder.mkdir()
                setting.folder.joinpath("mlflow.db").write_bytes(empty)
                before = _cpu_seconds(client)
                taken[way].append(do(setting))
                if way == "ours":
                    cpu.append(_cpu_seconds(client) - before)
                client.run(_forget)
    seconds = {way: statistics.median(each[1:]) for way, each in taken.items()}
    return {
        f"{name}.ratio": seconds["ours"] / seconds["ideal"],
        **{f"{name}.{way}_s": each for way, each in seconds.items()},
        f"{name}.ours_cpu_s": statistics.median(cpu[1:]),
        f"{name}.trials": float(job.trials),
    }


def _ours(setting: Setting) -> float:
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
    began = time.perf_counter()
    report = run(experiment)
    seconds = time.perf_counter() - began
    _check(setting, report.trials["success"], len(report.promotions))
    return seconds


def _ideal(setting: Setting) -> float:
    """A bare loop of `cross_val_score`, divided by the cores: nothing tracked, nothing deployed."""
    if setting.job.fit_seconds is not None:
        return setting.job.trials * 3 * setting.job.fit_seconds / WORKERS
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for customer in setting.job.customers:
            X, y = setting.job.load(customer)
            folds = StratifiedKFold(3, shuffle=True, random_state=0)
            for candidate in setting.job.candidates(customer):
                cross_val_score(candidate.estimator, X, y, cv=folds, scoring="roc_auc")
    return (time.process_time() - began) / WORKERS


def _peer(way: peers.Way) -> Way:
    def timed(setting: Setting) -> float:
        began = time.perf_counter()
        way(setting.job, setting.tracking, str(setting.folder / "artifacts"), setting.client)
        seconds = time.perf_counter() - began
        _check(setting, setting.job.trials, len(setting.job.customers))
        return seconds

    return timed


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
def _cluster() -> Iterator[Client]:
    with (
        LocalCluster(
            n_workers=WORKERS,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
        ) as cluster,
        Client(cluster) as client,
    ):
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
    parser.add_argument("--quick", action="store_true", help="ours and the ideal alone, 3 rounds")
    parser.add_argument("--peers", nargs="*", choices=peers.WAYS, default=list(peers.WAYS))
    given = parser.parse_args(arguments)
    if given.quick:
        given.rounds, given.peers = min(given.rounds, 3), []
    for name, value in measure(given.shape, given.rounds, given.peers).items():
        print(f"{name:42} {value:8.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
