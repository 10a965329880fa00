"""Trials: written once, sent once, and read again with their study by value."""

import dataclasses
import math

import numpy as np
import pytest

from orchestrator.errors import MachineryError
from orchestrator.records import Budget, State
from tests.support.ledger_records import LOSS, flow_run, instance, result


@pytest.fixture
def trials(ledger):
    """The trials of a ledger in which `run-1` and then `run-2` began."""
    ledger.recorder().begin(flow_run("run-1", started=1.0))
    ledger.recorder().begin(flow_run("run-2", started=2.0))
    return ledger.trials


def results(recorded):
    return [each.result for each in recorded]


def test_a_result_comes_back_as_it_was_with_its_study(trials):
    whole = result(
        params={"C": 0.5, "penalty": None, "layers": [10, 5], "balanced": True},
        scores={"roc_auc": (0.5, 1.0), "neg_log_loss": (-math.inf, -0.25)},
        fit_seconds=(0.1, 0.2),
        score_seconds=(0.01, 0.02),
        rows=120,
        data_version="etag-1",
        started=10.0,
        ended=11.0,
        worker="tcp://127.0.0.1:1",
    )
    failed = result(number=1, score=None)
    trials.add([whole, failed])
    assert results(trials.of_run("run-1")) == [whole, failed]


def test_a_pruned_trial_comes_back_with_its_budget_and_is_never_the_best(trials):
    pruned = result(score=0.99)
    budget = Budget(resource="folds", amount=2, of=5)
    trial = dataclasses.replace(pruned.trial, budget=budget)
    pruned = dataclasses.replace(pruned, state="pruned", trial=trial)
    whole = result(number=1, score=0.5)
    trials.add([pruned, whole])
    assert results(trials.of_run("run-1")) == [pruned, whole]
    assert results(trials.best("acme")) == [whole]


def test_a_score_that_is_not_a_number_stays_one(trials):
    trials.add([result(scores={"roc_auc": (math.nan, 0.5)})])
    first, second = trials.of_run("run-1")[0].result.scores["roc_auc"]
    assert math.isnan(first)
    assert second == 0.5


def test_numpy_scalars_come_back_as_plain_numbers(trials):
    odd = result(
        params={"C": np.float64(0.5), "depth": np.int64(3), "on": np.bool_(True)},
        scores={"roc_auc": (np.float32(0.5), np.float64(0.25))},
        rows=np.int64(7),
    )
    trials.add([odd])
    back = trials.of_run("run-1")[0].result
    assert back == odd
    assert [type(value) for value in back.trial.params.values()] == [float, int, bool]


def test_a_trial_added_twice_is_there_once_as_it_was_first(trials):
    first = result(score=0.8)
    trials.add([first])
    trials.add([result(score=0.9), result(number=1)])
    assert results(trials.of_run("run-1")) == [first, result(number=1)]


def test_an_error_with_characters_no_database_holds_is_kept_readable(trials):
    trials.add([dataclasses.replace(result(score=None), error="bad \0 byte \udc80")])
    assert trials.of_run("run-1")[0].result.error == "bad \\x00 byte \\udc80"


def test_a_trial_is_pending_until_it_was_sent(trials):
    trials.add([result(number=n) for n in range(3)])
    trials.mark_sent(each.run_id for each in trials.pending(limit=2))
    assert results(trials.pending()) == [result(number=2)]
    assert [each.sent is not None for each in trials.of_run("run-1")] == [True, True, False]


def test_a_trial_added_again_after_it_was_sent_is_not_sent_again(trials):
    trials.add([result()])
    trials.mark_sent([result().trial.run_id])
    trials.add([result()])
    assert trials.pending() == []


def test_pending_trials_come_oldest_first_with_flow_run_and_run_id(trials):
    trials.add([result("z", of="run-1")])
    trials.add([result("a", of="run-2")])
    pending = trials.pending()
    assert [each.flow_run for each in pending] == ["run-1", "run-2"]
    assert [each.run_id for each in pending] == [each.result.trial.run_id for each in pending]


def test_marking_none_or_an_unknown_one_is_fine(trials):
    trials.mark_sent([])
    trials.mark_sent(["0" * 32])


def test_the_history_of_a_customer_and_of_a_model(trials):
    old, new = result("acme", "tree", of="run-1"), result("acme", "forest", of="run-2")
    other = result("b", "tree", of="run-2")
    trials.add([new, other])
    trials.add([old])
    assert results(trials.of_customer("acme")) == [new, old], "as they were added"
    assert results(trials.of_model("tree")) == [other, old]
    assert trials.of_customer("nobody") == []


def test_trials_of_a_study_share_one_study(trials):
    trials.add([result(number=n) for n in range(2)])
    one, other = results(trials.of_run("run-1"))
    assert one.trial.study is other.trial.study


@pytest.mark.parametrize(
    ("comparing", "expected"), [({}, [0.9, 0.8]), ({"evaluation": LOSS}, [0.1, 0.8])]
)
def test_the_best_are_the_highest_or_the_lowest(trials, comparing, expected):
    scores = (0.8, 0.9, None, 0.1, math.nan)
    some = [result(number=n, score=s, **comparing) for n, s in enumerate(scores)]
    trials.add(some)
    metric = some[0].trial.study.evaluation.metric
    best = trials.best("acme", 2)
    assert [each.result.mean(metric) for each in best] == expected


def test_the_best_are_compared_by_the_last_metric(trials):
    trials.add([result(score=0.9, of="run-1")])
    trials.add([result(score=0.3, of="run-2", evaluation=LOSS)])
    assert [each.flow_run for each in trials.best("acme", 5)] == ["run-2"]
    assert trials.best("nobody") == []


def test_durations_are_of_the_last_flow_run_that_has_them(trials):
    trials.add([result(of="run-1", fit_seconds=(9.0,))])
    trials.add([result("b", of="run-1", fit_seconds=(5.0,))])
    trials.add(
        [result(of="run-2", number=n, fit_seconds=(n, n), score_seconds=(1,)) for n in (1, 2)]
    )
    assert trials.durations() == {("acme", "tree"): 4.0, ("b", "tree"): 5.0}


def trials_of(ended):
    return ended.value


def test_a_recorder_writes_trials_with_their_instance(ledger, trials):
    recorder = ledger.recorder(trials_of)
    recorder.record([instance("acme", value=[result(), result(number=1)])])
    recorder.record([instance("b", value=[result("b")])])
    assert len(trials.of_run("run-1")) == 3


def test_trials_of_a_cached_instance_are_not_written_again(ledger, trials):
    cached = instance("acme", of="run-2", state=State.CACHED, value=[result(of="run-2")])
    ledger.recorder(trials_of).record([cached])
    assert trials.pending() == []


def test_without_its_trials_an_instance_is_not_written(ledger, trials):
    """One transaction: an instance that counts as done has its trials in the ledger."""
    with pytest.raises(MachineryError):
        ledger.recorder(trials_of).record([instance(value=[result(of="never-began")])])
    assert ledger.flow_runs.instances("run-1") == []
    assert ledger.recorder().recall(["f"]) == {}
