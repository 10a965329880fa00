"""Trials that were given up or failed, in ledger and MLflow, with the folds they had."""

from collections import Counter

from orchestrator.ledger import Ledger
from orchestrator.pipeline.pipeline import run
from orchestrator.records import Search
from tests.support.experiments import an_experiment, tracked
from tests.support.rows import TREE, route

DEPTHS = [*range(1, 12), -1]
"""The last is none: its trial fails."""


def test_every_state_is_one_of_its_own_with_the_folds_that_were_done(tmp_path, mlflow_url):
    experiment = an_experiment(
        tmp_path,
        mlflow_url,
        models=[{**TREE, "grid": {"max_depth": DEPTHS}}],
        customers=[route("AA", "STT")],
        search=Search(strategy="halving"),
        tolerance=1.0,
    )
    report = run(experiment)
    with Ledger.open(experiment.ledger) as ledger:
        results = [each.result for each in ledger.trials.of_run(report.flow_run.id)]
    states = Counter(result.state for result in results)
    assert set(states) == {"success", "pruned", "failed"}
    assert states["failed"] == 1
    assert {name: report.trials[name] for name in states} == states

    runs = {each.info.run_id: each for each in tracked(mlflow_url)}
    assert len(runs) == len(results) == len(DEPTHS)
    status = {"success": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
    for result in results:
        shown = runs[result.trial.run_id]
        assert shown.info.status == status[result.state]
        folds = len(result.scores.get("roc_auc", ()))
        if result.state == "failed":
            assert result.trial.params == {"max_depth": -1}
            assert "max_depth" in shown.data.tags["error"]
            assert folds == 0
        elif result.state == "pruned":
            assert shown.data.tags["state"] == "pruned"
            assert shown.data.tags["budget"] == f"{folds} of 3 folds"
            assert folds < 3
        else:
            assert folds == 3
        assert ("roc_auc" in shown.data.metrics) == bool(folds)
