"""What a project's code raises through the training line is one customer's failure, in full."""

import json
from pathlib import Path

import pytest
import yaml

from orchestrator.clusters import Cluster
from orchestrator.ledger import Ledger
from orchestrator.pipeline.pipeline import run
from orchestrator.records import Evaluation
from tests.support.experiments import a_small_experiment
from tests.support.raising import KINDS, ROWS_OF_BAD, SAID
from tests.support.rows import PLAIN_TREE as TREE

GOOD = {"id": "good", "data": {"rows": 90}}
BAD = {"id": "bad", "data": {"rows": ROWS_OF_BAD}}
PLACES = ["fit", "predict", "score"]


def raising(place, kind):
    return {
        "id": f"{place}-{kind}",
        "estimator": "tests.support.raising:Raising",
        "params": {"place": place, "kind": kind},
    }


EVERYWHERE = [raising(place, kind) for place in PLACES for kind in KINDS]


def cluster(kind):
    if kind == "inline":
        return Cluster(kind="inline")
    return Cluster(kind="local", workers=2)


@pytest.mark.parametrize("kind", ["inline", pytest.param("local", marks=pytest.mark.slow)])
def test_what_a_model_raises_is_its_own_failure_for_that_customer(kind, tmp_path, mlflow_url):
    experiment = a_small_experiment(
        tmp_path,
        mlflow_url,
        models=[TREE, *EVERYWHERE],
        customers=[GOOD, BAD],
        cluster=cluster(kind),
        evaluation=Evaluation(
            loader="tests.support.raising:load",
            allowed=("sklearn", "tests"),
            metrics=("roc_auc", "tests.support.raising:own_score"),
        ),
    )
    report = run(experiment)
    with Ledger.open(experiment.ledger) as ledger:
        trials = ledger.trials.of_run(report.flow_run.id)
        champions = ledger.promotions.champions()
    errors = {
        (result.trial.study.customer.id, result.trial.study.model.id): result.error
        for result in (each.result for each in trials)
    }
    assert set(champions) == {"good", "bad"}, report
    assert not any(error for (customer, _), error in errors.items() if customer == "good")
    for place in PLACES:
        for which, said in SAID.items():
            assert said in errors["bad", f"{place}-{which}"], (place, which)
    assert champions["bad"].result.trial.study.model.id == "tree"


def test_a_model_that_cannot_be_shown_spoils_nothing(tmp_path, mlflow_url):
    experiment = a_small_experiment(
        tmp_path,
        mlflow_url,
        models=[TREE, *(raising("repr", kind) for kind in KINDS)],
        customers=[BAD],
        cluster=cluster("inline"),
        evaluation=Evaluation(loader="tests.support.raising:load", allowed=("sklearn", "tests")),
    )
    report = run(experiment)
    assert (report.served, report.trials["failed"]) == (1, 0), report.failures


def test_a_version_that_exits_leaves_its_customer_its_champion(
    tmp_path, mlflow_url, typed, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("orchestrator.yaml").write_text(
        yaml.safe_dump(
            {
                "experiment": "trouble",
                "registry": {"source": "inline", "models": [TREE], "customers": [GOOD, BAD]},
                "evaluation": {"loader": "tests.support.raising:load"},
                "cluster": {"kind": "inline"},
                "tracking": {"uri": mlflow_url, "artifacts": str(tmp_path / "artifacts")},
                "ledger": f"sqlite:///{tmp_path}/ledger.db",
            }
        )
    )
    assert typed("run")[0] == 0
    for kind, said in SAID.items():
        monkeypatch.setenv("VERSION_RAISES_FOR", "bad")
        monkeypatch.setenv("VERSION_RAISES", kind)
        code, out, err = typed("run")
        assert code == 1, (kind, out, err)
        words = " ".join((out + err).split())
        assert "bad" in words
        assert " ".join(said.split()) in words, (kind, words)
        assert "Traceback" not in words
        listed = {each["customer"]: each for each in json.loads(typed("status", "--json")[1])}
        assert [listed[name]["version"] for name in ("good", "bad")] == ["1", "1"]
