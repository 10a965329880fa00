"""What a run would do and why, before it is done: nothing is written, and it is what happens."""

import dataclasses
import json

import pytest
from mlflow import MlflowClient

from orchestrator.errors import ConfigError, RegistryError, UsageError
from orchestrator.ledger import Ledger, compare
from orchestrator.pipeline.explanation import why
from orchestrator.pipeline.pipeline import run
from orchestrator.pipeline.plan import plan
from orchestrator.records import Evaluation, Search
from orchestrator.registry.guards import Limits
from orchestrator.reports.status import life
from orchestrator.training import fingerprint
from tests.support.experiments import an_experiment, listing, tracked
from tests.support.rows import BUSY_ONLY, LOGISTIC, ROUTES, TREE, route

DEEPER = {**TREE, "grid": {"max_depth": [2, 6]}}
TWO_AT_RANDOM = Search(strategy="random", settings={"n_trials": 2})
SYNTHETIC = Evaluation(loader="tests.support.synthetic:load")
BROKEN = Evaluation(loader="tests.support.planning_loader:broken")


@pytest.fixture
def trained(tmp_path, mlflow_url):
    """Two customers and one model, trained once."""
    experiment = an_experiment(tmp_path, mlflow_url, models=[TREE], customers=ROUTES[:2])
    run(experiment)
    return experiment


def changed(experiment, **evaluation):
    return dataclasses.replace(
        experiment, evaluation=dataclasses.replace(experiment.evaluation, **evaluation)
    )


def test_not_even_an_empty_ledger_is_left_behind(tmp_path, mlflow_url):
    experiment = an_experiment(tmp_path, mlflow_url, ledger=f"sqlite:///{tmp_path}/new/ledger.db")
    assert plan(experiment).reasons == {"new": 6}
    with pytest.raises(UsageError, match="is or was ever listed"):
        why(experiment, "nobody")
    assert why(experiment, "AA-STT").champion is None
    assert not (tmp_path / "new").exists()


@pytest.mark.postgres
def test_a_refused_run_makes_nothing_in_mlflow(tmp_path, mlflow_url):
    few = Limits(max_trials=1)
    experiment = dataclasses.replace(an_experiment(tmp_path, mlflow_url), limits=few)
    with pytest.raises(RegistryError, match="max_trials"):
        run(experiment)
    assert MlflowClient(mlflow_url).get_experiment_by_name(experiment.name) is None


def test_nor_are_tables_on_postgresql(tmp_path, mlflow_url, postgres_url):
    import psycopg  # late: only with PostgreSQL

    assert plan(an_experiment(tmp_path, mlflow_url, ledger=postgres_url)).reasons == {"new": 6}
    with psycopg.connect(postgres_url) as connection:
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'ledger%'")
        assert tables.fetchone() == (0,)


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("grid", lambda e: listing(e, models=[DEEPER], customers=ROUTES[:2])),
        (
            "params",
            lambda e: listing(
                e, models=[{**TREE, "params": {"criterion": "entropy"}}], customers=ROUTES[:2]
            ),
        ),
        (
            "data",
            lambda e: listing(
                e, models=[TREE], customers=[{**each, "tags": ["vip"]} for each in ROUTES[:2]]
            ),
        ),
        ("folds", lambda e: changed(e, folds=4)),
        ("search", lambda e: dataclasses.replace(e, search=TWO_AT_RANDOM)),
        ("code", lambda e: changed(e, loader="tests.support.planning_loader:load")),
    ],
)  # fmt: skip
def test_the_part_that_changed_is_told(trained, reason, change):
    reasons = plan(change(trained)).reasons
    told = {part for parts in reasons for part in parts.split(", ")}
    assert reason in told
    assert sum(reasons.values()) == 2


def test_a_changed_field_is_told_with_both_values(trained):
    (field,) = plan(listing(trained, models=[DEEPER], customers=ROUTES[:2])).changes.models.changed
    assert (field.key, field.field) == ("tree", "grid")
    assert field.old[0]["max_depth"] == [2, 4]
    assert field.new[0]["max_depth"] == [2, 6]


def test_models_and_groups_of_customers_have_their_shares(trained):
    customers = [*ROUTES[:2], route("DL", "SAT")]
    planned = plan(listing(trained, models=[LOGISTIC, TREE], customers=customers))
    by_model = {s.name: (s.customers, s.reused, s.trials) for s in planned.by_model}
    assert by_model == {"logistic": (3, 0, 6), "tree": (3, 2, 2)}
    by_group = {s.name: (s.customers, s.reused, s.trials) for s in planned.by_group}
    assert by_group == {"added": (1, 0, 4), "unchanged": (2, 2, 4)}
    assert planned.writes["MLflow runs"] == planned.trials == 8
    assert planned.writes["model versions"] == 3
    assert planned.writes["periods of customers and models"] == 2
    assert planned.estimate.fits > 0
    assert planned.estimate.cores == 1
    assert planned.estimate.duration > planned.estimate.fits


def test_a_study_that_failed_as_a_whole_never_succeeded(tmp_path, mlflow_url):
    nowhere = [route("AA", "NOWHERE")]
    experiment = an_experiment(
        tmp_path, mlflow_url, models=[TREE], customers=nowhere, evaluation=BROKEN
    )
    run(experiment)
    assert plan(experiment).reasons == {"never succeeded": 1}
    (told,) = life_of(experiment, "AA-NOWHERE").flow_runs
    assert told.failed == 1
    assert "cannot be loaded" in told.failure


def life_of(experiment, key):
    with Ledger.open(experiment.ledger) as ledger:
        return life(ledger, key)


def test_too_few_rows_are_known_the_next_time(tmp_path, mlflow_url):
    experiment = an_experiment(tmp_path, mlflow_url, models=[BUSY_ONLY, TREE], customers=ROUTES[:1])
    run(experiment)
    assert plan(experiment).reasons == {}
    assert run(experiment).studies == {"cached": 1, "skipped": 1}
    reasons = {study.model: study.reason for study in why(experiment, "AA-STT").studies}
    assert "fewer than 5000 rows" in reasons["busy-tree"]


def test_data_without_a_version_is_loaded_and_only_its_fits_are_saved(tmp_path, mlflow_url):
    experiment = an_experiment(
        tmp_path, mlflow_url, models=[TREE], customers=[{"id": "acme"}], evaluation=SYNTHETIC
    )
    assert run(experiment).trials == {"success": 2, "failed": 0, "reused": 0}
    assert plan(experiment).reasons == {"unversioned": 1}
    assert run(experiment).trials == {"success": 0, "failed": 0, "reused": 2}
    other = [{"id": "acme", "data": {"seed": 5}}]
    report = run(listing(experiment, models=[TREE], customers=other))
    assert report.trials == {"success": 2, "failed": 0, "reused": 0}


def test_another_library_is_told_and_trains_again_only_where_that_is_asked_for(
    trained, monkeypatch
):
    monkeypatch.setattr(fingerprint, "environment", lambda _model: "scikit-learn 9.9")
    monkeypatch.setattr("orchestrator.pipeline.notes.environment", fingerprint.environment)
    planned = plan(trained)
    assert planned.trials == 0
    assert "this is scikit-learn 9.9" in planned.notes[0]
    assert "this is scikit-learn 9.9" in run(trained).notes[-1]
    strict = dataclasses.replace(trained, retrain_on="environment")
    assert plan(strict).reasons == {"environment": 2}


def test_one_customer_is_explained(trained):
    told = why(listing(trained, models=[TREE, LOGISTIC], customers=ROUTES[:2]), "AA-STT")
    actions = {study.model: (study.action, study.reason) for study in told.studies}
    assert actions["tree"][0] == "reuse"
    assert actions["logistic"] == ("train", "new")
    assert told.champion.result.trial.study.model.id == "tree"
    assert told.decision == "known once 1 of 2 studies are trained"
    assert why(trained, "AA-STT").decision == "nothing would change: unchanged"


def test_whoever_is_not_trained_is_told_why(trained):
    customers = [{**ROUTES[0], "active": False}]
    changed_list = listing(trained, models=[TREE], customers=customers)
    assert why(changed_list, "AA-STT").state == "paused"
    gone = why(changed_list, "AA-SFO")
    assert gone.state == "removed"
    assert gone.champion is not None
    bad = listing(trained, models=[TREE], customers=[*ROUTES[:1], {"id": "AA-SFO", "colour": 1}])
    assert "colour" in why(bad, "AA-SFO").note
    tagged = listing(
        trained, models=[TREE, {**LOGISTIC, "when": {"tags": ["vip"]}}], customers=ROUTES[:2]
    )
    left = [s for s in why(tagged, "AA-STT").studies if s.action == "leave"]
    assert [study.reason for study in left] == ["it is for customers with the tag vip"]


def test_an_id_like_that_of_a_customer_removed_long_ago_is_refused(trained):
    run(listing(trained, models=[TREE], customers=ROUTES[:1]))
    returns = [ROUTES[0], {**ROUTES[1], "id": "aa-sfo"}]
    changed_list = listing(trained, models=[TREE], customers=returns)
    assert "similar_ids" in plan(changed_list).refusals
    with pytest.raises(RegistryError, match="'aa-sfo' and 'AA-SFO'") as refused:
        run(changed_list)
    assert refused.value.exit_code == 3


def test_only_trials_that_would_be_made_count_as_too_many(trained):
    small = dataclasses.replace(trained, limits=Limits(max_trials=3))
    assert plan(small).refusals == {}
    assert run(small).trials["success"] == 0
    with pytest.raises(RegistryError, match="max_trials"):
        run(small, fresh=True)


def test_a_run_without_news_writes_nothing_to_mlflow(trained):
    database = trained.tracking.removeprefix("sqlite:///")
    before = dump(database)
    runs = len(tracked(trained.tracking))
    run(trained)
    assert dump(database) == before
    assert len(tracked(trained.tracking)) == runs


def dump(database):
    import sqlite3  # late: one test looks into the file

    with sqlite3.connect(database) as connection:
        found = list(connection.iterdump())
    connection.close()
    return found


def test_two_snapshots_are_compared(trained):
    run(listing(trained, models=[DEEPER], customers=ROUTES[:1]))
    with Ledger.open(trained.ledger) as ledger:
        after, before = (ledger.snapshots.get(f.snapshot) for f in ledger.snapshots.list())
    changes = compare(before, after)
    assert changes.customers.removed == ("AA-SFO",)
    assert [change.field for change in changes.models.changed] == ["grid"]
    assert json.dumps(dataclasses.asdict(compare(after, before)))
    assert compare(after, before).customers.added == ("AA-SFO",)


def test_a_model_that_a_metric_cannot_score_is_refused_with_file_and_key(tmp_path, mlflow_url):
    svm = {"id": "svm", "estimator": "sklearn.svm:LinearSVC"}
    experiment = an_experiment(tmp_path, mlflow_url, models=[svm], customers=ROUTES[:1])
    by_probability = dataclasses.replace(
        experiment.evaluation, metrics=("neg_log_loss",), metric="neg_log_loss"
    )
    refused = dataclasses.replace(experiment, evaluation=by_probability, config="c.yaml")
    needs = "c.yaml: evaluation.metrics: neg_log_loss needs predict_proba, which model 'svm'"
    for planned in (plan, run):
        with pytest.raises(ConfigError, match=needs):
            planned(refused)


def test_a_grid_over_a_range_without_end_is_refused_with_file_and_key(tmp_path, mlflow_url):
    """Only what is searched and how, together, are wrong: neither the row nor the setting is."""
    ranged = {**TREE, "grid": {"max_features": {"float": [0.1, 1.0]}}}
    experiment = an_experiment(tmp_path, mlflow_url, models=[ranged])
    experiment = dataclasses.replace(experiment, config="tuning.yaml")
    with pytest.raises(ConfigError, match=r"^tuning.yaml: search.strategy: .*/tree' has no end"):
        plan(experiment)


def test_a_model_that_counts_no_iterations_cannot_have_them_rationed(tmp_path, mlflow_url):
    search = Search(strategy="halving", settings={"resource": "iterations"})
    without_limit = {"id": "svm", "estimator": "sklearn.svm:SVC"}  # its max_iter is -1
    for model in (TREE, without_limit):
        experiment = an_experiment(tmp_path, mlflow_url, models=[LOGISTIC, model], search=search)
        told = f"search.resource: model '{model['id']}' has no number of iter"
        with pytest.raises(ConfigError, match=told):
            plan(experiment)
