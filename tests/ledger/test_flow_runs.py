"""Flow runs and instances as they are listed: filtered, ordered, paged, counted."""

import dataclasses
import os

import numpy as np
import pytest

from orchestrator.errors import UsageError
from orchestrator.records import ExperimentRun, State
from tests.support.ledger_records import flow_run, instance

FAILED, SUCCESS = State.FAILED, State.SUCCESS


@pytest.fixture
def flow_runs(ledger):
    """One flow run with the nodes `add` (a0..a11, every third failed) and `sum`."""
    recorder = ledger.recorder()
    recorder.begin(flow_run())
    added = [instance(f"a{n}", index=n, state=SUCCESS if n % 3 else FAILED) for n in range(12)]
    recorder.record(list(reversed(added)))
    recorder.record([instance("", node="sum", index=-1)])
    return ledger.flow_runs


def keys(instances):
    return [each.key for each in instances]


def test_a_flow_run_comes_back_as_it_was(ledger):
    recorder = ledger.recorder()
    begun = flow_run(params={"x": [1, None, {"y": 0.5}]}, origin=ExperimentRun(snapshot="s"))
    recorder.begin(begun)
    assert ledger.flow_runs.get("run-1") == begun
    ended = dataclasses.replace(begun, state="failed", ended=101.5, counts={"success": 3})
    recorder.finish(ended)
    assert ledger.flow_runs.get("run-1") == ended


def test_a_parameter_that_is_no_json_is_shown_by_its_repr(ledger):
    params = {"a": {1, 2}, "b": np.int64(3), "c": complex(1), "d": {(1, 2): 3}}
    ledger.recorder().begin(flow_run(params=params))
    shown = ledger.flow_runs.get("run-1").params
    assert shown == {"a": "{1, 2}", "b": 3, "c": "(1+0j)", "d": "{(1, 2): 3}"}


def test_the_latest_flow_run_is_first(ledger):
    for number in (1, 3, 2):
        ledger.recorder().begin(flow_run(f"run-{number}", started=float(number)))
    assert [run.id for run in ledger.flow_runs.list(limit=2)] == ["run-3", "run-2"]
    assert ledger.flow_runs.get("latest").id == "run-3"


def test_successes_without_a_stored_value_are_counted_by_node(ledger):
    recorder = ledger.recorder()
    recorder.begin(flow_run())
    cached = {"state": State.CACHED, "fingerprint": "f1"}
    recorder.record([instance("a", fingerprint="f1", value=1), instance("b", fingerprint=None)])
    recorder.record([instance("c", **cached), instance("d", state=FAILED)])
    recorder.record(
        [
            instance("e", fingerprint="f2", value=os.urandom(2**20)),
            instance("", node="sum"),
        ]
    )
    assert ledger.flow_runs.not_stored("run-1") == {"add": 2, "sum": 1}


def test_a_flow_run_that_is_not_there_is_the_callers_mistake(ledger):
    with pytest.raises(UsageError, match="no flow run is recorded yet"):
        ledger.flow_runs.get("latest")
    with pytest.raises(UsageError, match="no flow run has an id that begins with 'x%'"):
        ledger.flow_runs.instances("x%")


def test_an_instance_comes_back_as_it_was_without_its_value(ledger):
    ledger.recorder().begin(flow_run())
    whole = instance(
        "acme/tree",
        index=7,
        state=FAILED,
        tries=3,
        started=1.5,
        ended=2.5,
        worker="tcp://127.0.0.1:1",
        error="ValueError: no\nTraceback",
        arguments="x=1",
        fingerprint="f",
        value=1,
    )
    ledger.recorder().record([whole])
    assert ledger.flow_runs.instances("run") == [dataclasses.replace(whole, value=None)]


def test_instances_are_in_the_order_of_their_indices(flow_runs):
    assert keys(flow_runs.instances("run-1")) == [f"a{n}" for n in range(12)] + [""]


def test_instances_of_one_task(flow_runs):
    assert keys(flow_runs.instances("latest", task="sum")) == [""]
    assert flow_runs.instances("latest", task="unknown") == []


def test_instances_in_one_state(flow_runs):
    assert keys(flow_runs.instances("latest", state=FAILED)) == ["a0", "a3", "a6", "a9"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a1*", ["a1", "a10", "a11"]),
        ("a1?", ["a10", "a11"]),
        ("*0", ["a0", "a10"]),
        ("a[12]", ["a1", "a2"]),
        ("a[!1-9]", ["a0"]),
        ("a3", ["a3"]),
        ("A3", []),
        ("%", []),
    ],
)
def test_instances_by_a_pattern_of_their_keys(flow_runs, pattern, found):
    assert keys(flow_runs.instances("latest", key_pattern=pattern)) == found


def test_all_filters_and_pages_together(flow_runs):
    page = flow_runs.instances(
        "latest", task="add", state=SUCCESS, key_pattern="a*", limit=3, offset=2
    )
    assert keys(page) == ["a4", "a5", "a7"]
    assert keys(flow_runs.instances("latest", limit=None, offset=11)) == ["a11", ""]


def test_instances_are_counted_by_node_and_state(flow_runs):
    assert flow_runs.counts("latest") == {"sum": {SUCCESS: 1}, "add": {FAILED: 4, SUCCESS: 8}}


def test_an_instance_recorded_again_is_counted_once(ledger, flow_runs):
    ledger.recorder().record([instance("a0")])
    assert flow_runs.counts("latest")["add"] == {FAILED: 3, SUCCESS: 9}
