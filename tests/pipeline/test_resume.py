"""`orchestrator resume`, as it is typed after something went wrong."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from orchestrator import config
from orchestrator.errors import StoppedError
from orchestrator.ledger import Ledger
from orchestrator.ledger.leases.leases import Lease
from orchestrator.pipeline.pipeline import run
from tests.support.stopping import ASKED_BEFORE, once_begun

TREE = {
    "id": "tree",
    "estimator": "sklearn.tree:DecisionTreeClassifier",
    "grid": {"max_depth": [1, 2, 4]},
}
LOGISTIC = {"id": "logistic", "estimator": "sklearn.linear_model:LogisticRegression"}
HOME = Path(__file__).parents[2]


def customers(count, seconds=0.0):
    return [
        {"id": f"c{n}", "data": {"seed": n, "form": "frame", "seconds": seconds}}
        for n in range(count)
    ]


@pytest.fixture
def project(tmp_path, monkeypatch, mlflow_url):
    """A folder with a configuration of two models and six customers, everything in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(HOME))
    write(
        experiment="resuming",
        registry={"source": "inline", "models": [TREE, LOGISTIC], "customers": customers(6)},
        evaluation={"loader": "tests.support.synthetic:load"},
        cluster={"kind": "inline"},
        tracking={"uri": mlflow_url, "artifacts": str(tmp_path / "artifacts")},
        ledger="sqlite:///ledger.db",
    )
    return tmp_path


def write(**content):
    Path("orchestrator.yaml").write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")


def change(**changes):
    write(**{**yaml.safe_load(Path("orchestrator.yaml").read_text("utf-8")), **changes})


@contextmanager
def driver(*arguments):
    """A driver process of its own, which is killed in the end if it still lives."""
    with subprocess.Popen(
        [sys.executable, "-m", "orchestrator", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(count, table, process):
    """Until the ledger has so many rows of a table."""
    limit = time.monotonic() + 60
    while rows(table) < count:
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < limit
        time.sleep(0.02)


def rows(table):
    try:
        with closing(sqlite3.connect("file:ledger.db?mode=ro", uri=True)) as connection:
            return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
    except sqlite3.OperationalError:  # not made yet
        return 0


def interrupted():
    """A flow run that was stopped before it did anything; gives its id."""
    return run(config.load(Path("orchestrator.yaml")), stop=once_begun()).flow_run.id


def champions():
    """By customer, model and parameters of what serves it."""
    with Ledger.look("ledger.db") as ledger:
        return {
            customer: (found.result.trial.study.model.id, dict(found.result.trial.params))
            for customer, found in ledger.promotions.champions().items()
        }


def listed(typed):
    return json.loads(typed("runs", "--json")[1])


@pytest.mark.parametrize("asked", range(ASKED_BEFORE))
def test_what_is_stopped_while_it_is_prepared_begins_nothing(project, typed, asked):
    answers = iter([False] * asked + [True])
    with pytest.raises(StoppedError, match="nothing was changed") as stopped:
        run(config.load(Path("orchestrator.yaml")), stop=lambda: next(answers))
    assert stopped.value.exit_code == 130
    assert (rows("ledger_flow_runs"), rows("ledger_lives"), rows("ledger_leases")) == (0, 0, 0)


class TestAfterAKill:
    @pytest.mark.slow
    def test_it_goes_on_and_everything_is_there_once(self, project, typed, mlflow_url):
        change(
            registry={
                "source": "inline",
                "models": [TREE, LOGISTIC],
                "customers": customers(6, seconds=0.15),
            }
        )
        with driver("run") as process:
            wait_for(3, "ledger_studies", process)
            process.kill()
        [killed] = listed(typed)
        assert killed["state"] == "interrupted"
        with Ledger.look("ledger.db") as ledger:
            before = {t.run_id: t.result.started for t in ledger.trials.of_run(killed["id"])}

        code, out, err = typed("resume")
        assert (code, f"resuming flow run {killed['id']}" in err) == (0, True)
        assert "24 succeeded, 0 failed, 0 reused" in out
        [ended] = listed(typed)
        assert (ended["id"], ended["state"]) == (killed["id"], "success")
        assert ended["started"] == killed["started"]
        with Ledger.look("ledger.db") as ledger:
            trials = {t.run_id: t for t in ledger.trials.of_run(killed["id"])}
            assert ledger.trials.pending() == []
        assert len(trials) == 24
        assert {name: trials[name].result.started for name in before} == before
        client = MlflowClient(mlflow_url, mlflow_url)
        found = client.get_experiment_by_name("resuming")
        assert {r.info.run_id for r in client.search_runs([found.experiment_id])} == set(trials)
        assert len(champions()) == 6

    @pytest.mark.postgres
    def test_of_a_machine_it_goes_on_on_another_one(self, project, typed, postgres_url):
        change(ledger=postgres_url)
        left = interrupted()
        with Ledger.open(postgres_url) as ledger:
            ledger.recorder().begin(replace(ledger.flow_runs.get(left), state="running"))
            lost = Lease(
                flow="resuming",
                flow_run=left,
                host="lost",
                place="elsewhere",
                taken=0.0,
                beaten=0.0,
                lasts=0.3,
            )
            ledger.leases.take(lost, after=None)
        code, out, err = typed("resume")
        assert (code, "24 succeeded" in out) == (0, True)
        assert f"flow run {left} on lost, process" in err
        assert "watching for 0.3 s whether it is alive" in err
        assert [flow_run["id"] for flow_run in listed(typed)] == [left]

    def test_a_plain_run_begins_anew_and_uses_what_is_recorded(self, project, typed):
        left = interrupted()
        told = f"flow run {left} was interrupted; go on with: orchestrator resume {left}"
        assert told in typed("status")[2]
        code, _, err = typed("run")
        assert code == 0
        assert f"flow run {left} is unfinished; starting a new one" in err
        assert len(listed(typed)) == 2


def registry():
    return yaml.safe_load(Path("orchestrator.yaml").read_text("utf-8"))["registry"]


class TestWhileADriverLives:
    @pytest.mark.slow
    def test_nobody_else_may_write_unless_by_force(self, project, typed):
        change(registry={**registry(), "customers": customers(6, seconds=0.5)})
        with driver("run") as process:
            wait_for(1, "ledger_flow_runs", process)
            [flow_run] = listed(typed)
            assert flow_run["state"] == "running"
            for command in ("run", "resume", "sync"):
                code, _, err = typed(command)
                assert code == 75, err
                assert f"being driven already: flow run {flow_run['id']}" in err
                assert f"process {process.pid}" in err
            change(registry={**registry(), "customers": customers(6)})
            code, _, err = typed("resume", "--force", "--new-config")
            assert code == 0, err
            out, _ = process.communicate(timeout=60)
        assert process.returncode == 4
        assert "was treated as dead, or --force was used" in out
        [ended] = listed(typed)
        assert (ended["id"], ended["state"]) == (flow_run["id"], "success")


class TestWhatHasChangedSince:
    def test_is_shown_and_the_recorded_configuration_is_used(self, project, typed):
        interrupted()
        change(evaluation={"loader": "tests.support.synthetic:load", "folds": 5}, tolerance=0.5)
        code, _, err = typed("resume")
        assert code == 0
        assert "the recorded one is used; --new-config takes the current one" in err
        assert "  evaluation.folds: (not there) -> 5\n  tolerance: (not there) -> 0.5" in err
        assert folds() == {3}

    def test_is_used_when_that_is_wanted(self, project, typed):
        interrupted()
        change(evaluation={"loader": "tests.support.synthetic:load", "folds": 5})
        code, _, err = typed("resume", "--new-config")
        assert (code, "the current one is used" in err) == (0, True)
        assert folds() == {5}

    def test_lists_are_those_it_began_with(self, project, typed):
        interrupted()
        change(registry={**registry(), "customers": customers(2)})
        assert typed("resume")[0] == 0
        assert len(champions()) == 6

    def test_an_experiment_that_was_renamed_goes_on_under_its_name(self, project, typed):
        interrupted()
        change(experiment="renamed")
        code, _, err = typed("resume", "--new-config")
        assert code == 2
        assert "belongs to experiment 'resuming', not 'renamed'" in err
        code, _, err = typed("resume")
        assert (code, "experiment: 'resuming' -> 'renamed'" in err) == (0, True)
        assert [flow_run["flow"] for flow_run in listed(typed)] == ["resuming"]

    def test_a_configuration_that_is_wrong_by_now_does_not_hinder_resuming(self, project, typed):
        left = interrupted()
        change(gate={"min_gian": 1})
        assert typed("run")[0] == 2
        code, _, err = typed("resume")
        assert code == 0, err
        with Ledger.look("ledger.db") as ledger:
            assert ledger.flow_runs.get(left).state == "success"

    def test_neither_secrets_nor_lists_are_kept_with_it(self, project, typed, monkeypatch):
        monkeypatch.setenv("ARTIFACTS", str(project / "open-sesame"))
        before = yaml.safe_load(Path("orchestrator.yaml").read_text("utf-8"))
        tracking = {**before["tracking"], "artifacts": "${ARTIFACTS}"}
        change(tracking=tracking)
        interrupted()
        [flow_run] = listed(typed)
        assert "open-sesame" not in json.dumps(flow_run)
        assert flow_run["origin"]["settings"] == {
            **before,
            "tracking": tracking,
            "registry": {"source": "inline"},
        }


def folds():
    with Ledger.look("ledger.db") as ledger:
        [flow_run] = ledger.flow_runs.list()
        trials = ledger.trials.of_run(flow_run.id)
        return {trial.result.trial.study.evaluation.folds for trial in trials}


class TestWhatCannotGoOn:
    def test_nothing_was_ever_run(self, project, typed):
        code, _, err = typed("resume")
        assert code == 2
        assert "no flow run is recorded in sqlite:///ledger.db; begin with: orchestrator run" in err
        assert not Path("ledger.db").exists()

    def test_an_experiment_renamed_with_its_ledger(self, project, typed):
        change(ledger=None)
        interrupted()
        change(experiment="renamed")
        code, _, err = typed("resume")
        assert code == 2
        assert "there are the ledgers state/resuming/ledger.db" in err

    def test_a_finished_one(self, project, typed):
        assert typed("run")[0] == 0
        [flow_run] = listed(typed)
        code, _, err = typed("resume", flow_run["id"])
        assert (code, "ended successfully: there is nothing to resume" in err) == (2, True)
        code, _, err = typed("resume")
        assert code == 2
        assert (
            f"every flow run has ended: the last one, {flow_run['id']}, has the state success"
            in err
        )

    def test_an_unknown_one(self, project, typed):
        interrupted()
        code, _, err = typed("resume", "1999")
        assert (code, "no flow run has an id that begins with '1999'" in err) == (2, True)

    def test_one_that_another_followed(self, project, typed):
        left = interrupted()
        assert typed("run")[0] == 0
        code, _, err = typed("resume", left)
        assert code == 2
        assert f"flow run {left} was followed by" in err


class TestFlowsOfFiles:
    FLOW = textwrap.dedent(
        """
        import time
        from pathlib import Path
        from orchestrator import flow, task

        @task
        def listed(size):
            with Path("listed").open("a") as file:
                file.write("x")
            return [*range(size)]

        @task
        def doubled(x):
            return 2 * x

        @task
        def reduced(numbers):
            with Path("reduced").open("a") as file:
                file.write("x")
            return len(numbers)

        @task
        def work(x):
            time.sleep(0.05)
            with Path("worked").open("a") as file:
                file.write(f"{x}\\n")
            return x

        @task
        async def pairs(start, count):
            assert count > 0
            first = await work.expand(x=[2 * start, 2 * start + 1])
            return sum(first)

        @flow
        def slow(size: int):
            starts = listed(size)
            return pairs.partial(count=reduced(doubled.expand(x=starts))).expand(start=starts)
        """
    )

    def killed(self):
        Path("slow.py").write_text(self.FLOW)
        with driver("run", "slow.py", "-p", "size=40") as process:
            wait_for(1 + 40 + 1 + 5, "ledger_results", process)
            process.kill()

    def test_a_killed_one_goes_on_repeating_what_was_in_flight_at_most(self, project, typed):
        self.killed()
        code, out, _ = typed("resume")
        assert (code, "success in" in out) == (0, True)
        [flow_run] = listed(typed)
        assert flow_run["counts"] == {"success": 1 + 40 + 1 + 40 + 80}
        assert (Path("listed").read_text(), Path("reduced").read_text()) == ("x", "x")
        worked = Path("worked").read_text().split()
        # What ended in the last second before a kill may not be recorded yet.
        assert len(set(worked)) == 80
        assert len(worked) <= 80 + 25

    def test_a_changed_file_goes_on_when_that_is_wanted(self, project, typed):
        self.killed()
        Path("slow.py").write_text(self.FLOW.replace("0.05", "0.0"))
        code, _, err = typed("resume")
        assert code == 2
        assert "slow.py has changed since flow run" in err
        code, _, err = typed("resume", "--new-config")
        assert (code, "tasks that do something else now run again" in err) == (0, True)

    def test_a_file_that_is_gone_is_named(self, project, typed):
        self.killed()
        Path("slow.py").unlink()
        code, _, err = typed("resume")
        assert (code, "slow.py: No such file" in err) == (2, True)

    def test_one_that_is_driven_cannot_be_started_twice(self, project, typed):
        Path("slow.py").write_text(self.FLOW)
        with driver("run", "slow.py", "-p", "size=400") as process:
            wait_for(1, "ledger_results", process)
            assert typed("run", "slow.py", "-p", "size=4")[0] == 75
            os.kill(process.pid, signal.SIGTERM)
            process.communicate(timeout=30)
        assert process.returncode == 130
        assert typed("run", "slow.py", "-p", "size=4")[0] == 0
