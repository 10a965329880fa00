"""A process that runs an experiment again and again does not grow."""

import psutil
import pytest

from orchestrator.clusters import Cluster
from orchestrator.pipeline.pipeline import run
from orchestrator.records import Evaluation
from orchestrator.settings import ExperimentSettings
from tests.support.rows import TREE

CUSTOMERS = [{"id": f"customer-{n}", "data": {"seed": n, "rows": 2_000}} for n in range(5)]
WARM_UP = 8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("runs", "megabytes_more"), [(12, 5), pytest.param(20, 10, marks=pytest.mark.long)]
)
def test_memory_is_flat_over_many_runs_in_one_process(tmp_path, mlflow_url, runs, megabytes_more):
    experiment = ExperimentSettings(
        name="memory",
        registry={"source": "inline", "models": [TREE], "customers": CUSTOMERS},
        evaluation=Evaluation(loader="tests.support.synthetic:load"),
        cluster=Cluster(kind="inline"),
        ledger=f"sqlite:///{tmp_path}/ledger.db",
        tracking=mlflow_url,
        artifacts=str(tmp_path / "artifacts"),
    )
    process, megabytes = psutil.Process(), []
    for _ in range(runs):
        report = run(experiment, fresh=True)
        assert report.trials["success"] == 10
        megabytes.append(process.memory_info().rss / 2**20)
    grown = megabytes[-1] - megabytes[WARM_UP - 1]
    assert grown < megabytes_more, f"grew by {grown:.0f} MB in {runs - WARM_UP} runs: {megabytes}"
