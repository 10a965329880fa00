"""What a plan promises the run keeps: champions scored again, models that left, versions."""

import dataclasses
import json

import pytest

from orchestrator.cli.rendering.differences import show_set_aside
from orchestrator.cli.rendering.reports import life_as_json, show_life
from orchestrator.errors import RegistryError, UsageError
from orchestrator.ledger import Ledger
from orchestrator.maintenance.removal import forget
from orchestrator.pipeline.clearance import Clearance
from orchestrator.pipeline.explanation import why
from orchestrator.pipeline.notes import notes
from orchestrator.pipeline.pipeline import run
from orchestrator.pipeline.plan import plan
from orchestrator.pipeline.preparation import prepare
from orchestrator.pipeline.resolution import resolve
from orchestrator.records import Evaluation, Rejected
from orchestrator.registry.guards import Limits
from orchestrator.reports.status import life
from orchestrator.selection import Gate
from tests.support.experiments import an_experiment, champions, listing
from tests.support.rows import LOGISTIC, TREE
from tests.support.web_service import WebService

VERSIONED = Evaluation(loader="tests.support.versioned_loader:fetch")


@pytest.fixture
def service(tmp_path):
    """What the loader asks for versions; without this file it is down."""
    file = tmp_path / "service"
    file.touch()
    return file


@pytest.fixture
def customers(service):
    def customers(*versions, **fields):
        return [
            {"id": id_, "data": {"seed": 1, "version": version, "service": str(service)}, **fields}
            for id_, version in zip(("acme", "zen"), versions, strict=True)
        ]

    return customers


@pytest.fixture
def served_by_logistic(tmp_path, mlflow_url, customers):
    """Two customers, both served by a model that another list no longer has."""
    experiment = an_experiment(
        tmp_path, mlflow_url, models=[LOGISTIC], customers=customers("1", "1"), evaluation=VERSIONED
    )
    run(experiment)
    return experiment


def test_a_champion_that_is_no_candidate_is_planned_to_be_scored_again(
    served_by_logistic, customers
):
    changed = listing(served_by_logistic, models=[TREE], customers=customers("2", "1"))
    planned = plan(changed)
    assert (planned.trials, planned.rescored) == (4, 1)
    assert planned.writes["MLflow runs"] == 5
    report = run(changed)
    assert report.trials["success"] == 5
    assert plan(changed).writes["MLflow runs"] == 0


def test_a_champion_that_is_no_candidate_and_stays_is_fitted_on_its_new_data(
    served_by_logistic, customers
):
    """No candidate passes the gate, so none can stand in for the champion either."""
    changed = listing(served_by_logistic, models=[TREE], customers=customers("2", "1"))
    report = run(dataclasses.replace(changed, gate=Gate(min_absolute_change=2.0)))
    (promoted,) = report.promotions
    assert promoted.decision.best.trial.study.model.id == "logistic"
    assert "fitted on new data" in promoted.decision.reason


def test_a_champion_among_the_candidates_is_not(served_by_logistic, customers):
    assert plan(listing(served_by_logistic, customers=customers("2", "2"))).rescored == 0
    other_grid = {**LOGISTIC, "grid": {"classifier__C": [7.0]}}
    changed = listing(served_by_logistic, models=[other_grid], customers=customers("2", "2"))
    assert plan(changed).rescored == 2


def test_scoring_again_counts_as_a_trial_for_the_guard(served_by_logistic, customers):
    changed = listing(served_by_logistic, models=[TREE], customers=customers("2", "2"))
    four = dataclasses.replace(changed, limits=Limits(max_trials=4))
    with pytest.raises(RegistryError, match="would make 6 trials"):
        run(four)
    assert "max_trials" in plan(four).refusals


def test_a_model_that_left_and_serves_is_flagged_by_the_plan_as_by_the_run(
    served_by_logistic, customers
):
    changed = listing(served_by_logistic, models=[TREE], customers=customers("1", "1"))
    flagged = "model 'logistic' left the registry and still serves 2 customers"
    assert flagged in plan(changed).notes[0]
    assert flagged in run(changed).notes[0]


def test_customers_that_no_model_is_meant_for_are_told(served_by_logistic, customers):
    for_others = {**LOGISTIC, "when": {"tags": ["vip"]}}
    changed = listing(served_by_logistic, models=[for_others], customers=customers("1", "1"))
    told = "no listed model is meant for 2 customers, such as 'acme'"
    assert told in plan(changed).notes[0]
    assert told in run(changed).notes[0]
    assert set(champions(changed)) == {"acme", "zen"}


def test_a_flow_run_that_goes_on_tells_that_data_has_changed(served_by_logistic, service):
    with Ledger.open(served_by_logistic.ledger) as ledger:
        begun = ledger.flow_runs.get("latest")
        service.write_text("changed meanwhile")
        snapshot = ledger.snapshots.get(begun.origin.snapshot)
        resolved = resolve(served_by_logistic, Clearance(served_by_logistic))
        prepared = prepare(resolved, ledger, snapshot, flow_run=begun.id)
        (told,) = notes(ledger, prepared, {})
    assert prepared.new == (), "what had ended is as it was then"
    assert "the data of 2 customers, such as 'acme', changed after studies of this" in told


def test_a_version_that_fails_for_a_moment_trains_nothing_and_is_told(served_by_logistic, service):
    service.unlink()
    planned = plan(served_by_logistic)
    assert (planned.trials, planned.reasons) == (0, {})
    told = "the version of the data of 2 customers cannot be had"
    assert told in planned.notes[0]
    assert (
        "'acme', `version` beside loader tests.support.versioned_loader:fetch raised"
        in planned.notes[0]
    )
    explained = why(served_by_logistic, "acme")
    assert "ConnectionError: the service is down" in explained.note
    report = run(served_by_logistic)
    assert report.trials["success"] == 0
    assert not report.tolerated
    assert [failure.count for failure in report.failures] == [2]
    assert told in report.notes[0]
    service.touch()
    assert plan(served_by_logistic).trials == 0
    again = run(served_by_logistic)
    assert (again.trials["success"], again.tolerated) == (0, True)


def test_a_version_that_is_no_text_stops_its_customer_alone(served_by_logistic, customers):
    changed = listing(served_by_logistic, models=[LOGISTIC], customers=customers(7, "1"))
    assert "returned 7; return a text that changes with the data" in plan(changed).notes[0]
    report = run(changed)
    assert report.trials["reused"] == 2
    assert [failure.first for failure in report.failures] == ["choose acme"]


def test_without_a_version_what_is_known_to_have_changed_is_told(tmp_path, mlflow_url):
    unversioned = an_experiment(
        tmp_path,
        mlflow_url,
        models=[TREE],
        customers=[{"id": "acme"}],
        evaluation=Evaluation(loader="tests.support.synthetic:load"),
    )
    run(unversioned)
    assert plan(unversioned).reasons == {"unversioned": 1}
    deeper = {**TREE, "grid": {"max_depth": [2, 6]}}
    changed = listing(unversioned, models=[deeper], customers=[{"id": "acme"}])
    assert plan(changed).reasons == {"grid": 1}


@pytest.fixture
def web_service():
    service = WebService()
    yield service
    service.close()


def test_a_plan_leaves_no_copies_of_a_web_service_and_forgetting_drops_them(
    tmp_path, mlflow_url, web_service
):
    def answering(rows):
        return lambda _: (200, {"ETag": '"v1"'}, json.dumps(rows).encode())

    web_service.answers["/models"] = answering([TREE])
    web_service.answers["/customers"] = answering([{"id": "acme"}])
    cache = tmp_path / "cache"
    registry = {
        "source": "http",
        "models": f"{web_service.url}/models",
        "customers": f"{web_service.url}/customers",
        "cache": str(cache),
    }
    experiment = dataclasses.replace(
        an_experiment(
            tmp_path, mlflow_url, evaluation=Evaluation(loader="tests.support.synthetic:load")
        ),
        registry=registry,
    )
    plan(experiment)
    assert not cache.exists()
    run(experiment)
    assert len(list(cache.iterdir())) == 2
    forget(experiment, "acme")
    assert list(cache.iterdir()) == []


def test_a_plan_shows_what_a_run_would_do_once_a_guard_is_accepted(served_by_logistic, customers):
    one = listing(served_by_logistic, models=[LOGISTIC], customers=customers("1", "1")[:1])
    strict = dataclasses.replace(one, limits=Limits(max_removed=0.1))
    assert set(plan(strict).refusals) == {"max_removed"}
    accepted = plan(strict, accept=["max_removed"])
    assert (accepted.refusals, set(accepted.accepted)) == ({}, {"max_removed"})
    with pytest.raises(UsageError, match="unknown guard 'nothing'"):
        plan(strict, accept=["nothing"])


def test_a_list_that_is_empty_can_be_previewed(served_by_logistic, customers):
    empty = listing(served_by_logistic, models=[], customers=customers("1", "1"))
    with pytest.raises(RegistryError, match="empty"):
        plan(empty)
    assert plan(empty, accept=["empty"]).studies == 0
    assert why(empty, "acme", accept=["empty"]).studies == ()


def test_the_time_of_a_run_is_more_than_its_fits(served_by_logistic, customers):
    same = plan(served_by_logistic).estimate
    assert same.fits == 0
    assert same.duration > 0
    more = plan(listing(served_by_logistic, customers=customers("2", "2"))).estimate
    assert more.cores == 1
    assert more.fits < more.duration
    assert same.duration <= more.duration


def test_a_history_keeps_each_row_and_tells_what_changed(served_by_logistic, customers, capsys):
    tagged = customers("2", "1", tags=["vip"])
    run(listing(served_by_logistic, models=[LOGISTIC], customers=tagged))
    with Ledger.open(served_by_logistic.ledger) as ledger:
        told = life(ledger, "acme")
    show_life(told)
    assert "changed (until now): data {" in capsys.readouterr().out
    first, second = life_as_json(told)["periods"]
    assert (first["changed"], first["row"]["tags"]) == ({}, ())
    assert second["changed"]["tags"] == {"old": [], "new": ["vip"]}
    assert second["row"]["data"]["version"] == "2"


def test_of_very_many_rows_set_aside_the_first_are_shown(capsys):
    rejected = [
        Rejected(kind="customer", row=row, id=f"c{row}", reason="wrong") for row in range(3_000)
    ]
    show_set_aside(rejected)
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 21
    assert shown[-1] == "and 2,980 more rejected rows; --json has them all"
    show_set_aside(rejected[:20])
    assert len(capsys.readouterr().out.splitlines()) == 20
