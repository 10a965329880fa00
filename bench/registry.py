"""How long a plan takes, and a run in which nothing changed, by the number of customers.

    python -m bench.registry                        10,000 customers, on SQLite
    python -m bench.registry 1000 100000            so many, on SQLite
    python -m bench.registry 1000 --postgres        ledger, registry and MLflow on PostgreSQL

Every study has a recorded result and every customer a champion, put into ledger and MLflow as a
run would have: training them is not what is measured. The loader tells its data's version at once.
The plan has 5 models, the run 3. Times are wall time in a process that has imported everything, as
a service has; the run's includes opening MLflow. What it writes to MLflow is counted.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine, event

from bench.tracking import postgres_server
from orchestrator.clusters import Cluster
from orchestrator.estimators import Estimators
from orchestrator.ledger import Ledger
from orchestrator.mlflow.models.deployer import Challenger
from orchestrator.mlflow.models.opening import open_deployer
from orchestrator.mlflow.runs.opening import open_tracker
from orchestrator.pipeline.clearance import Clearance
from orchestrator.pipeline.pipeline import run
from orchestrator.pipeline.plan import plan
from orchestrator.pipeline.preparation import fetch_snapshot, prepare, result_name
from orchestrator.pipeline.resolution import resolve
from orchestrator.pipeline.training_flow import trials_of
from orchestrator.records import (
    Customer,
    Decision,
    DeployedVersion,
    Evaluation,
    FlowRun,
    InstanceRecord,
    Promotion,
    State,
    Study,
    Trial,
    TrialResult,
)
from orchestrator.registry.importing import import_rows
from orchestrator.registry.snapshots import fetch
from orchestrator.registry.sources import InlineSource
from orchestrator.settings import ExperimentSettings

CUSTOMERS, QUICK_CUSTOMERS = 10_000, 1_000
TRIALS = 2
FLOW_RUN = "20260101-000000-bench"
_AT_ONCE = 5_000


def load(customer: Customer) -> tuple[list[list[float]], list[int]]:
    """The loader, which is not to be called: nothing has changed."""
    raise AssertionError(f"customer {customer.id} was to be reused, not loaded")


def version(customer: Customer) -> str:
    """The version of a customer's data."""
    return f"{customer.id} as of today"


def measure(
    customers: int = CUSTOMERS, *, on_postgres: bool = False, quick: bool = False
) -> dict[str, float]:
    """Seconds of a plan and of a run without news, and how often the latter wrote to MLflow."""
    customers = min(customers, QUICK_CUSTOMERS) if quick else customers
    databases = _on_postgres if on_postgres else _on_sqlite
    with (
        tempfile.TemporaryDirectory() as folder,
        databases(folder) as address,
    ):
        planned = _experiment("plan", folder, address)
        _fill(planned, customers, models=5)
        plan_s, found = _timed(lambda: plan(planned))
        assert (found.studies, found.reused) == (5 * customers, 5 * customers)

        same = _experiment("noop", folder, address)
        _fill(same, customers, models=3)
        with _counting_writes(same.tracking) as writes:
            noop_s, report = _timed(lambda: run(same))
        assert report.trials == {"success": 0, "failed": 0, "reused": 3 * TRIALS * customers}
        assert report.flow_run.state == "success"
    return {
        "registry.plan_s": plan_s,
        "registry.noop_s": noop_s,
        "registry.noop_mlflow_writes": float(len(writes)),
    }


def _timed(function: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    value = function()
    return time.perf_counter() - began, value


@contextmanager
def _on_sqlite(folder: str) -> Iterator[Callable[[str], str]]:
    yield lambda name: f"sqlite:///{folder}/{name}.db"


@contextmanager
def _on_postgres(folder: str) -> Iterator[Callable[[str], str]]:
    with postgres_server(Path(folder) / "pg") as server:

        def make(name: str) -> str:
            name = name.replace("-", "_")
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            return server.replace("/postgres?", f"/{name}?")

        yield make


def _experiment(name: str, folder: str, address: Callable[[str], str]) -> ExperimentSettings:
    return ExperimentSettings(
        name=name,
        registry={"source": "sql", "url": address(f"{name}-registry")},
        evaluation=Evaluation(loader="bench.registry:load"),
        cluster=Cluster(kind="inline"),
        ledger=address(f"{name}-ledger"),
        tracking=address(f"{name}-mlflow"),
        artifacts=f"{folder}/artifacts",
    )


def _fill(experiment: ExperimentSettings, customers: int, models: int) -> None:
    """Lists, results and champions, as if everything had been trained once."""
    lists = InlineSource(
        models=[_model(number) for number in range(models)],
        customers=[
            {"id": f"customer-{n:06}", "data": {"table": "sales", "n": n}, "segment": f"{n % 7}"}
            for n in range(customers)
        ],
    )
    rows = fetch(lists, estimators=Estimators(experiment.evaluation.allowed))
    import_rows(experiment.registry["url"], rows.models, rows.customers)
    snapshot = fetch_snapshot(experiment)
    with Ledger.open(experiment.ledger) as ledger:
        work = prepare(
            resolve(experiment, Clearance(experiment)), ledger, snapshot, flow_run=FLOW_RUN
        ).work
        ledger.snapshots.save(snapshot)
        ledger.lives.apply(snapshot)
        recorder = ledger.recorder(trials_of)
        recorder.begin(FlowRun(id=FLOW_RUN, flow=experiment.name))
        studies = [study for piece in work for study in piece.studies]
        for start in range(0, len(studies), _AT_ONCE):
            recorder.record([_instance(study) for study in studies[start : start + _AT_ONCE]])
        while pending := ledger.trials.pending(_AT_ONCE):
            ledger.trials.mark_sent(trial.run_id for trial in pending)
        _deploy(experiment, ledger, [_results(piece.studies[-1])[-1] for piece in work])
        recorder.finish(FlowRun(id=FLOW_RUN, flow=experiment.name, state="success", ended=1.0))


def _model(number: int) -> dict[str, Any]:
    return {
        "id": f"model-{number}",
        "pipeline": [
            "sklearn.preprocessing:StandardScaler",
            "sklearn.linear_model:LogisticRegression",
        ],
        "params": {
            "logisticregression__solver": "lbfgs",
            "logisticregression__max_iter": 100 + number,
        },
        "grid": {"logisticregression__C": [10.0**power for power in range(TRIALS)]},
    }


def _instance(study: Study) -> InstanceRecord:
    return InstanceRecord(
        flow_run=FLOW_RUN,
        node="evaluate",
        key=study.key,
        index=0,
        state=State.SUCCESS,
        fingerprint=result_name(study),
        value=_results(study),
    )


def _results(study: Study) -> tuple[TrialResult, ...]:
    better = int(study.model.id[-1])
    return tuple(
        TrialResult(
            trial=Trial(study=study, number=number, params={"logisticregression__C": 10.0**number}),
            state="success",
            scores={"roc_auc": (0.6 + better / 20, 0.61, 0.62 + number / 100)},
            fit_seconds=(0.01, 0.01, 0.01),
            score_seconds=(0.001, 0.001, 0.001),
            rows=500,
            data_version=study.data_version,
            started=1_700_000_000.0,
            ended=1_700_000_000.1,
            worker="tcp://127.0.0.1:40001",
        )
        for number in range(TRIALS)
    )


def _deploy(experiment: ExperimentSettings, ledger: Ledger, winners: list[TrialResult]) -> None:
    """Every customer's champion, in MLflow and in the ledger."""
    open_tracker(experiment.tracking, experiment.name, experiment.artifacts)
    deployer = open_deployer(experiment.tracking, experiment.name)
    challengers = [
        Challenger(
            customer=winner.trial.study.customer.id,
            run_id=winner.trial.run_id,
            source=f"{experiment.artifacts}/{winner.trial.run_id}",
        )
        for winner in winners
    ]
    deployed = deployer.deploy(challengers)
    promotions = [
        Promotion(
            decision=Decision(
                flow_run=FLOW_RUN,
                customer=winner.trial.study.customer,
                best=winner,
                incumbent=None,
                promote=True,
                reason="first champion",
            ),
            run_id=winner.trial.run_id,
            at=1_700_000_001.0,
            deployed=DeployedVersion(model_name=model.model_name, version=model.version),
        )
        for winner, model in zip(winners, deployed, strict=True)
    ]
    ledger.promotions.intend(promotions)
    ledger.promotions.confirm(promotions)


@contextmanager
def _counting_writes(address: str) -> Iterator[list[str]]:
    """Every statement that writes to a database, as it is executed."""
    database = address.rpartition("/")[2].partition("?")[0]
    written: list[str] = []

    def look(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        is_read = statement.lstrip().upper().startswith(("SELECT", "PRAGMA", "BEGIN", "SHOW"))
        if not is_read and str(connection.engine.url.database).endswith(database):
            written.append(statement)

    event.listen(Engine, "before_cursor_execute", look)
    try:
        yield written
    finally:
        event.remove(Engine, "before_cursor_execute", look)


def main() -> None:
    sizes = [int(argument) for argument in sys.argv[1:] if argument.isdigit()] or [CUSTOMERS]
    for size in sizes:
        for name, value in measure(size, on_postgres="--postgres" in sys.argv).items():
            print(f"{size:8,} customers  {name:30} {value:8.3f}", flush=True)


if __name__ == "__main__":
    main()
