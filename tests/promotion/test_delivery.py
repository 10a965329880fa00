"""What is served loads: a candidate that cannot be deployed makes way, and lost files come back."""

import shutil
from pathlib import Path

import mlflow
import pytest

from orchestrator.cli.rendering.reports import life_as_json
from orchestrator.errors import ConfigError
from orchestrator.ledger import Ledger
from orchestrator.mlflow.model_files.checksums import local_path
from orchestrator.mlflow.model_files.readback import read_back
from orchestrator.pipeline import execution
from orchestrator.pipeline.explanation import why
from orchestrator.pipeline.pipeline import resume, run
from orchestrator.pipeline.plan import plan
from orchestrator.promotion.sync import Sent, sync
from orchestrator.records import Evaluation, PromotionState
from orchestrator.reports.status import life
from tests.support.experiments import a_small_experiment

CUSTOMER = {"id": "acme", "data": {"seed": 1, "form": "frame"}}
TREE = {
    "id": "tree",
    "estimator": "sklearn.tree:DecisionTreeClassifier",
    "params": {"max_depth": 2},
    "cost": 5,
}


def tree_that(fails):
    """A row of a tree that scores like `TREE`, is cheaper, and cannot be deployed."""
    return {
        "id": "first",
        "estimator": f"tests.support.undeployable:{fails}",
        "params": {"max_depth": 2},
        "cost": 1,
    }


def with_models(tmp_path, mlflow_url, *models, **changes):
    evaluation = Evaluation(loader="tests.support.synthetic:load", allowed=("sklearn", "tests"))
    settings = {"evaluation": evaluation, "customers": [CUSTOMER], **changes}
    return a_small_experiment(tmp_path, mlflow_url, models=models, **settings)


def promotions_of(experiment):
    with Ledger.open(experiment.ledger) as ledger:
        return [
            promotion
            for flow_run in reversed(ledger.flow_runs.list())
            for promotion in ledger.promotions.of_flow_run(flow_run.id)
        ]


def champion(experiment):
    mlflow.set_tracking_uri(experiment.tracking)
    mlflow.set_registry_uri(experiment.tracking)
    return mlflow.pyfunc.load_model(f"models:/{experiment.name}.acme@champion")


REASONS = {
    "Unstorable": "Unstorable cannot be",
    "FitsOnlyParts": "it cannot be fitted on all rows: ValueError:",
    "DiffersElsewhere": "where the fitted estimator predicted",
    "EndsItsReader": "the process that loaded it ended with code 3",
    "ExitsElsewhere": "it cannot be loaded or asked: SystemExit",
}


@pytest.mark.parametrize("fails", REASONS)
def test_a_candidate_that_cannot_be_deployed_makes_way_for_the_next(fails, tmp_path, mlflow_url):
    experiment = with_models(tmp_path, mlflow_url, tree_that(fails), TREE)
    report = run(experiment)
    assert report.flow_run.state == "success"
    assert report.served == 1
    (promotion,) = promotions_of(experiment)
    assert promotion.decision.best.trial.study.model.id == "tree"
    (passed,) = promotion.passed_over
    assert passed.trial == "acme/first/0"
    assert REASONS[fails] in passed.reason
    told = "acme/first/0 could not be deployed, acme/tree/0 took its place"
    assert any(told in note for note in report.notes)
    with Ledger.open(experiment.ledger) as ledger:
        events = life_as_json(life(ledger, "acme"))["events"]
    assert any("could not be deployed: acme/first/0" in event["what"] for event in events)
    again = run(experiment)
    assert again.promotions == ()
    assert again.flow_run.state == "success"
    assert [each.state for each in promotions_of(experiment)] == [PromotionState.DEPLOYED]


def test_why_leaves_out_what_could_not_be_deployed(tmp_path, mlflow_url):
    service = tmp_path / "service"
    service.write_text("1")
    experiment = with_models(
        tmp_path,
        mlflow_url,
        tree_that("FitsOnlyParts"),
        TREE,
        evaluation=Evaluation(
            loader="tests.support.versioned_loader:fetch", allowed=("sklearn", "tests")
        ),
        customers=[{**CUSTOMER, "data": {**CUSTOMER["data"], "service": str(service)}}],
    )
    run(experiment)
    foreseen = why(experiment, "acme").decision
    assert foreseen.startswith("nothing would change: unchanged; acme/first/0 is left out, since")


def test_where_no_candidate_can_be_deployed_the_customer_is_named_with_all_reasons(
    tmp_path, mlflow_url
):
    experiment = with_models(tmp_path, mlflow_url, tree_that("DiffersElsewhere"))
    report = run(experiment)
    assert report.flow_run.state == "failed"
    assert not report.tolerated
    (unserved,) = report.unserved
    assert "no candidate could be deployed: acme/first/0: read back from" in unserved.reason
    (promotion,) = promotions_of(experiment)
    assert promotion.state is PromotionState.FAILED
    assert report.behind is None, "a sync could not help"
    again = run(experiment)
    assert not again.tolerated
    assert "no candidate can be deployed: read back from" in again.unserved[0].reason
    assert again.trials == {"success": 0, "failed": 0, "reused": 1}


UNSTORABLE = [
    {"id": "birch", "pipeline": ["sklearn.cluster:Birch", "sklearn.tree:DecisionTreeClassifier"]},
    {
        "id": "stopping",
        "estimator": "sklearn.ensemble:HistGradientBoostingClassifier",
        "params": {"early_stopping": True, "scoring": "roc_auc"},
    },
]


def test_models_that_cannot_be_stored_are_refused_when_planning(tmp_path, mlflow_url):
    experiment = with_models(tmp_path, mlflow_url, *UNSTORABLE, TREE)
    for does in (plan, run):
        with pytest.raises(ConfigError) as refused:
            does(experiment)
        assert "model 'birch' could not be deployed: Pipeline cannot be stored" in str(
            refused.value
        )
        assert "model 'stopping' could not be deployed" in str(refused.value)
        assert "allow_pickle: true" in str(refused.value)
        assert "tree" not in str(refused.value)
    assert not (tmp_path / "artifacts").exists()


def test_a_run_writes_champions_again_whose_files_are_gone(tmp_path, mlflow_url):
    experiment = with_models(tmp_path, mlflow_url, TREE)
    run(experiment)
    (before,) = promotions_of(experiment)
    for folder in filter(Path.is_dir, (tmp_path / "artifacts").iterdir()):
        shutil.rmtree(folder)
    report = run(experiment)
    assert report.flow_run.state == "success"
    assert any("were gone or cut" in note for note in report.notes)
    assert champion(experiment) is not None
    (after,) = promotions_of(experiment)
    assert after.deployed == before.deployed
    assert after.model != before.model, "their checksums are those of the new files"
    assert not any("were gone or cut" in note for note in run(experiment).notes)


def test_files_the_driver_cannot_read_make_no_champion(tmp_path, mlflow_url, monkeypatch):
    """Workers wrote to a folder of their own: here it is taken away before the driver reads it."""

    def of_a_folder_that_is_not_here(reading):
        shutil.rmtree(local_path(reading.source))
        return read_back(reading)

    monkeypatch.setattr(execution, "reader", lambda **_: of_a_folder_that_is_not_here)
    experiment = with_models(tmp_path, mlflow_url, TREE)
    report = run(experiment)
    assert report.flow_run.state == "failed"
    assert not report.tolerated
    (failure,) = [each for each in report.failures if each.first == "deliver acme"]
    assert f"worker inline wrote the model, but here its files in {tmp_path}" in failure.reason
    assert "Give workers and driver a folder they share" in failure.reason
    (promotion,) = promotions_of(experiment)
    assert promotion.state is PromotionState.INTENDED
    assert sync(experiment) == Sent(trials=0, promotions=1)
    assert champion(experiment) is not None


def test_a_run_whose_models_could_not_be_written_is_resumed(tmp_path, mlflow_url):
    experiment = with_models(tmp_path, mlflow_url, TREE)
    Path(tmp_path, "artifacts").write_text("a file where the folder should be")
    report = run(experiment)
    assert report.flow_run.state == "failed"
    Path(tmp_path, "artifacts").unlink()
    resumed = resume(experiment, report.flow_run)
    assert resumed.flow_run.id == report.flow_run.id
    assert resumed.flow_run.state == "success"
    assert resumed.served == 1
