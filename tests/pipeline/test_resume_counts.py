"""A flow run that is resumed counts what it did before it was killed as well."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from orchestrator.ledger import Ledger

HOME = Path(__file__).parents[2]

DIES = """
import os, sys
from orchestrator.cli import main
from orchestrator.ledger.promotions import Promotions

def dying(method, *, before):
    def die(self, *args, **named):
        if not before:
            method(self, *args, **named)
        os._exit(9)
    return die

name, before = sys.argv[1], sys.argv[2] == "before"
setattr(Promotions, name, dying(getattr(Promotions, name), before=before))
main(["run"])
"""
"""A driver that dies as its ledger is told, of promotions, what a method tells."""


@pytest.fixture
def project(tmp_path, monkeypatch, mlflow_url):
    """A folder with a configuration of three customers, everything in it."""
    monkeypatch.chdir(tmp_path)
    tree = {
        "id": "tree",
        "estimator": "sklearn.tree:DecisionTreeClassifier",
        "grid": {"max_depth": [1, 2]},
    }
    customers = [{"id": f"c{n}", "data": {"seed": n}} for n in range(3)]
    document = {
        "experiment": "counted",
        "registry": {"source": "inline", "models": [tree], "customers": customers},
        "evaluation": {"loader": "tests.support.synthetic:load"},
        "cluster": {"kind": "inline"},
        "tracking": {"uri": mlflow_url, "artifacts": str(tmp_path / "artifacts")},
        "ledger": "sqlite:///ledger.db",
    }
    Path("orchestrator.yaml").write_text(yaml.safe_dump(document), "utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "moment"), [("ready", "before"), ("ready", "after"), ("confirm", "after")]
)
def test_a_run_killed_near_its_end_counts_like_one_that_was_not(project, typed, name, moment):
    ended = subprocess.run(
        [sys.executable, "-c", DIES, name, moment],
        env={**os.environ, "PYTHONPATH": str(HOME)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 9, ended.stderr
    code, out, err = typed("resume")
    assert code == 0, out + err
    with Ledger.look("ledger.db") as ledger:
        (run,) = ledger.flow_runs.list()
        by_node = {
            node: {str(state): number for state, number in states.items()}
            for node, states in ledger.flow_runs.counts(run.id).items()
        }
    refits = by_node.pop("refit@deliver")  # those of its last second may not be recorded
    assert refits.keys() == {"success"}
    assert refits["success"] <= 3
    assert by_node == {
        "choose": {"success": 3},
        "read_version@choose": {"success": 3},
        "evaluate@choose": {"success": 3},
        "publish": {"success": 1},
        "deliver": {"success": 3},
        "deploy": {"success": 1},
    }
    assert run.counts == {"success": 14 + refits["success"]}
    code, out, _ = typed("doctor")
    assert (code, "all is well" in out) == (0, True), out
