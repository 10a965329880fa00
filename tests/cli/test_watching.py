"""A flow run watched from outside: JSON lines, Prometheus metrics, `runs --watch`."""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.api.metrics import serving_metrics
from orchestrator.cli import main
from orchestrator.cli.commands.training import run_experiment
from orchestrator.cli.flow_runs.run_options import RunOptions
from orchestrator.clusters import Cluster
from orchestrator.errors import UsageError
from orchestrator.ledger import Ledger
from orchestrator.mapping import NodeProgress
from orchestrator.records import State
from tests.support.experiments import a_small_experiment
from tests.support.places import free_port
from tests.support.rows import CUSTOMERS


@pytest.fixture
def configured(tmp_path, mlflow_url, monkeypatch):
    """The small experiment, as if a configuration described it; one customer cannot be loaded."""
    broken = {"id": "broken", "data": {"form": "no such form"}}
    experiment = a_small_experiment(tmp_path, mlflow_url, customers=[*CUSTOMERS[:1], broken])
    monkeypatch.setattr("orchestrator.config.find", lambda config: config)
    monkeypatch.setattr("orchestrator.config.load", lambda _: experiment)
    return experiment


def test_every_event_is_a_line_of_json_with_flow_run_task_and_key(configured, capsys):
    with pytest.raises(SystemExit):
        main(["run", "--json", "--log-json"])
    told = capsys.readouterr()
    lines = [json.loads(line) for line in told.err.splitlines()]
    flow_run = json.loads(told.out)["flow_run"]["id"]
    events = [line for line in lines if line["logger"] == "orchestrator.events"]
    assert events[0]["event"] == "flow run began"
    assert events[-1]["event"] == "flow run ended"
    assert events[-1]["counts"]["failed"] >= 1
    assert {event["flow_run"] for event in events} == {flow_run}
    ended = {
        (event["task"], event["key"]): event
        for event in events
        if event["event"] == "instance ended" and "key" in event
    }
    done, failed = (
        ended["evaluate@choose", "customer-0/tree"],
        ended["evaluate@choose", "broken/tree"],
    )
    assert (done["state"], done["level"], done["tries"]) == ("success", "info", 1)
    assert done["seconds"] >= 0
    assert failed["state"] == "failed"
    assert "no such form" in failed["error"]
    assert any("2 customers, 2 studies" in line["event"] for line in lines), "sentences too"


@pytest.mark.parametrize("command", ["run", "resume latest", "rerun latest"])
def test_an_error_is_a_line_of_json_too(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("orchestrator.yaml").write_text("experiment: x\nregistry: 3\n")
    with pytest.raises(SystemExit):
        main([*command.split(), "--log-json", "--metrics-port", "9000"])
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())
    assert (line["level"], line["exit_code"]) == ("error", 2)
    # To continue a flow run, only the ledger's place is needed of the configuration of now.
    resumes = command == "resume latest"
    assert ("no flow run is recorded" if resumes else "registry: Input should be") in line["event"]
    with pytest.raises(SystemExit):
        main(command.split())
    shown = "no flow run" if resumes else "orchestrator.yaml: 2 problems"
    assert capsys.readouterr().err.startswith(f"error: {shown}")


def test_without_it_nobody_sees_an_event(configured, capsys):
    run_experiment(RunOptions(as_json=True))
    assert "instance ended" not in capsys.readouterr().err


def scraped(url):
    """Every sample by name and sorted labels."""
    text = httpx.get(f"{url}/metrics", timeout=30).text
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_tell_instances_trials_backlog_and_workers(tmp_path, mlflow_url):
    from orchestrator.pipeline.pipeline import run

    experiment = a_small_experiment(
        tmp_path, mlflow_url, cluster=Cluster(workers=1, dashboard=False)
    )
    port, seen = free_port(), []
    with serving_metrics(str(port), experiment.ledger) as metrics:
        # Another test's cluster may be there too.
        before = scraped(f"http://127.0.0.1:{port}")["orchestrator_workers",]

        def observe(nodes):
            metrics.observe(nodes)
            if any(node.counts for node in nodes) and not seen:
                seen.append(scraped(f"http://127.0.0.1:{port}"))

        report = run(experiment, observer=observe)
        after = scraped(f"http://127.0.0.1:{port}")
    assert seen[0]["orchestrator_workers",] == 1
    assert seen[0]["orchestrator_instances_expected", "choose"] == 3
    assert after["orchestrator_workers",] == before
    assert after["orchestrator_instances", "choose", "success"] == 3
    assert after["orchestrator_instances_running", "choose"] == 0
    assert after["orchestrator_trials", "success"] == report.trials["success"] == 6
    assert after["orchestrator_mlflow_backlog", "trials"] == 0
    assert after["orchestrator_mlflow_backlog", "champions"] == 0
    with pytest.raises(httpx.ConnectError):
        scraped(f"http://127.0.0.1:{port}")


def test_what_mlflow_lacks_is_told(ledger):
    from tests.support.ledger_records import flow_run, promotion, result

    ledger.recorder().begin(flow_run())
    ledger.trials.add([result("c1"), result("c2")])
    ledger.promotions.intend([promotion("c1")])
    assert (ledger.trials.backlog(), ledger.promotions.backlog()) == (2, 1)
    assert ledger.trials.counts("run-1") == {"success": 2}
    ledger.trials.mark_sent([result("c1").trial.run_id])
    ledger.promotions.confirm([promotion("c1")])
    assert (ledger.trials.backlog(), ledger.promotions.backlog()) == (1, 0)


@pytest.mark.parametrize("address", ["", "web", "70000", "127.0.0.1:", "host:port"])
def test_an_address_that_is_none_is_refused(tmp_path, address):
    with pytest.raises(UsageError, match="write PORT, or HOST:PORT"), serving_metrics(address, "x"):
        pass


def test_before_a_run_has_begun_metrics_make_no_ledger_and_keep_their_port(tmp_path):
    ledger, port = tmp_path / "ledger.db", str(free_port())
    with serving_metrics(port, str(ledger)) as metrics:
        metrics.observe([NodeProgress(name="n", total=None, counts={State.SUCCESS: 1}, running=0)])
        assert scraped(f"http://127.0.0.1:{port}")["orchestrator_mlflow_backlog", "trials"] == 0
        assert not ledger.exists()
        with (
            pytest.raises(UsageError, match="choose another"),
            serving_metrics(port, str(ledger)),
        ):
            pass


def test_runs_are_watched_until_ctrl_c(tmp_path):
    from tests.support.ledger_records import flow_run, instance

    with Ledger.open(tmp_path / "state/ledger.db") as ledger:
        recorder = ledger.recorder()
        recorder.begin(flow_run())
        recorder.record([instance("a"), instance("b")])
    command = [sys.executable, "-m", "orchestrator", "runs", "--watch"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    environment.pop("ORCHESTRATOR_CONFIG", None)
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as watched:
        impatience = threading.Timer(60, watched.kill)
        impatience.start()
        with suppress(StopIteration):
            shown = next(line for line in watched.stdout if "run-1" in line)
        watched.send_signal(signal.SIGINT)
        assert watched.wait(30) == 0
        impatience.cancel()
    assert "2 success" in shown, "a flow run that goes on has counted by now"
