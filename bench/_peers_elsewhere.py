"""The job by Ray Tune and by Prefect, where their packages are found.

This project depends on neither: `pip install 'ray[tune]' prefect prefect-dask` beside it, and the
bench runs them too. Each is written as its documentation shows it, up and running before the clock
starts, as Dask's workers are for the other ways.

    ray_tune    a trial a candidate by grid search, tracked by `MLflowLoggerCallback`
    prefect     a mapped task a candidate on the same Dask workers, tracked by `mlflow.start_run`
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from distributed import Client
from mlflow import MlflowClient

from bench._peers import PROCESSES, Job, Scored, Way, deploy, metrics, score, score_and_track


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """A way that other packages are needed for.

    Attributes:
        packages: By their import names.
        running: What must be up before the clock starts.
        way: Does the job.
    """

    packages: tuple[str, ...]
    running: Callable[[], AbstractContextManager[None]]
    way: Way

    def problem(self) -> str:
        """Why it cannot be run here; "" if it can."""
        if not all(find_spec(package) for package in self.packages):
            return "not installed"
        try:
            with self.running():
                return ""
        except Exception as error:  # noqa: BLE001 - another project's, in an environment not its own
            return f"does not start here: {type(error).__name__}: {error}"


@contextmanager
def _ray() -> Iterator[None]:
    import ray

    ray.init(
        num_cpus=PROCESSES, include_dashboard=False, log_to_driver=False, logging_level="error"
    )
    try:
        yield
    finally:
        ray.shutdown()


def _by_ray_tune(job: Job, tracking: str, artifacts: str, client: Client) -> None:  # noqa: ARG001 - it has processes of its own
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    mlflow = MlflowClient(tracking)
    experiment = mlflow.create_experiment("bench", artifacts)
    candidates = [each for customer in job.customers for each in job.candidates(customer)]

    def trainable(config: dict[str, Any]) -> dict[str, float]:
        candidate = candidates[config["number"]]
        return metrics(score(candidate, *job.load(candidate.customer)))

    with tempfile.TemporaryDirectory() as storage:
        tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1}),
            tune_config=tune.TuneConfig(reuse_actors=True),
            param_space={"number": tune.grid_search(list(range(len(candidates))))},
            run_config=tune.RunConfig(
                storage_path=storage,
                verbose=0,
                callbacks=[MLflowLoggerCallback(tracking, experiment_name="bench")],
            ),
        ).fit()
    tracked = []
    for run in mlflow.search_runs([experiment], max_results=50_000):
        candidate = candidates[int(run.data.params["number"])]
        scores = [run.data.metrics["roc_auc"]]
        scored = Scored(candidate=candidate, scores=scores, began=0.0, ended=0.0)
        tracked.append((scored, run.info.run_id))
    deploy(job, tracked, tracking)


@contextmanager
def _prefect() -> Iterator[None]:
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness():  # a server and a database that are gone afterwards
        yield


def _by_prefect(job: Job, tracking: str, artifacts: str, client: Client) -> None:
    from prefect import flow, task, unmapped
    from prefect_dask import DaskTaskRunner

    MlflowClient(tracking).create_experiment("bench", artifacts)
    candidates = [each for customer in job.customers for each in job.candidates(customer)]
    scored_and_tracked = task(score_and_track)

    @flow(task_runner=DaskTaskRunner(address=client.scheduler.address), log_prints=False)
    def train() -> list[tuple[Scored, str]]:
        return scored_and_tracked.map(candidates, unmapped(job), tracking).result()  # type: ignore[no-any-return]  # not installed where types are checked

    deploy(job, train(), tracking)


ELSEWHERE: dict[str, Elsewhere] = {
    "ray_tune": Elsewhere(packages=("ray",), running=_ray, way=_by_ray_tune),
    "prefect": Elsewhere(packages=("prefect", "prefect_dask"), running=_prefect, way=_by_prefect),
}
