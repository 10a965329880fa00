"""What every `Tracker` does, seen through MLflow's own client; a test class for one inherits
`TrackerContract`."""

import math
from pathlib import Path
from uuid import uuid4

import pytest
from mlflow import MlflowClient, entities
from mlflow.entities import DatasetInput, Run, ViewType

from orchestrator.mlflow.runs.tracked_run import Dataset, MetricValue, TrackedRun
from orchestrator.mlflow.runs.tracker import Tracker

A_DAY = Dataset("AA-DFW", "version-1", '{"tags": {"mlflow.source.name": "flights:load"}}')
THE_NEXT = A_DAY._replace(digest="version-2")


def run(number: int = 0, **fields) -> TrackedRun:
    return TrackedRun(
        **{
            "run_id": f"{number:032x}",
            "name": f"AA-DFW/tree/{number}",
            "status": "FINISHED",
            "start_time": 1_700_000_000_000 + number,
            "end_time": 1_700_000_001_500 + number,
            "params": {"max_depth": "3", "clf__C": "0.1"},
            "metrics": (
                MetricValue("auc", 0.7 + number / 100),
                MetricValue("auc_fold", 0.9, 0),
                MetricValue("auc_fold", 0.5, 1),
                MetricValue("auc_fold", 0.7, 2),
            ),
            "tags": {
                "mlflow.runName": f"AA-DFW/tree/{number}",
                "mlflow.user": "ada",
                "customer": "AA-DFW",
                "flow_run": "f1",
                "champion": "false",
            },
            "dataset": A_DAY,
        }
        | fields
    )


class TrackerContract:
    """Inherit it and give fixtures `url`, a tracking address, and `tracker`, opened on it."""

    @pytest.fixture
    def mlflow(self, url) -> MlflowClient:
        return MlflowClient(url)

    @pytest.fixture
    def found(self, mlflow, tracker: Tracker):
        """Runs as `search_runs` finds them."""

        def search(query: str = "", **options) -> list[Run]:
            return list(mlflow.search_runs([tracker.experiment_id], query, **options))

        return search

    def test_mlflow_shows_every_field_of_a_run(self, tracker, found):
        tracker.log([run()])
        (shown,) = found()
        assert shown.info.run_name == "AA-DFW/tree/0"
        assert shown.info.status == "FINISHED"
        assert shown.info.lifecycle_stage == "active"
        assert shown.info.user_id == "ada"
        assert (shown.info.start_time, shown.info.end_time) == (
            1_700_000_000_000,
            1_700_000_001_500,
        )
        assert shown.data.params == {"max_depth": "3", "clf__C": "0.1"}
        assert shown.data.metrics == {"auc": 0.7, "auc_fold": 0.7}  # the latest of each
        assert run().tags.items() <= shown.data.tags.items()

    def test_the_history_of_a_metric_is_kept_by_step(self, tracker, mlflow, found):
        tracker.log([run()])
        history = mlflow.get_metric_history(found()[0].info.run_id, "auc_fold")
        assert [(point.step, point.value) for point in history] == [(0, 0.9), (1, 0.5), (2, 0.7)]
        assert {point.timestamp for point in history} == {1_700_000_001_500}

    def test_a_failed_run_is_shown_as_failed(self, tracker, found):
        tracker.log([run(status="FAILED", metrics=(), params={}, tags={"error": "ValueError: x"})])
        (shown,) = found('attributes.status = "FAILED"')
        assert shown.data.tags["error"] == "ValueError: x"
        assert shown.data.metrics == {}

    def test_mlflow_shows_which_data_a_run_was_made_from(self, tracker, found):
        other = run(2, dataset=THE_NEXT)
        tracker.log([run(), run(1), other, run(3, dataset=None)])
        tracker.log([run(), other])
        shown = {each.info.run_name: each.inputs.dataset_inputs for each in found()}
        assert shown["AA-DFW/tree/3"] == []
        for number, data in ((0, A_DAY), (1, A_DAY), (2, THE_NEXT)):
            (made_from,) = shown[f"AA-DFW/tree/{number}"]
            its = made_from.dataset
            assert Dataset(its.name, its.digest, its.source, its.source_type) == data
            assert {tag.key: tag.value for tag in made_from.tags} == {
                "mlflow.data.context": "training"
            }

    def test_a_dataset_that_mlflow_has_already_is_shared(self, tracker, mlflow, found):
        """As one that the other way of writing runs has made."""
        made = mlflow.create_run(tracker.experiment_id)
        its = entities.Dataset(A_DAY.name, A_DAY.digest, A_DAY.source_type, A_DAY.source)
        mlflow.log_inputs(made.info.run_id, [DatasetInput(its)])
        tracker.log([run()])
        (shown,) = found('tags.customer = "AA-DFW"')
        assert [each.dataset.digest for each in shown.inputs.dataset_inputs] == ["version-1"]
        assert len(found(f'dataset.digest = "{A_DAY.digest}"')) == 2

    def test_a_dataset_whose_version_and_source_are_too_long_is_cut(self, tracker, found):
        tracker.log([run(dataset=Dataset("n" * 999, "v" * 99, "s" * 99_999))])
        (made_from,) = found()[0].inputs.dataset_inputs
        assert len(made_from.dataset.name) == 500
        assert len(made_from.dataset.digest) == 32
        assert made_from.dataset.source == "{}"

    def test_runs_sent_twice_are_there_once(self, tracker, found):
        runs = [run(number) for number in range(5)]
        tracker.log(runs[:3])
        tracker.log(runs)
        tracker.log([*runs, *runs])
        assert len(found()) == 5
        assert {len(shown.data.metrics) for shown in found()} == {2}

    def test_runs_sent_again_by_another_process_are_there_once(self, tracker, reopened, found):
        report = run(2, tags={"report_of": "f1"})
        tracker.log([run(), report])
        reopened().log([run(), run(1), report])
        assert len(found()) == 3

    def test_sending_again_leaves_what_people_changed(self, tracker, mlflow, found):
        tracker.log([run()])
        run_id = found()[0].info.run_id
        mlflow.set_tag(run_id, "note", "look at this")
        mlflow.update_run(run_id, name="the good one")
        tracker.tag({run().run_id: {"champion": "true"}})
        tracker.log([run()])
        (shown,) = found()
        assert shown.info.run_name == "the good one"
        assert shown.data.tags["note"] == "look at this"
        assert shown.data.tags["champion"] == "true"

    def test_a_run_deleted_by_a_person_stays_deleted_until_restored(self, tracker, mlflow, found):
        tracker.log([run(), run(1)])
        run_id = found('tags.`mlflow.runName` = "AA-DFW/tree/0"')[0].info.run_id
        mlflow.delete_run(run_id)
        tracker.log([run()])
        assert [shown.info.run_name for shown in found()] == ["AA-DFW/tree/1"]
        assert len(found(run_view_type=ViewType.DELETED_ONLY)) == 1
        mlflow.restore_run(run_id)
        assert len(found()) == 2

    def test_tags_of_a_run_that_a_person_deleted_stop_no_others(self, tracker, mlflow, found):
        tracker.log([run(), run(1)])
        mlflow.delete_run(tracker.locate([run().run_id])[run().run_id].run_id)
        tags = {run().run_id: {"champion": "false"}, run(1).run_id: {"champion": "true"}}
        assert tracker.tag(tags) == frozenset()
        assert [shown.info.run_name for shown in found('tags.champion = "true"')] == [run(1).name]

    def test_runs_can_be_renamed_and_tagged_in_mlflow(self, tracker, mlflow, found):
        tracker.log([run()])
        run_id = found()[0].info.run_id
        mlflow.update_run(run_id, name="renamed")
        mlflow.log_metric(run_id, "auc", 0.99, step=1)
        shown = mlflow.get_run(run_id)
        assert (shown.info.run_name, shown.data.tags["mlflow.runName"]) == ("renamed", "renamed")
        assert shown.data.metrics["auc"] == 0.99

    def test_runs_are_filtered_and_ordered(self, tracker, found):
        tracker.log([run(number) for number in (2, 0, 1)])
        ordered = found(
            'metrics.auc > 0.705 and tags.customer = "AA-DFW"', order_by=["metrics.auc"]
        )
        assert [shown.info.run_name for shown in ordered] == ["AA-DFW/tree/1", "AA-DFW/tree/2"]
        assert len(found('params.max_depth = "3" and attributes.run_name LIKE "%/2"')) == 1

    def test_tags_are_set_over_what_they_were(self, tracker, found):
        tracker.log([run(), run(1)])
        key = run().run_id
        assert tracker.tag({key: {"champion": "true", "retired": "2026"}}) == frozenset()
        assert (
            tracker.tag({key: {"champion": "false"}, run(1).run_id: {"champion": "true"}}) == set()
        )
        (champion,) = found('tags.champion = "true"')
        assert champion.info.run_name == "AA-DFW/tree/1"
        assert found('tags.retired = "2026"')[0].data.tags["champion"] == "false"

    def test_tagging_tells_which_runs_mlflow_does_not_have(self, tracker):
        tracker.log([run()])
        unknown = run(9).run_id
        assert tracker.tag({run().run_id: {"a": "b"}, unknown: {"a": "b"}}) == {unknown}

    def test_a_located_run_is_where_mlflow_says(self, tracker, found):
        tracker.log([run()])
        (shown,) = found()
        location = tracker.locate([run().run_id])[run().run_id]
        assert location == (shown.info.run_id, shown.info.artifact_uri)
        assert location.artifact_uri.startswith(tracker.artifact_root)

    def test_nan_and_infinity_are_recorded(self, tracker, found):
        values = (
            MetricValue("a", math.nan),
            MetricValue("b", math.inf),
            MetricValue("c", -math.inf),
        )
        tracker.log([run(metrics=values)])
        metrics = found()[0].data.metrics
        assert math.isnan(metrics["a"])
        assert metrics["b"] > 1e308
        assert metrics["c"] < -1e308

    def test_what_is_too_long_is_cut_and_a_tag_says_so(self, tracker, found):
        tags = {"mlflow.runName": "n" * 999, "e": "e" * 9999, "flow_run": "f1"}
        params = {"kernel": "k" * 1_000_000, "C": "1"}
        tracker.log([run(name="n" * 999, params=params, tags=tags)])
        (shown,) = found()
        assert shown.data.params["kernel"].startswith("kkk")
        assert len(shown.data.params["kernel"]) == 6000
        assert len(shown.data.tags["e"]) == 8000
        assert shown.info.run_name.startswith("nnn")
        assert shown.data.tags["cut"] == "params.kernel, tags.e, name"
        assert shown.data.params["C"] == "1"

    def test_odd_keys_and_texts_are_recorded(self, tracker, found):
        odd = {"a=b?": "nul \0 here", "../x": "half \ud800 pair", "ключ": "значение", "": "empty"}
        tracker.log([run(params=odd, metrics=(MetricValue("f(x) = 2%", 1.0),))])
        (shown,) = found()
        assert len(shown.data.params) == len(odd)
        assert shown.data.params["ключ"] == "значение"
        assert list(shown.data.metrics.values()) == [1.0]

    def test_runs_with_very_many_params_and_metrics_are_recorded(self, tracker, found):
        params = {f"p{i}": str(i) for i in range(250)}
        metrics = tuple(MetricValue("loss", float(i), i) for i in range(1500))
        tracker.log([run(params=params, metrics=metrics)])
        (shown,) = found()
        assert shown.data.params == params
        assert shown.data.metrics == {"loss": 1499.0}

    def test_tags_of_the_experiment_are_set(self, tracker, mlflow):
        tracker.tag_experiment({"note": "one"})
        tracker.tag_experiment({"note": "two", "other": "x"})
        tags = mlflow.get_experiment(tracker.experiment_id).tags
        assert (tags["note"], tags["other"]) == ("two", "x")

    def test_a_file_is_attached_to_a_run_and_written_over(self, tracker, mlflow, tmp_path):
        once = run(run_id=uuid4().hex)  # MLflow remembers for a process where a run's files are
        tracker.log([once])
        for text in ("first", "<p>Grüße</p>"):
            tracker.attach(once.run_id, "report.html", text)
        run_id = tracker.locate([once.run_id])[once.run_id].run_id
        (file,) = mlflow.list_artifacts(run_id)
        assert file.path == "report.html"
        content = Path(mlflow.download_artifacts(run_id, file.path, str(tmp_path)))
        assert content.read_text(encoding="utf-8") == "<p>Grüße</p>"

    def test_nothing_to_do_is_done(self, tracker, found):
        tracker.log([])
        assert tracker.tag({}) == frozenset()
        assert tracker.locate([]) == {}
        assert found() == []

    def test_deleted_runs_are_in_the_trash_and_others_are_not(self, tracker, found):
        tracker.log([run(0), run(1)])
        tracker.delete([run(0).run_id, run(7).run_id])
        tracker.delete([run(0).run_id])
        assert [shown.info.run_name for shown in found()] == ["AA-DFW/tree/1"]
        (deleted,) = found(run_view_type=ViewType.DELETED_ONLY)
        assert deleted.info.run_name == "AA-DFW/tree/0"

    def test_runs_are_kept_that_a_person_tagged_so(self, tracker, mlflow, found):
        tracker.log([run(0), run(1), run(2)])
        ours = {shown.info.run_name: shown.info.run_id for shown in found()}
        mlflow.set_tag(ours["AA-DFW/tree/1"], "keep", "for the audit")
        mlflow.set_tag(ours["AA-DFW/tree/2"], "keep", "false")
        everything = [run(number).run_id for number in range(3)]
        assert tracker.kept(everything) == {run(1).run_id}
        assert tracker.kept([run(0).run_id]) == frozenset()

    def test_an_erased_customer_has_no_runs_and_no_files(self, tracker, mlflow, found, tmp_path):
        other = run(2, tags={**run(2).tags, "customer": "AA-SFO"})
        tracker.log([run(0), run(1), other])
        (tmp_path / "model.txt").write_text("weights")
        ours = tracker.locate([run(0).run_id])[run(0).run_id].run_id
        mlflow.log_artifact(ours, str(tmp_path / "model.txt"))
        for_good = tracker.erase("AA-DFW", [run(0).run_id, run(1).run_id])
        assert [shown.data.tags["customer"] for shown in found()] == ["AA-SFO"]
        left = found(run_view_type=ViewType.DELETED_ONLY)
        assert len(left) == (0 if for_good else 2)
        if not for_good:
            assert mlflow.list_artifacts(ours) == []

    def test_runs_that_are_missing_are_told_and_deleted_ones_are_not(self, tracker):
        tracker.log([run(1), run(2)])
        tracker.delete([run(2).run_id])
        asked = [run(number).run_id for number in (1, 2, 3)]
        assert tracker.missing(asked) == {run(3).run_id}
        assert tracker.missing([]) == frozenset()
