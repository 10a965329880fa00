"""What a command says is whole: what it leaves out, what failed, and why it ends as it does."""

import dataclasses
import json
from pathlib import Path

import pytest
import yaml

from orchestrator.cli.rendering.output import one_line
from orchestrator.cli.rendering.plans import show_plan
from orchestrator.cli.rendering.reports import report_as_json, show_report
from orchestrator.config.metrics import evaluation_fields
from orchestrator.pipeline.explanation import why
from orchestrator.pipeline.pipeline import run
from orchestrator.pipeline.plan import plan
from orchestrator.pipeline.report import FailureSummary, Unserved
from orchestrator.records import Customer, Evaluation
from tests.support.experiments import an_experiment
from tests.support.rows import LOGISTIC, ROUTES, TREE
from tests.support.synthetic import load as drawn

GOOD = {"rows": 40, "seed": 1}
CUSTOMERS = [{"id": "acme", "data": GOOD}, {"id": "globex", "data": GOOD}]


def load(customer: Customer):
    """Rows drawn from the customer's seed; a customer may say how its data fails."""
    reason = (customer.data or {}).get("fails")
    if reason:
        raise OSError(reason)
    return drawn(customer)


def a_run(tmp_path, mlflow_url, **changes):
    settings = {
        "evaluation": Evaluation(loader="tests.cli.test_whole_reports:load"),
        "models": [TREE],
        "customers": CUSTOMERS,
    }
    return an_experiment(tmp_path, mlflow_url, **{**settings, **changes})


@pytest.fixture
def report(tmp_path, mlflow_url):
    return run(a_run(tmp_path, mlflow_url))


def shown(report, capsys):
    show_report(report)
    return capsys.readouterr().out


def test_a_customer_that_ended_without_a_model_is_never_left_out(tmp_path, mlflow_url, capsys):
    failing = [{"id": f"c{n}", "data": {"fails": f"disk {n} is gone"}} for n in range(12)]
    report = run(a_run(tmp_path, mlflow_url, customers=[*CUSTOMERS, *failing]))
    assert {each.customer for each in report.unserved} == {f"c{n}" for n in range(12)}
    assert not report.tolerated
    assert report.objections == ("12 of 16 trials failed, and `tolerance: 0` allows 0",)
    text = shown(report, capsys)
    assert "customers without a model: 12" in text
    for n in range(12):
        assert f"disk {n} is gone" in text


def test_reasons_that_are_left_out_are_counted(report, capsys):
    many = tuple(
        FailureSummary(reason=f"reason {n}", count=20 - n, first=f"c/{n}") for n in range(13)
    )
    text = shown(dataclasses.replace(report, failures=many), capsys)
    assert "reason 9" in text
    assert "reason 10" not in text
    assert "and 27 failures for 3 rarer reasons; --json has them all" in text
    assert len(report_as_json(dataclasses.replace(report, failures=many))["failures"]) == 13


def test_customers_with_one_reason_stand_in_one_line(report, capsys):
    unserved = tuple(Unserved(customer=f"c{n}", reason="too few rows\nmore") for n in range(3))
    text = shown(dataclasses.replace(report, unserved=unserved), capsys)
    assert "  c0, c1, c2: too few rows ..." in text


def test_a_long_reason_does_not_stretch_its_table(report, capsys):
    long = (FailureSummary(reason="x" * 20_000, count=1, first="acme/tree/0"),)
    lines = shown(dataclasses.replace(report, failures=long), capsys).splitlines()
    assert max(map(len, lines)) < 250
    assert report_as_json(dataclasses.replace(report, failures=long))["failures"][0]["reason"] == (
        "x" * 20_000
    )


def test_a_cell_is_the_first_line_and_says_that_there_is_more():
    assert one_line("a\nb") == "a ..."
    assert one_line("a\n") == "a"
    assert one_line(None) == ""
    assert len(one_line("y" * 999)) <= 200


def test_without_a_version_a_plan_gives_both_bounds(tmp_path, mlflow_url, capsys):
    experiment = a_run(tmp_path, mlflow_url, models=[TREE, LOGISTIC])
    run(experiment)
    capsys.readouterr()
    planned = plan(experiment)
    assert (planned.least_trials, planned.trials) == (0, 8)
    show_plan(planned)
    text = capsys.readouterr().out
    assert "4 to train with 0 to 8 trials (a worker loads data that has no version" in text
    assert "at least " in text
    assert ", at most " in text
    assert run(experiment).trials["success"] == 0


def test_a_regression_without_a_metric_is_compared_by_r2():
    assert evaluation_fields({"task": "regression"})["metric"] == "r2"
    assert evaluation_fields({})["metric"] == "roc_auc"


@pytest.fixture
def project(tmp_path, monkeypatch, mlflow_url):
    """A folder with a configuration of twelve customers without data, two with."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    monkeypatch.chdir(tmp_path)
    broken = {"id": "broken", "data": {"fails": "no such disk"}}
    settings = {
        "experiment": "flights",
        "registry": {
            "source": "inline",
            "models": [{**TREE, "grid": {"max_depth": [*range(1, 26)]}}],
            "customers": [*CUSTOMERS, broken],
        },
        "evaluation": {"loader": "tests.cli.test_whole_reports:load"},
        "cluster": {"kind": "inline"},
        "tracking": {"uri": mlflow_url, "artifacts": str(tmp_path / "artifacts")},
        "ledger": "sqlite:///ledger.db",
    }
    Path("orchestrator.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return tmp_path


def test_the_last_line_says_why_a_run_ends_with_one(project, typed):
    code, out, err = typed("run")
    assert code == 1
    assert err.splitlines()[-1] == ("error: 1 of 51 trials failed, and `tolerance: 0` allows 0")
    assert "customers without a model: 1" in out
    code, out, _ = typed("trials", "acme", "--json")
    assert (code, len(json.loads(out))) == (0, 25)
    assert len(json.loads(typed("trials", "acme", "--json", "--limit", "3")[1])) == 3


def test_why_says_that_a_model_is_left_out_for_its_rows(tmp_path, mlflow_url):
    busy = {**TREE, "id": "busy", "when": {"min_rows": 5_000}}
    experiment = an_experiment(tmp_path, mlflow_url, models=[busy, TREE], customers=ROUTES[:1])
    assert run(experiment).tolerated
    (customer,) = (route["id"] for route in ROUTES[:1])
    actions = {study.model: study.action for study in why(experiment, customer).studies}
    assert actions == {"busy": "leave", "tree": "reuse"}
