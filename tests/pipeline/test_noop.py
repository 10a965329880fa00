"""A run that finds nothing to do opens neither the cluster nor MLflow."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from orchestrator.clusters import Cluster
from orchestrator.ledger import Ledger
from orchestrator.pipeline.pipeline import run
from tests.support.experiments import an_experiment, listing
from tests.support.rows import ROUTES, TREE

NOBODY_ANSWERS = "tcp://127.0.0.1:9"
UNREACHABLE = Cluster(kind="remote", address=NOBODY_ANSWERS, insecure=True, connect_timeout=1)

LIST_IMPORTED = """
import sys
from orchestrator.cli import main
try:
    main()
finally:
    heavy = sorted(sys.modules.keys() & {"mlflow", "distributed", "sklearn"})
    print("imported:", *heavy, file=sys.stderr)
"""


@pytest.fixture
def trained(tmp_path, mlflow_url):
    """An experiment of which everything is trained and deployed."""
    experiment = an_experiment(tmp_path, mlflow_url, models=[TREE], customers=ROUTES[:2])
    assert run(experiment).served == 2
    return experiment


def test_a_cluster_that_cannot_be_reached_is_not_missed(trained):
    report = run(dataclasses.replace(trained, cluster=UNREACHABLE))
    assert (report.flow_run.state, report.served, report.trials["reused"]) == ("success", 2, 4)
    assert report.behind is None


def test_a_customer_that_left_is_retired_in_mlflow_once(trained, mlflow_url):
    left = listing(trained, models=[TREE], customers=ROUTES[:1])
    assert run(left).flow_run.state == "success"
    gone = MlflowClient(mlflow_url).get_registered_model("flights.AA-SFO")
    assert gone.tags["state"] == "retired"
    with Ledger.look(trained.ledger) as ledger:
        assert not ledger.retirements.due()
    run(trained)
    returned = MlflowClient(mlflow_url).get_registered_model("flights.AA-SFO")
    assert returned.tags["state"] == "live"


def test_neither_mlflow_nor_distributed_nor_sklearn_is_imported(tmp_path, mlflow_url):
    settings = {
        "experiment": "flights",
        "registry": {"source": "inline", "models": [TREE], "customers": ROUTES[:2]},
        "evaluation": {"loader": "experiments.flights:load"},
        "tracking": {"uri": mlflow_url, "artifacts": str(tmp_path / "artifacts")},
        "ledger": f"sqlite:///{tmp_path}/ledger.db",
    }
    inline = tmp_path / "inline.yaml"
    inline.write_text(yaml.safe_dump({**settings, "cluster": {"kind": "inline"}}))
    local = tmp_path / "local.yaml"
    local.write_text(yaml.safe_dump({**settings, "cluster": {"kind": "local", "workers": 1}}))
    assert said_by("run", "-c", str(inline)).splitlines()[-1].endswith("mlflow sklearn")
    assert said_by("run", "-c", str(local)).splitlines()[-1] == "imported:"


def said_by(*arguments):
    """What a command says on stderr, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", LIST_IMPORTED, *arguments]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment, timeout=170
    )
    return done.stderr
