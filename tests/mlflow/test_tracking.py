"""Runs reach MLflow alike whichever tracker writes them."""

import dataclasses
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from sqlalchemy import NullPool, create_engine, text

from orchestrator.errors import MachineryError, UsageError
from orchestrator.mlflow.runs.bulk import BulkTracker
from orchestrator.mlflow.runs.client import RUN_KEY, ClientTracker
from orchestrator.mlflow.runs.limits import within_limits
from orchestrator.mlflow.runs.opening import open_tracker
from orchestrator.mlflow.runs.tracked_run import Dataset, tracked_run
from orchestrator.records import (
    Budget,
    Customer,
    Evaluation,
    ModelSpec,
    Step,
    Study,
    Trial,
    TrialResult,
)
from tests.contracts.trackers import THE_NEXT, TrackerContract, run


def result(**fields) -> TrialResult:
    study = Study(
        flow_run="f1",
        snapshot="s1",
        customer=Customer(id="AA/DFW", segment="AA"),
        model=ModelSpec(
            id="tree",
            steps=(Step(name="tree", estimator="sklearn.tree:DecisionTreeClassifier"),),
            params={"criterion": "gini", "max_depth": 9},
        ),
        evaluation=Evaluation(loader="somewhere:load"),
    )
    return TrialResult(
        **{
            "trial": Trial(study=study, number=3, params={"max_depth": 5}),
            "state": "success",
            "scores": {"roc_auc": (0.6, 0.7, 0.8)},
            "fit_seconds": (0.1, 0.2, 0.3),
            "score_seconds": (0.1, 0.1, 0.1),
            "rows": 500,
            "data_version": "v7",
            "started": 1_700_000_000.25,
            "ended": 1_700_000_001.5,
            "worker": "tcp://one",
        }
        | fields
    )


def client_tracker(url: str, artifacts: str) -> ClientTracker:
    bulk = open_tracker(url, "flights", artifacts)
    client = MlflowClient(url)
    return ClientTracker(client, client.get_experiment(bulk.experiment_id), connections=1)


class TestBulkOnSqlite(TrackerContract):
    @pytest.fixture
    def url(self, mlflow_url):
        return mlflow_url

    @pytest.fixture
    def reopened(self, url, tmp_path):
        return lambda: open_tracker(url, "flights", str(tmp_path / "artifacts"))

    @pytest.fixture
    def tracker(self, reopened):
        tracker = reopened()
        assert isinstance(tracker, BulkTracker)
        return tracker


@pytest.mark.postgres
class TestBulkOnPostgres(TestBulkOnSqlite):
    @pytest.fixture
    def url(self, mlflow_postgres_url):
        return mlflow_postgres_url

    @pytest.fixture
    def reopened(self, url, tmp_path):
        return lambda: open_tracker(url, "flights", f"file://{tmp_path}/artifacts")


class TestClientOnSqlite(TestBulkOnSqlite):
    @pytest.fixture
    def tracker(self, reopened):
        return reopened()

    @pytest.fixture
    def reopened(self, url, tmp_path):
        return lambda: client_tracker(url, str(tmp_path / "artifacts"))

    def test_an_unfinished_run_is_finished_when_sent_again(self, tracker, mlflow, found):
        mlflow.create_run(
            tracker.experiment_id, tags={**run().tags, RUN_KEY: run().run_id}, run_name=run().name
        )
        tracker.log([run()])
        (shown,) = found()
        assert shown.info.status == "FINISHED"
        assert shown.data.params == run().params

    def test_an_unfinished_run_that_a_person_deleted_stops_no_others(self, tracker, mlflow, found):
        tags = {**run().tags, RUN_KEY: run().run_id}
        mlflow.delete_run(mlflow.create_run(tracker.experiment_id, tags=tags).info.run_id)
        tracker.log([run(), run(1)])
        assert [shown.info.run_name for shown in found()] == [run(1).name]

    @pytest.mark.parametrize("started", [1, 2_000_000_000_000], ids=["before", "after"])
    def test_of_a_run_that_was_made_twice_the_ended_one_is_kept(
        self, tracker, reopened, mlflow, found, started
    ):
        tracker.log([run()])
        (ended,) = found()
        tags = {**run().tags, RUN_KEY: run().run_id}
        mlflow.create_run(tracker.experiment_id, started, tags, run().name)
        for _ in range(2):  # what is deleted is found again, and is not taken for the run
            again = reopened()
            again.log([run()])
            assert [shown.info.run_id for shown in found()] == [ended.info.run_id]
            assert again.locate([run().run_id])[run().run_id].run_id == ended.info.run_id

    def test_of_a_run_that_was_made_twice_and_did_not_end_one_is_finished(
        self, tracker, reopened, mlflow, found
    ):
        tags = {**run().tags, RUN_KEY: run().run_id}
        for started in (1, 2):
            mlflow.create_run(tracker.experiment_id, started, tags, run().name)
        assert tracker.locate([run().run_id]).keys() == {run().run_id}
        reopened().log([run()])
        assert [shown.info.status for shown in found()] == ["FINISHED"]

    def test_a_run_whose_making_was_not_answered_is_not_made_twice(
        self, tracker, found, monkeypatch
    ):
        create = MlflowClient.create_run

        def unanswered(*args, **more):
            create(*args, **more)
            raise OSError("connection reset by peer")

        with monkeypatch.context() as patched:
            patched.setattr(MlflowClient, "create_run", unanswered)
            with pytest.raises(MachineryError, match="reset by peer"):
                tracker.log([run()])
        tracker.log([run()])
        (shown,) = found()
        assert shown.info.status == "FINISHED"

    def test_a_run_once_written_in_bulk_is_found(self, url, tracker, found):
        open_tracker(url, "flights").log([run()])
        tracker.log([run()])
        assert len(found()) == 1
        assert tracker.tag({run().run_id: {"champion": "true"}}) == frozenset()


class TestClientOfAServer(TrackerContract):
    @pytest.fixture
    def url(self, mlflow_server):
        return mlflow_server

    @pytest.fixture
    def reopened(self, url, tmp_path):
        """An experiment of its own for each test: they share the server."""
        return lambda: open_tracker(url, tmp_path.name)

    @pytest.fixture
    def tracker(self, reopened):
        tracker = reopened()
        assert isinstance(tracker, ClientTracker)
        return tracker


class TestWhatIsSaidOfATrial:
    def test_the_metrics_are_mean_deviation_folds_seconds_and_rows(self):
        assert tracked_run(result(), user="ada").metrics == (
            ("roc_auc", pytest.approx(0.7), 0),
            ("roc_auc_std", pytest.approx(0.0816496580927726), 0),
            ("roc_auc_fold", 0.6, 0),
            ("roc_auc_fold", 0.7, 1),
            ("roc_auc_fold", 0.8, 2),
            ("fit_seconds", pytest.approx(0.6), 0),
            ("score_seconds", pytest.approx(0.3), 0),
            ("rows", 500, 0),
        )

    def test_the_params_are_the_fixed_ones_and_over_them_the_searched(self):
        assert tracked_run(result(), user="ada").params == {"criterion": "gini", "max_depth": "5"}

    def test_the_tags_are_what_people_group_by(self):
        tags = tracked_run(result(), user="ada").tags
        assert tags["customer"] == "AA/DFW"
        assert tags["champion"] == "false"
        assert (tags["segment"], tags["model"], tags["trial"]) == ("AA", "tree", "3")
        assert (tags["flow_run"], tags["snapshot"], tags["data_version"]) == ("f1", "s1", "v7")
        assert "error" not in tags

    def test_its_dataset_is_the_customers_data_of_that_version(self):
        said = tracked_run(result(), user="ada").dataset
        assert (said.name, said.digest) == ("AA/DFW", "v7")
        assert "somewhere:load" in said.source
        assert tracked_run(result(data_version=""), user="ada").dataset is None

    @pytest.mark.parametrize(
        ("data", "shown"),
        [
            ("s3://me:word@bucket/AA.parquet?signature=x", "s3://bucket/AA.parquet"),
            ({"route": ["AA", "DFW"]}, {"route": ["AA", "DFW"]}),
            ("what is this?", "what is this?"),
            (None, None),
        ],
    )
    def test_its_datasets_source_holds_no_credentials(self, data, shown):
        before = result().trial
        customer = dataclasses.replace(before.study.customer, data=data)
        study = dataclasses.replace(before.study, customer=customer)
        trial = dataclasses.replace(before, study=study)
        said = tracked_run(result(trial=trial), user="ada").dataset
        assert json.loads(said.source)["tags"]["data"] == shown

    def test_a_failed_trial_says_why(self):
        failed = result(state="failed", scores={}, fit_seconds=(), error="ValueError: one class")
        tracked = tracked_run(failed, user="ada")
        assert tracked.status == "FAILED"
        assert tracked.tags["error"] == "ValueError: one class"

    def test_a_pruned_trial_was_killed_with_the_folds_it_had(self):
        budget = Budget(resource="folds", amount=2, of=3)
        trial = dataclasses.replace(result().trial, budget=budget)
        pruned = result(trial=trial, state="pruned", scores={"roc_auc": (0.6, 0.7)})
        tracked = tracked_run(pruned, user="ada")
        assert tracked.status == "KILLED"
        assert (tracked.tags["state"], tracked.tags["budget"]) == ("pruned", "2 of 3 folds")
        assert ("roc_auc_fold", 0.7, 1) in tracked.metrics

    def test_a_trial_that_timed_out_failed_and_says_so(self):
        tracked = tracked_run(result(state="timed_out", scores={}), user="ada")
        assert (tracked.status, tracked.tags["state"]) == ("FAILED", "timed_out")

    def test_it_has_the_trials_own_id_and_times(self):
        tracked = tracked_run(result(), user="ada")
        assert tracked.run_id == result().trial.run_id
        assert (tracked.start_time, tracked.end_time) == (1_700_000_000_250, 1_700_000_001_500)


@given(texts=st.dictionaries(st.text(max_size=300), st.text(max_size=300), max_size=8))
def test_keys_stay_apart_and_what_fits_is_never_changed(texts):
    limited = within_limits(run(params=texts))
    assert len(limited.params) == len(texts)
    assert within_limits(limited) == limited
    assert within_limits(run()) is not None


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.dictionaries(st.text(max_size=300), st.text(max_size=9000), max_size=4))
def test_mlflow_accepts_whatever_is_within_limits(texts, mlflow_url):
    tracker = client_tracker(mlflow_url, "artifacts")
    fresh = run(abs(hash(str(texts))), params=texts, tags=texts)
    tracker.log([fresh])
    assert tracker.locate([fresh.run_id])


class TestTheTwoWays:
    """MLflow cannot tell which of them wrote a run."""

    def test_a_run_written_either_way_is_the_same(self, mlflow_url, tmp_path):
        bulk = open_tracker(mlflow_url, "bulk", str(tmp_path))
        open_tracker(mlflow_url, "client", str(tmp_path))
        mlflow = MlflowClient(mlflow_url)
        by_client = ClientTracker(mlflow, mlflow.get_experiment_by_name("client"), connections=1)
        sent = [tracked_run(result(), user="ada"), tracked_run(failed_result(), user="ada")]
        for tracker in (bulk, by_client):
            tracker.log(sent)
        written = [shown(mlflow, tracker) for tracker in (bulk, by_client)]
        assert written[0] == written[1]
        assert len(written[0]) == 2


def failed_result() -> TrialResult:
    trial = Trial(study=result().trial.study, number=4, params={})
    return result(trial=trial, state="failed", scores={}, started=1.0, error="ValueError: no")


def shown(mlflow, tracker) -> list[object]:
    """All of an experiment's runs as MLflow shows them, but for ids, which differ by design."""
    runs = mlflow.search_runs([tracker.experiment_id], order_by=["attributes.start_time"])
    return [without_ids(one.to_dictionary()) for one in runs]


def without_ids(shown: dict) -> dict:
    for name in ("run_id", "experiment_id"):
        run_id = shown["info"].pop(name)
        shown["info"]["artifact_uri"] = shown["info"]["artifact_uri"].replace(f"/{run_id}/", "/ID/")
    shown["data"]["tags"].pop(RUN_KEY, None)
    return shown


def test_an_erased_customers_datasets_are_gone_and_others_are_not(mlflow_url, tmp_path):
    """Which MLflow itself never does: `mlflow gc` leaves them behind."""
    tracker = open_tracker(mlflow_url, "flights", str(tmp_path))
    tags = {**run().tags, "customer": "AA-SFO"}
    others = run(2, dataset=Dataset("AA-SFO", "version-1", "{}"), tags=tags)
    tracker.log([run(), run(1, dataset=THE_NEXT), others])
    tracker.erase("AA-DFW", [])
    with create_engine(mlflow_url, poolclass=NullPool).connect() as connection:
        names = connection.scalars(text("SELECT name FROM datasets")).all()
        inputs = connection.scalars(text("SELECT destination_id FROM inputs")).all()
        tagged = connection.scalars(text("SELECT value FROM input_tags")).all()
    assert (names, inputs, tagged) == (["AA-SFO"], [others.run_id], ["training"])


class TestOpening:
    def test_mlflow_makes_a_missing_database_without_a_word(self, tmp_path, capfd, caplog):
        tracker = open_tracker(f"sqlite:///{tmp_path}/new/mlflow.db", "flights", str(tmp_path))
        tracker.log([run()])
        assert capfd.readouterr() == ("", "")
        assert caplog.text == ""

    def test_the_experiment_is_marked_as_model_training(self, mlflow_url):
        tracker = open_tracker(mlflow_url, "flights")
        tags = MlflowClient(mlflow_url).get_experiment(tracker.experiment_id).tags
        assert tags["mlflow.experimentKind"] == "custom_model_development"

    def test_an_experiment_deleted_in_mlflow_is_named_with_the_cure(self, mlflow_url):
        tracker = open_tracker(mlflow_url, "flights")
        MlflowClient(mlflow_url).delete_experiment(tracker.experiment_id)
        with pytest.raises(UsageError, match=r"'flights' was deleted.*mlflow experiments restore"):
            open_tracker(mlflow_url, "flights")
        with pytest.raises(MachineryError, match="was deleted in MLflow"):
            tracker.log([run()])

    def test_a_database_that_does_not_answer_is_named_at_once_without_its_password(self):
        address = "postgresql+psycopg://ada:secret@127.0.0.1:1/mlflow"
        with pytest.raises(MachineryError, match=r"database .* cannot be used") as raised:
            open_tracker(address, "flights")
        assert "secret" not in str(raised.value)

    def test_a_server_that_does_not_answer_is_named_at_once(self):
        with pytest.raises(MachineryError, match="no MLflow server answers at http://"):
            open_tracker("http://127.0.0.1:1", "flights")

    @pytest.mark.parametrize("address", ["nonsense", "nosuchdatabase://x", "./mlruns"])
    def test_an_address_mlflow_cannot_use_is_refused(self, address):
        with pytest.raises(UsageError, match="cannot be used"):
            open_tracker(address, "flights")

    def test_a_file_that_is_no_database_is_named(self, tmp_path):
        (tmp_path / "mlflow.db").write_bytes(b"not a database" * 100)
        with pytest.raises(MachineryError, match="file is not a database"):
            open_tracker(f"sqlite:///{tmp_path}/mlflow.db", "flights")

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(MachineryError, match=r"cannot be made: .*File exists"):
            open_tracker(f"sqlite:///{tmp_path}/file/mlflow.db", "flights")

    @pytest.mark.postgres
    def test_a_folder_postgres_has_no_room_for_is_refused(self, mlflow_postgres_url):
        with pytest.raises(UsageError, match="is 43 characters too long"):
            open_tracker(mlflow_postgres_url, "flights", f"s3://{'b' * 195}")
