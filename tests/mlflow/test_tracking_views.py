"""Saved views say what they should, and MLflow's web page shows what they say."""

import base64
import json
import shutil
import subprocess
import zlib

import psutil
import pytest
import requests

from orchestrator.errors import MachineryError, UsageError
from orchestrator.mlflow.runs.opening import open_tracker
from orchestrator.mlflow.ui import web_page
from orchestrator.mlflow.views import links, view_tags, views
from orchestrator.records import Evaluation
from tests.contracts.trackers import run

AUC = Evaluation(loader="somewhere:load", metrics=("auc",), metric="auc")
LOSS = Evaluation(loader="x:y", metrics=("loss",), metric="loss", direction="minimize")


def state(tags, view_id: str) -> dict:
    """What a view's tag says, unpacked as MLflow's web page does it."""
    packed = json.loads(tags[f"mlflow.sharedViewState.{view_id}"])["state"]
    return json.loads(zlib.decompress(base64.b64decode(packed.removeprefix("deflate;"))))


class TestViews:
    def test_there_are_champions_this_flow_run_and_failures(self):
        tags = view_tags(views(AUC, "f1"), at=1.5)
        names = [json.loads(value)["name"] for value in tags.values()]
        assert names == ["Champions", "This flow run by customer", "Failures"]
        assert {json.loads(value)["createdAt"] for value in tags.values()} == {1500}

    def test_champions_are_the_runs_tagged_so_best_first(self):
        champions = state(view_tags(views(AUC, "f1"), at=0), "champions")
        assert champions["searchFilter"] == 'tags.champion = "true"'
        assert (champions["orderByKey"], champions["orderByAsc"]) == ("metrics.`auc`", False)

    def test_a_loss_is_best_when_small(self):
        tags = view_tags(views(LOSS, "f1"), at=0)
        assert state(tags, "champions")["orderByAsc"] is True
        assert state(tags, "flow-run")["groupBy"]["aggregateFunction"] == "min"

    def test_the_flow_run_is_grouped_by_customer(self):
        shown = state(view_tags(views(AUC, "f7"), at=0), "flow-run")
        assert shown["searchFilter"] == 'tags.flow_run = "f7"'
        assert shown["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": "customer"}]

    def test_a_link_opens_a_view_by_its_id(self):
        assert links("http://127.0.0.1:5000/", "3", views(AUC, "f1"))["Failures"] == (
            "http://127.0.0.1:5000/#/experiments/3/runs"
            "?workflowType=machine_learning&viewStateShareKey=failures"
        )

    def test_tags_are_short_enough_for_mlflow_whatever_the_metrics(self):
        many = tuple(f"metric_with_a_long_name_{i}" for i in range(40))
        evaluation = Evaluation(loader="x:y", metrics=many, metric=many[0])
        assert all(len(v) < 20_000 for v in view_tags(views(evaluation, "f" * 50), at=0).values())


class TestTheWebPage:
    def test_it_answers_on_this_machine_alone_and_tells_when_it_has_died(
        self, mlflow_url, tmp_path
    ):
        before = set(psutil.Process().children())
        with web_page(mlflow_url, artifact_root=str(tmp_path)) as page:
            assert page.address.startswith("http://127.0.0.1:")
            assert requests.get(f"{page.address}/health", timeout=10).ok
            (server,) = set(psutil.Process().children()) - before
            server.terminate()
            with pytest.raises(MachineryError, match="MLflow's web page ended by itself"):
                page.wait()

    def test_a_port_that_is_taken_is_named(self, mlflow_server, mlflow_url, tmp_path):
        port = int(mlflow_server.rpartition(":")[2])
        page = web_page(mlflow_url, artifact_root=str(tmp_path), port=port)
        with pytest.raises(MachineryError, match=f"port {port} of 127.0.0.1 is taken"), page:
            pass

    def test_a_database_that_cannot_be_used_is_named(self, tmp_path):
        (tmp_path / "mlflow.db").write_bytes(b"not a database" * 100)
        page = web_page(f"sqlite:///{tmp_path}/mlflow.db", artifact_root=str(tmp_path))
        with pytest.raises(MachineryError, match="not a database"), page:
            pass

    def test_a_page_that_cannot_start_says_why_as_mlflow_does(self, mlflow_url, monkeypatch):
        monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "maybe")
        with (
            pytest.raises(MachineryError, match="MLFLOW_ENABLE_WORKSPACES"),
            web_page(mlflow_url, artifact_root="artifacts"),
        ):
            pass

    def test_a_server_needs_no_other(self, tmp_path):
        page = web_page("http://mlflow:5000", artifact_root=str(tmp_path))
        with pytest.raises(UsageError, match="open http://mlflow:5000"), page:
            pass


@pytest.mark.browser
@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium on this machine")
class TestInABrowser:
    @pytest.fixture
    def page(self, mlflow_server, tmp_path):
        """The text MLflow shows behind the link of a view, of five runs of three customers."""
        tracker = open_tracker(mlflow_server, tmp_path.name)
        tracker.log([trial(n, customer) for n, customer in enumerate("aabbc")])
        tracker.log([trial(9, "d", status="FAILED", metrics=(), error="ValueError: one class")])
        tracker.tag({f"{n:032x}": {"champion": "true"} for n in (1, 3, 4)})
        shown = views(AUC, "f1")
        tracker.tag_experiment(view_tags(shown, at=1.0))
        addresses = links(mlflow_server, tracker.experiment_id, shown)
        return lambda name: browse(addresses[name], tmp_path / "browser")

    def test_champions_are_shown_with_their_scores(self, page):
        shown = page("Champions")
        assert "3</strong> matching run" in shown
        assert all(text in shown for text in ("a/tree/1", "b/tree/3", "c/tree/4", "0.74", "auc"))
        assert "a/tree/0" not in shown

    def test_the_flow_run_is_grouped_by_customer(self, page):
        shown = page("This flow run by customer")
        assert "Group by: customer" in shown
        assert all(f"Group: {customer}" in shown for customer in "abc")

    def test_failures_are_shown_with_their_reason(self, page):
        shown = page("Failures")
        assert "d/tree/9" in shown
        assert "ValueError: one class" in shown
        assert "a/tree/0" not in shown


def trial(number: int, customer: str, *, error: str = "", **fields):
    name = f"{customer}/tree/{number}"
    tags = {"mlflow.runName": name, "customer": customer, "model": "tree", "flow_run": "f1"}
    reason = {"error": error} if error else {}
    return run(number, name=name, tags={**tags, "champion": "false", **reason}, **fields)


def browse(address: str, profile) -> str:
    """The page's text once its scripts have settled."""
    quiet = ("no-first-run", "disable-background-networking", "disable-component-update")
    return subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-sync"),
            *(f"--{option}" for option in quiet),
            *(f"--user-data-dir={profile}", "--window-size=2600,1200"),
            *("--virtual-time-budget=20000", "--dump-dom", address),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout
