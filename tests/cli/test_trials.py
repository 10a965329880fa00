"""`orchestrator trials`: what was tried for one customer, for people and machines."""

import csv
import io
import json

import pytest
import yaml

from orchestrator.cli import main
from orchestrator.ledger import Ledger
from tests.support.ledger_records import flow_run, promotion, result, snapshot


@pytest.fixture
def typed(tmp_path, monkeypatch, capsys):
    """Type a command beside a ledger of three scored trials and a failed one."""
    monkeypatch.chdir(tmp_path)
    settings = {
        "experiment": "flights",
        "registry": {"source": "file", "path": "lists.yaml"},
        "evaluation": {"loader": "somewhere:load"},
        "ledger": "sqlite:///ledger.db",
    }
    (tmp_path / "orchestrator.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    with Ledger.open("sqlite:///ledger.db") as ledger:
        ledger.lives.apply(snapshot("acme"))
        ledger.recorder().begin(flow_run("run-1"))
        ledger.trials.add(
            [
                result(number=0, score=0.8, params={"C": 0.5}, fit_seconds=(0.5, 1.5)),
                result(number=1, score=0.9, params={"C": 1.0}),
                result(number=2, score=None, params={"C": -1.0}),
                result(name="forest", score=0.7, params={"depth": None, "kind": "deep"}),
            ]
        )

    def typed(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["trials", *arguments])
        told = capsys.readouterr()
        return ended.value.code, told.out, told.err

    return typed


def names(out):
    return [row["trial"] for row in json.loads(out)]


def test_the_latest_come_first_and_a_failure_tells_its_reason(typed):
    code, out, _ = typed("acme")
    lines = out.splitlines()
    assert code == 0
    assert " ".join(lines[0].split()) == "trial state roc_auc fits params flow run error"
    assert [line.split()[0] for line in lines[1:]] == [
        "acme/forest/0",
        "acme/tree/2",
        "acme/tree/1",
        "acme/tree/0",
    ]
    assert "ValueError: one class only" in lines[2]
    assert "0.8000   2.0 s" in lines[4]


def test_the_best_come_best_first(typed):
    assert names(typed("acme", "--best", "2", "--json")[1]) == ["acme/tree/1", "acme/tree/0"]
    best_forest = typed("acme", "--best", "2", "--model", "forest", "--json")[1]
    assert names(best_forest) == ["acme/forest/0"]


def test_what_serves_is_marked(typed):
    with Ledger.open("sqlite:///ledger.db") as ledger:
        made = promotion(best=result(number=1, score=0.9, params={"C": 1.0}))
        ledger.promotions.intend([made])
        ledger.promotions.confirm([made], at=1.0)
    rows = json.loads(typed("acme", "--json")[1])
    assert [row["trial"] for row in rows if row["serves"]] == ["acme/tree/1"]
    assert "acme/tree/1 success, serves 0.9000" in " ".join(typed("acme")[1].split())


def test_a_state_and_a_model_narrow_the_list(typed):
    assert names(typed("acme", "--state", "failed", "--json")[1]) == ["acme/tree/2"]
    assert names(typed("acme", "--model", "forest", "--json")[1]) == ["acme/forest/0"]
    assert typed("acme", "--model", "svm")[1].startswith("no such trials")


def test_json_has_every_fold(typed):
    (row,) = json.loads(typed("acme", "--best", "1", "--json")[1])
    assert row["scores"] == {"roc_auc": 0.9}
    assert row["folds"] == {"roc_auc": [0.9, 0.9]}
    assert row["params"] == {"C": 1.0}


def test_csv_has_a_column_for_each_parameter_and_metric(typed):
    rows = list(csv.DictReader(io.StringIO(typed("acme", "--csv")[1])))
    assert [row["params.C"] for row in rows] == ["", "-1.0", "1.0", "0.5"]
    assert rows[0]["params.depth"] == "null"
    assert rows[0]["params.kind"] == "deep"
    assert [row["scores.roc_auc"] for row in rows] == ["0.7", "", "0.9", "0.8"]


def test_a_full_page_says_how_to_see_more(typed):
    assert typed("acme", "--limit", "2")[2] == "the last 2; see more with --limit\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nobody"], "no customer 'nobody' has ever been listed"),
        (["acme", "--json", "--csv"], "--json or --csv: give one of the two"),
        (["acme", "--best", "10", "--limit", "5"], "leave out --limit"),
        (["acme", "--best", "1", "--state", "failed"], "a failed trial has none"),
    ],
)
def test_what_cannot_be_meant_is_refused(typed, arguments, problem):
    code, _, err = typed(*arguments)
    assert code == 2
    assert problem in err
