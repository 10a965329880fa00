"""The line, end to end: real flights, real Dask workers, real MLflow, on a small slice."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from orchestrator import config
from orchestrator.clusters import Cluster
from orchestrator.errors import RegistryError, UsageError
from orchestrator.estimators import Estimators
from orchestrator.ledger import Ledger
from orchestrator.mapping.dask.memory import peaks
from orchestrator.pipeline.cluster import short_of_memory
from orchestrator.pipeline.pipeline import run
from orchestrator.pipeline.plan import plan
from orchestrator.promotion.sync import Sent, sync
from orchestrator.records import Evaluation, Search
from orchestrator.registry.guards import Limits
from orchestrator.registry.importing import import_rows
from orchestrator.registry.snapshots import fetch
from orchestrator.registry.sources import InlineSource
from orchestrator.reports.status import life, standings
from tests.support.experiments import INLINE, an_experiment, champions, listing, tracked
from tests.support.rows import BUSY_ONLY, LOGISTIC, ROUTES, TREE, route

PREDICT = """
import sys, mlflow, pandas
mlflow.set_tracking_uri(sys.argv[1])
model = mlflow.pyfunc.load_model(sys.argv[2])
columns = [column.name for column in model.metadata.signature.inputs.inputs]
print(len(model.predict(pandas.DataFrame([[1.0] * len(columns)] * 3, columns=columns))))
assert not any(name.split(".")[0] in {"orchestrator", "experiments"} for name in sys.modules)
"""


@pytest.mark.slow
def test_one_command_trains_tracks_and_deploys_on_real_workers(tmp_path, mlflow_url):
    experiment = an_experiment(tmp_path, mlflow_url, cluster=Cluster(workers=2, dashboard=False))
    report = run(experiment)
    assert report.flow_run.state == "success"
    assert report.tolerated
    assert report.trials == {"success": 12, "failed": 0, "reused": 0}
    assert report.served == report.customers == len(report.promotions) == 3

    runs = tracked(mlflow_url)
    assert len(runs) == 12
    assert {r.info.status for r in runs} == {"FINISHED"}
    assert {r.data.tags["customer"] for r in runs} == {"AA-STT", "AA-SFO", "9E-BNA"}
    assert sum(r.data.tags["champion"] == "true" for r in runs) == 3
    for tracked_run in runs:
        assert {"roc_auc", "roc_auc_std", "roc_auc_fold", "fit_seconds"} <= set(
            tracked_run.data.metrics
        )
        assert tracked_run.data.tags["flow_run"] == report.flow_run.id
        assert tracked_run.data.tags["snapshot"] == report.snapshot
    assert {os.getpid()}.isdisjoint(int(r.data.tags["worker"].rpartition(":")[2]) for r in runs), (
        "trials ran on worker processes, not here"
    )

    loaded = subprocess.run(
        [sys.executable, "-I", "-c", PREDICT, mlflow_url, "models:/flights.AA-SFO@champion"],
        cwd=Path("/"),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert loaded.stdout.strip() == "3", loaded.stderr


@pytest.mark.slow
def test_results_of_a_study_of_many_candidates_come_back_from_workers(tmp_path, mlflow_url, client):
    many = {**TREE, "grid": {"ccp_alpha": [n / 1e6 for n in range(500)]}}
    experiment = an_experiment(
        tmp_path,
        mlflow_url,
        models=[many],
        customers=[{"id": "small", "data": {"rows": 30}}],
        evaluation=Evaluation(loader="tests.support.synthetic:load", folds=2),
        search=Search(placement="study"),
        cluster=Cluster(kind="remote", address=client.scheduler.address),
    )
    report = run(experiment)
    assert report.trials == {"success": 500, "failed": 0, "reused": 0}
    assert report.behind is None
    assert run(experiment).trials == {"success": 0, "failed": 0, "reused": 500}


def test_workers_that_come_near_their_limit_of_memory_are_named(client, monkeypatch):
    assert {peak.worker for peak in peaks(client)} == set(client.nthreads())
    assert all(50 * 2**20 < peak.used < peak.limit for peak in peaks(client))
    monkeypatch.setattr("orchestrator.pipeline.cluster._TIGHT", 0.0)
    for note, worker in zip(short_of_memory(client), sorted(client.nthreads()), strict=True):
        assert note.startswith(f"worker {worker} has used up to 0.")


def test_models_go_to_a_tracking_server_and_load_from_it(tmp_path, mlflow_server, monkeypatch):
    """As configured by its address alone: the server keeps the files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    lists = {"models": [TREE], "customers": ROUTES[:1]}
    settings = {
        "experiment": "served",
        "registry": {"source": "inline", **lists},
        "evaluation": {"loader": "experiments.flights:load"},
        "cluster": {"kind": "inline"},
        "tracking": {"uri": mlflow_server},
    }
    Path("orchestrator.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    report = run(config.load(Path("orchestrator.yaml")))
    assert report.behind is None
    assert [p.deployed.model_name for p in report.promotions] == ["served.AA-STT"]
    assert not list(tmp_path.rglob("artifacts")), "nothing was written beside the server"
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", PREDICT, mlflow_server, "models:/served.AA-STT@champion"],
        cwd=Path("/"),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert loaded.stdout.strip() == "3", loaded.stderr


def test_a_run_in_which_nothing_changed_trains_and_writes_nothing(tmp_path, mlflow_url):
    experiment = an_experiment(tmp_path, mlflow_url)
    first = run(experiment)
    before = {r.info.run_id: r.to_dictionary() for r in tracked(mlflow_url)}
    planned = plan(experiment)
    assert (planned.studies, planned.reused, planned.trials) == (6, 6, 0)
    second = run(experiment)
    assert second.trials == {"success": 0, "failed": 0, "reused": 12}
    assert second.promotions == ()
    assert {r.info.run_id: r.to_dictionary() for r in tracked(mlflow_url)} == before
    assert len(first.promotions) == 3


def test_fresh_trains_again_what_is_recorded(tmp_path, mlflow_url):
    experiment = an_experiment(tmp_path, mlflow_url, customers=ROUTES[:1])
    run(experiment)
    assert run(experiment, fresh=True).trials == {"success": 4, "failed": 0, "reused": 0}
    assert len(tracked(mlflow_url)) == 8


def test_a_removed_customer_keeps_history_and_model_which_is_retired(tmp_path, mlflow_url):
    experiment = an_experiment(tmp_path, mlflow_url)
    run(experiment)
    report = run(listing(experiment, customers=[*ROUTES[1:], route("DL", "SAT")]))
    assert report.changes.customers.removed == ("AA-STT",)
    assert report.changes.customers.added == ("DL-SAT",)
    assert report.trials == {"success": 4, "failed": 0, "reused": 8}
    assert [p.decision.customer.id for p in report.promotions] == ["DL-SAT"]

    client = MlflowClient(tracking_uri=mlflow_url)
    states = {m.tags["customer"]: m.tags["state"] for m in client.search_registered_models()}
    assert states == {"AA-STT": "retired", "AA-SFO": "live", "9E-BNA": "live", "DL-SAT": "live"}
    assert client.get_model_version_by_alias("flights.AA-STT", "champion").version

    with Ledger.open(experiment.ledger) as ledger:
        past = life(ledger, "AA-STT")
        standing = {s.customer: s.state for s in standings(ledger)}
    assert [period.event for period in past.periods] == ["added", "removed"]
    assert [of_run.trials for of_run in past.flow_runs] == [4]
    assert len(past.promotions) == 1
    assert standing["AA-STT"] == "removed"


def test_a_customer_that_comes_back_is_live_again(tmp_path, mlflow_url):
    experiment = an_experiment(tmp_path, mlflow_url, customers=ROUTES[:2])
    run(experiment)
    run(listing(experiment, customers=ROUTES[1:2]))
    report = run(listing(experiment, customers=ROUTES[:2]))
    assert report.changes.customers.restored == ("AA-STT",)
    assert report.trials["success"] == 0
    client = MlflowClient(tracking_uri=mlflow_url)
    assert client.get_registered_model("flights.AA-STT").tags["state"] == "live"


def test_a_champion_whose_model_left_keeps_serving_until_it_is_beaten(tmp_path, mlflow_url):
    experiment = an_experiment(tmp_path, mlflow_url, customers=ROUTES[:1])
    run(experiment)
    winner = champions(experiment)["AA-STT"][0]
    loser = [model for model in (LOGISTIC, TREE) if model["id"] != winner]
    report = run(listing(experiment, models=loser, customers=ROUTES[:1]))
    assert report.promotions == ()
    assert champions(experiment)["AA-STT"][0] == winner
    with Ledger.open(experiment.ledger) as ledger:
        assert [s.model_listed for s in standings(ledger)] == [False]


def test_a_better_model_replaces_the_champion_which_becomes_previous(tmp_path, mlflow_url):
    stump = {**TREE, "id": "stump", "grid": {"max_depth": [1]}}
    experiment = an_experiment(tmp_path, mlflow_url, models=[stump], customers=ROUTES[:1])
    run(experiment)
    report = run(listing(experiment, models=[stump, LOGISTIC], customers=ROUTES[:1]))
    assert [p.deployed.version for p in report.promotions] == ["2"]
    assert report.promotions[0].deployed.previous_version == "1"
    client = MlflowClient(tracking_uri=mlflow_url)
    aliases = client.get_registered_model("flights.AA-STT").aliases
    assert {alias: int(version) for alias, version in aliases.items()} == {
        "champion": 2,
        "previous": 1,
    }
    by_model = {
        r.data.tags["model"]: r.data.tags["champion"]
        for r in tracked(mlflow_url)
        if r.data.tags["model"] == "stump" or r.data.tags["champion"] == "true"
    }
    assert by_model == {"stump": "false", "logistic": "true"}
    with Ledger.open(experiment.ledger) as ledger:
        beaten, winner = (life(ledger, model).promotions for model in ("stump", "logistic"))
    assert [p.deployed.version for p in beaten] == ["1"], "what it once was stays told"
    assert [p.deployed.version for p in winner] == ["2"]


def test_an_id_that_a_customer_and_a_model_share_has_two_lives(tmp_path, mlflow_url):
    namesake = {**TREE, "id": "AA-STT"}
    experiment = an_experiment(tmp_path, mlflow_url, models=[namesake], customers=ROUTES[:1])
    run(experiment)
    with Ledger.open(experiment.ledger) as ledger:
        assert life(ledger, "AA-STT").kind == "customer"
        assert life(ledger, "AA-STT", "customer").kind == "customer"
        assert life(ledger, "AA-STT", "model").kind == "model"
        with pytest.raises(UsageError, match="no model '9E-BNA' has ever been listed"):
            life(ledger, "9E-BNA", "model")


def test_a_paused_customer_is_not_trained_and_keeps_its_model(tmp_path, mlflow_url):
    experiment = an_experiment(tmp_path, mlflow_url, customers=ROUTES[:2])
    run(experiment)
    paused = [{**ROUTES[0], "active": False}, ROUTES[1]]
    report = run(listing(experiment, customers=paused))
    assert report.changes.customers.paused == ("AA-STT",)
    assert report.customers == 1
    client = MlflowClient(tracking_uri=mlflow_url)
    assert client.get_registered_model("flights.AA-STT").tags["state"] == "live"


def test_a_model_is_skipped_for_customers_with_too_few_rows(tmp_path, mlflow_url):
    experiment = an_experiment(tmp_path, mlflow_url, models=[TREE, BUSY_ONLY], customers=ROUTES[:1])
    report = run(experiment)
    assert report.studies == {"success": 1, "skipped": 1}
    assert report.tolerated


def test_a_candidate_that_cannot_be_fitted_fails_alone_with_its_reason(tmp_path, mlflow_url):
    broken = {**LOGISTIC, "id": "broken", "grid": {"classifier__C": [-1.0, 1.0]}}
    experiment = an_experiment(tmp_path, mlflow_url, models=[broken, TREE], customers=ROUTES[:1])
    report = run(experiment)
    assert report.trials == {"success": 3, "failed": 1, "reused": 0}
    assert not report.tolerated
    assert [failure.count for failure in report.failures] == [1]
    assert "'C' parameter" in report.failures[0].reason
    failed = [r for r in tracked(mlflow_url) if r.info.status == "FAILED"]
    assert [r.data.tags["model"] for r in failed] == ["broken"]
    assert run(dataclasses.replace(experiment, tolerance=0.5), fresh=True).tolerated


def test_data_that_cannot_be_loaded_fails_that_customer_alone_and_is_seen(tmp_path, mlflow_url):
    customers = [ROUTES[0], route("AA", "NOWHERE")]
    experiment = an_experiment(tmp_path, mlflow_url, customers=customers)
    report = run(experiment)
    assert report.trials == {"success": 4, "failed": 2, "reused": 0}
    assert report.served == 1
    assert "no flights of AA to NOWHERE" in report.failures[0].reason
    failed = [r for r in tracked(mlflow_url) if r.info.status == "FAILED"]
    assert {r.data.tags["customer"] for r in failed} == {"AA-NOWHERE"}
    assert run(experiment).trials["failed"] == 2, "a failure is no recorded success"


FOREST = {
    "id": "forest",
    "estimator": "sklearn.ensemble:RandomForestClassifier",
    "params": {"n_estimators": 5},
    "grid": {"max_depth": [1, 2, 3, 4, 5, 6], "min_samples_leaf": [1, 2, 3]},
}


@pytest.mark.slow
def test_the_same_seed_gives_the_same_everywhere_and_another_seed_another(tmp_path, mlflow_url):
    def found(name, cluster=INLINE, seed=0):
        folder = tmp_path / name
        folder.mkdir()
        experiment = an_experiment(
            folder,
            mlflow_url,
            name=name,
            models=[LOGISTIC, FOREST],
            customers=ROUTES[:1],
            search=Search(strategy="random", settings={"n_trials": 3}),
            evaluation=Evaluation(loader="experiments.flights:load", seed=seed),
            cluster=cluster,
        )
        report = run(experiment)
        return drawn(experiment, report.flow_run.id), champions(experiment)

    first = found("inline")
    assert found("one", Cluster(workers=1, dashboard=False)) == first
    assert found("two", Cluster(workers=2, dashboard=False)) == first
    other = found("other", seed=1)
    assert {params for params, _ in other[0].values()} != {
        params for params, _ in first[0].values()
    }
    assert {scores for _, scores in other[0].values()} != {
        scores for _, scores in first[0].values()
    }


def drawn(experiment, flow_run):
    """What was tried in a flow run, and how it scored, by the trial's key."""
    with Ledger.open(experiment.ledger) as ledger:
        return {
            t.result.trial.key: (str(dict(t.result.trial.params)), str(t.result.scores))
            for t in ledger.trials.of_run(flow_run)
        }


@pytest.mark.postgres
def test_registry_ledger_and_mlflow_on_postgresql(tmp_path, mlflow_postgres_url, postgres_url):
    lists = fetch(
        InlineSource(models=[LOGISTIC, TREE], customers=ROUTES), estimators=Estimators(("sklearn",))
    )
    import_rows(postgres_url, lists.models, lists.customers)
    experiment = an_experiment(
        tmp_path,
        mlflow_postgres_url,
        registry={"source": "sql", "url": postgres_url},
        ledger=postgres_url,
    )
    report = run(experiment)
    assert report.trials == {"success": 12, "failed": 0, "reused": 0}
    assert len(tracked(mlflow_postgres_url)) == 12
    assert run(experiment).trials == {"success": 0, "failed": 0, "reused": 12}
    assert len(champions(experiment)) == 3


def test_a_plan_writes_nothing(tmp_path, mlflow_url):
    experiment = an_experiment(tmp_path, mlflow_url)
    planned = plan(experiment)
    assert (planned.customers, planned.studies, planned.trials) == (3, 6, 12)
    assert planned.changes.customers.added == ("9E-BNA", "AA-SFO", "AA-STT")
    with Ledger.open(experiment.ledger) as ledger:
        assert ledger.snapshots.latest() is None
        assert ledger.flow_runs.list() == []


def test_many_customers_vanishing_at_once_is_refused_and_changes_nothing(tmp_path, mlflow_url):
    experiment = an_experiment(tmp_path, mlflow_url, customers=ROUTES[:2], limits=Limits())
    run(experiment)
    fewer = listing(experiment, customers=ROUTES[:1])
    with pytest.raises(RegistryError, match="max_removed"):
        run(fewer)
    with Ledger.open(experiment.ledger) as ledger:
        assert {s.state for s in standings(ledger)} == {"active"}
    assert run(fewer, accept=["max_removed"]).changes.customers.removed == ("AA-SFO",)


def test_another_experiments_ledger_is_refused_before_anything_is_touched(tmp_path, mlflow_url):
    """Its customers would be taken for removed ones."""
    experiment = an_experiment(tmp_path, mlflow_url, customers=ROUTES[:1])
    run(experiment)
    other = dataclasses.replace(experiment, name="churn")
    for attempt in (run, plan, sync):
        with pytest.raises(UsageError, match="belongs to experiment 'flights', not 'churn'"):
            attempt(other)
    with Ledger.open(experiment.ledger) as ledger:
        assert [s.state for s in standings(ledger)] == ["active"]


def test_sync_has_nothing_to_send_after_a_run(tmp_path, mlflow_url):
    experiment = an_experiment(tmp_path, mlflow_url, customers=ROUTES[:1])
    run(experiment)
    assert sync(experiment) == Sent(trials=0, promotions=0)
