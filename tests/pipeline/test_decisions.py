"""Decisions over several flow runs: who is compared with whom, and what is deployed of it."""

import dataclasses
from contextlib import contextmanager

import pytest
from mlflow import MlflowClient

from orchestrator.errors import MachineryError
from orchestrator.ledger import Ledger
from orchestrator.pipeline.pipeline import run
from orchestrator.promotion.outbox import Outbox
from orchestrator.promotion.sync import Sent, sync
from orchestrator.selection import Gate
from tests.support.experiments import an_experiment, champions, listing
from tests.support.rows import LOGISTIC, ROUTES, STUMP, TREE

ONE = ROUTES[:1]


@contextmanager
def mlflow_away():
    """MLflow's registered models fail for as long as the context lasts."""

    def failing(*_):
        raise MachineryError("MLflow is away")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Outbox, "_register", failing)
        yield


def test_what_was_decided_is_what_the_next_run_has_to_beat(tmp_path, mlflow_url):
    """Run B promotes logistic while MLflow is away; run C, under a strict gate, keeps it."""
    experiment = an_experiment(tmp_path, mlflow_url, models=[STUMP], customers=ONE)
    run(experiment)
    with mlflow_away():
        better = listing(experiment, models=[STUMP, LOGISTIC], customers=ONE)
        assert run(better).behind
    assert champions(experiment)["AA-STT"][0] == "stump"
    strict = dataclasses.replace(
        listing(experiment, models=[STUMP], customers=ONE), gate=Gate(min_absolute_change=0.9)
    )
    report = run(strict)
    assert [p.decision.best.trial.study.model.id for p in report.promotions] == ["logistic"]
    assert champions(experiment)["AA-STT"][0] == "logistic"


def test_a_promotion_that_mlflow_missed_is_sent_by_sync(tmp_path, mlflow_url):
    experiment = an_experiment(tmp_path, mlflow_url, models=[STUMP], customers=ONE)
    with mlflow_away():
        assert "sync" in run(experiment).behind
    assert champions(experiment) == {}
    assert sync(experiment) == Sent(trials=0, promotions=1)
    assert champions(experiment)["AA-STT"][0] == "stump"
    assert sync(experiment) == Sent(trials=0, promotions=0)


def test_a_champion_is_scored_by_its_own_parameters_not_the_customers_grid(tmp_path, mlflow_url):
    """The tree left the list; the customer's own grid for it says other depths."""
    experiment = an_experiment(tmp_path, mlflow_url, models=[TREE], customers=ONE)
    run(experiment)
    before = champions(experiment)["AA-STT"]
    own_grid = [{**ROUTES[0], "grids": {"tree": {"max_depth": [7, 8]}}}]
    new_folds = dataclasses.replace(
        listing(experiment, models=[STUMP], customers=own_grid),
        evaluation=dataclasses.replace(experiment.evaluation, seed=1),
    )
    run(new_folds)
    with Ledger.open(experiment.ledger) as ledger:
        rescored = [
            trial.result.trial
            for trial in ledger.trials.of_customer("AA-STT")
            if trial.result.trial.study.champion
        ]
    assert [dict(trial.params) for trial in rescored] == [before[1]]


def test_a_name_somebody_else_took_blocks_that_customer_alone(tmp_path, mlflow_url):
    MlflowClient(tracking_uri=mlflow_url).create_registered_model("flights.AA-SFO")
    experiment = an_experiment(tmp_path, mlflow_url)
    report = run(experiment)
    assert set(champions(experiment)) == {"AA-STT", "9E-BNA"}
    assert any("'AA-SFO' is not served" in note for note in report.notes)
    assert not report.tolerated


def test_fresh_results_replace_the_recorded_ones(tmp_path, mlflow_url):
    experiment = an_experiment(tmp_path, mlflow_url, customers=ONE)
    run(experiment)
    again = run(experiment, fresh=True)
    assert run(experiment).trials == {"success": 0, "failed": 0, "reused": 4}
    with Ledger.open(experiment.ledger) as ledger:
        last = ledger.flow_runs.list(1)[0].id
        recalled = {o.result.trial.study.flow_run for o in ledger.trials.of_run(again.flow_run.id)}
    assert recalled == {again.flow_run.id}
    assert last != again.flow_run.id


def test_a_recorded_failure_is_still_a_failure(tmp_path, mlflow_url):
    broken = {**LOGISTIC, "grid": {"classifier__C": [-1.0, 1.0]}}
    experiment = an_experiment(tmp_path, mlflow_url, models=[broken], customers=ONE)
    first, second = run(experiment), run(experiment)
    assert first.trials == {"success": 1, "failed": 1, "reused": 0}
    assert second.trials == {"success": 0, "failed": 1, "reused": 1}
    assert not second.tolerated
    assert second.failures == first.failures


def test_costs_of_today_break_ties_between_recorded_scores(tmp_path, mlflow_url):
    """Nothing reached the threshold at first; then costs change, and it is gone."""
    twin = {**TREE, "params": {"random_state": 0}}
    first = [{**twin, "id": "a", "cost": 1}, {**twin, "id": "b", "cost": 2}]
    experiment = an_experiment(
        tmp_path, mlflow_url, models=first, customers=ONE, gate=Gate(threshold=1.0)
    )
    assert run(experiment).promotions == ()
    second = [{**twin, "id": "a", "cost": 9}, {**twin, "id": "b", "cost": 2}]
    report = run(
        dataclasses.replace(listing(experiment, models=second, customers=ONE), gate=Gate())
    )
    assert report.trials["reused"] == 4
    assert champions(experiment)["AA-STT"][0] == "b"


def test_one_model_that_cannot_be_written_harms_no_other_customer(tmp_path, mlflow_url):
    experiment = an_experiment(tmp_path, mlflow_url, models=[STUMP], customers=ROUTES[:2])
    (tmp_path / "artifacts").write_text("a file where the folder of models should be")
    report = run(experiment)
    assert not report.tolerated
    assert report.promotions == ()
    (tmp_path / "artifacts").unlink()
    report = run(experiment)
    assert {p.decision.customer.id for p in report.promotions} == {"AA-STT", "AA-SFO"}
    assert report.tolerated
