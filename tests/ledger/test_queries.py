"""The queries behind what a person lists are answered by indexes, as SQLite's plans show."""

import pytest
from sqlalchemy import event

from orchestrator.ledger import Ledger
from orchestrator.records import State
from tests.support.ledger_records import flow_run, instance, promotion, result, snapshot


@pytest.fixture
def ledger(tmp_path):
    """On SQLite, with a row in every table, so that a plan is made for real tables."""
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.snapshots.save(snapshot("acme"))
        ledger.lives.apply(snapshot("acme"))
        recorder = ledger.recorder()
        recorder.begin(flow_run())
        recorder.record([instance("acme", fingerprint="f", value=1)])
        recorder.finish(flow_run(ended=101.0))
        ledger.trials.add([result()])
        ledger.promotions.intend([promotion()])
        ledger.promotions.confirm([promotion()])
        yield ledger


@pytest.fixture
def plan_of(ledger):
    """Gives the plan SQLite has for every query a call makes, as one text."""
    engine = ledger._database._engine
    statements = []

    def note(_connection, _cursor, statement, parameters, *_context):
        if statement.lstrip().startswith(("SELECT", "UPDATE", "DELETE")):
            statements.append((statement, parameters))

    def plan(call):
        statements.clear()
        event.listen(engine, "before_cursor_execute", note)
        call(ledger)
        event.remove(engine, "before_cursor_execute", note)
        assert statements, "the call asked nothing"
        with engine.connect() as connection:
            explained = [
                connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
                for statement, parameters in list(statements)
            ]
        return "\n".join(row.detail for rows in explained for row in rows)

    return plan


def scans_a_table(plan):
    """Whether some table is read from end to end, rather than searched or walked by an index.

    That of leases has one row for each flow that is driven now.
    """
    scans = (line for line in plan.splitlines() if line.startswith("SCAN ledger_"))
    return any("USING" not in line and line != "SCAN ledger_leases" for line in scans)


def held_for_a_moment(ledger):
    with ledger.holding("train"):
        pass


LISTINGS = {
    "the latest snapshot": lambda ledger: ledger.snapshots.latest(),
    "fetches": lambda ledger: ledger.snapshots.list(),
    "flow runs": lambda ledger: ledger.flow_runs.list(),
    "the latest flow run": lambda ledger: ledger.flow_runs.get("latest"),
    "the last flow run of a flow": lambda ledger: ledger.flow_runs.last_of("train"),
    "the last unfinished flow run": lambda ledger: ledger.flow_runs.last_unfinished(),
    "keys that succeeded": lambda ledger: ledger.recorder().succeeded("run-1", "add"),
    "studies that ended": lambda ledger: ledger.studies.ended_in("run-1"),
    "the end of a flow run": lambda ledger: ledger.recorder().finish(flow_run(state="success")),
    "taking a lease": held_for_a_moment,
    "a flow run by the beginning of its id": lambda ledger: ledger.flow_runs.get("run"),
    "a life": lambda ledger: ledger.lives.history("customer", "acme"),
    "a comparison": lambda ledger: ledger.lives.preview(snapshot("acme")),
    "values by fingerprint": lambda ledger: ledger.recorder().recall(["f"]),
    "last keys": lambda ledger: ledger.recorder().last_keys("train", "add"),
    "counts": lambda ledger: ledger.flow_runs.counts("run-1"),
    "unsent trials": lambda ledger: ledger.trials.pending(),
    "marking as sent": lambda ledger: ledger.trials.mark_sent(["x"]),
    "trials of a flow run": lambda ledger: ledger.trials.of_run("run-1"),
    "trials of a customer": lambda ledger: ledger.trials.of_customer("acme"),
    "trials of a model": lambda ledger: ledger.trials.of_model("tree"),
    "the total of a flow run's trials": lambda ledger: ledger.trials.total("run-1"),
    "best trials": lambda ledger: ledger.trials.best("acme"),
    "latest trials": lambda ledger: ledger.trials.latest("acme", 5, model="tree", state="success"),
    "last trials of a customer": lambda ledger: ledger.trials.of_last_studies("acme"),
    "champions": lambda ledger: ledger.promotions.champions(),
    "a customer's promotions": lambda ledger: ledger.promotions.of_customer("acme"),
    "confirming": lambda ledger: ledger.promotions.confirm([promotion()]),
    "instances": lambda ledger: ledger.flow_runs.instances("run-1"),
    "instances of a task": lambda ledger: ledger.flow_runs.instances("run-1", task="add"),
    "failed instances": lambda ledger: ledger.flow_runs.instances("run-1", state=State.FAILED),
    "instances by key": lambda ledger: ledger.flow_runs.instances("run-1", key_pattern="ac*"),
}


# These walk a table from its last row, and stop at the page's end.
PAGES_FROM_THE_END = ["the latest snapshot", "fetches"]


@pytest.mark.parametrize("listing", sorted(LISTINGS.keys() - set(PAGES_FROM_THE_END)))
def test_no_listing_reads_a_whole_table(plan_of, listing):
    plan = plan_of(LISTINGS[listing])
    assert not scans_a_table(plan), plan


@pytest.mark.parametrize(
    "page",
    [*PAGES_FROM_THE_END, "flow runs", "unsent trials", "instances", "instances of a task"],
)
def test_a_page_is_not_sorted_first(plan_of, page):
    """A whole sort would read every row before the first page is shown."""
    plan = plan_of(LISTINGS[page])
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan, plan


def test_failures_are_found_by_their_state(plan_of):
    assert "ledger_instances_by_state (node=? AND state=?" in plan_of(LISTINGS["failed instances"])


def test_a_key_pattern_narrows_by_its_beginning(plan_of):
    plan = plan_of(LISTINGS["instances by key"])
    assert "(node=? AND key>? AND key<?)" in plan, plan


def test_unsent_trials_have_an_index_of_their_own(plan_of):
    assert "ledger_trials_unsent" in plan_of(LISTINGS["unsent trials"])


def test_counting_reads_the_index_alone(plan_of):
    assert "COVERING INDEX ledger_instances_by_state" in plan_of(LISTINGS["counts"])
