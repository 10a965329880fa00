"""A flow run's report in MLflow: one run with one file, and only where there is news."""

from dataclasses import replace

from orchestrator.maintenance.removal import forget
from orchestrator.mlflow.runs.tracked_run import summary_id
from orchestrator.pipeline.pipeline import run
from tests.support.experiments import an_experiment, listing, tracked
from tests.support.rows import ROUTES, TREE


def test_a_flow_run_with_news_writes_its_report_and_one_without_nothing(tmp_path, mlflow_url):
    experiment = replace(
        an_experiment(tmp_path, mlflow_url, models=[TREE], customers=ROUTES[:2]), summary=True
    )
    first = run(experiment)
    (summary,) = reports(mlflow_url)
    assert summary.info.run_id == summary_id(first.flow_run.id)
    assert summary.data.metrics["customers"] == 2
    assert "flow_run" not in summary.data.tags, "so that no view shows it among trials"
    assert first.links["Report"].endswith(f"/runs/{summary.info.run_id}/artifacts/report.html")
    html = file_of(summary, tmp_path).read_text(encoding="utf-8")
    assert "AA-STT: search of tree" in html

    assert "Report" not in run(experiment).links
    assert len(reports(mlflow_url)) == 1

    run(listing(experiment, models=[TREE], customers=ROUTES[:3]))
    later = next(each for each in reports(mlflow_url) if each.info.run_id != summary.info.run_id)
    assert later.data.metrics["customers"] == 1

    forget(experiment, ROUTES[0]["id"])
    assert reports(mlflow_url) == [], "each of them told of the customer"
    assert not file_of(summary, tmp_path).exists()


def test_without_being_asked_for_there_is_none(tmp_path, mlflow_url):
    experiment = an_experiment(tmp_path, mlflow_url, models=[TREE], customers=ROUTES[:1])
    assert "Report" not in run(experiment).links
    assert reports(mlflow_url) == []


def reports(mlflow_url):
    return [each for each in tracked(mlflow_url) if "report_of" in each.data.tags]


def file_of(summary, tmp_path):
    return tmp_path / "artifacts" / summary.info.run_id / "artifacts" / "report.html"
