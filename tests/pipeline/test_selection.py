"""Selection: the best trial, the gate, and the reason."""

import dataclasses

import pytest

from orchestrator.records import Customer, Evaluation, ModelSpec, Step, Study, Trial, TrialResult
from orchestrator.selection import Gate, best_result, decide

CUSTOMER = Customer(id="acme")
MAXIMIZE = Evaluation(loader="somewhere:load")
MINIMIZE = Evaluation(
    loader="somewhere:load", metrics=("loss",), metric="loss", direction="minimize"
)


def result(
    model="tree",
    score=0.8,
    *,
    number=0,
    cost=1.0,
    params=None,
    error=None,
    data="v1",
    metric="roc_auc",
):
    spec = ModelSpec(id=model, steps=(Step(name=model, estimator=f"pkg:{model}"),), cost=cost)
    study = Study(snapshot="s", customer=CUSTOMER, model=spec, evaluation=MAXIMIZE)
    return TrialResult(
        trial=Trial(study=study, number=number, params=params or {}),
        state="failed" if error else "success",
        scores={} if error else {metric: (score, score)},
        data_version=data,
        error=error,
    )


def choose(results, incumbent=None, *, evaluation=MAXIMIZE, gate=None, deployed_data="v1", **known):
    return decide(
        "run", CUSTOMER, results, incumbent,
        evaluation=evaluation, gate=gate or Gate(), deployed_data=deployed_data, **known,
    )  # fmt: skip


def test_the_greatest_mean_wins_when_maximizing():
    assert best_result([result(score=0.7), result(score=0.9, number=1)], MAXIMIZE).trial.number == 1


def test_the_least_mean_wins_when_minimizing():
    worse, better = result(score=2.0, metric="loss"), result(score=1.0, number=1, metric="loss")
    assert best_result([worse, better], MINIMIZE) is better


def test_equal_scores_go_to_the_cheaper_model_then_to_the_first_id():
    dear, cheap = result("a", cost=2), result("z", cost=1)
    assert best_result([dear, cheap], MAXIMIZE) is cheap
    assert best_result([result("b"), result("a")], MAXIMIZE).trial.study.model.id == "a"


def test_a_failed_trial_never_wins():
    assert (
        best_result([result(error="ValueError: NaN"), result("b", 0.1)], MAXIMIZE).state
        == "success"
    )


def test_a_pruned_trial_never_wins_however_good_the_folds_it_had():
    pruned = dataclasses.replace(result("b", 0.99), state="pruned")
    assert best_result([pruned, result(score=0.1)], MAXIMIZE).state == "success"


def test_the_first_success_becomes_champion():
    decision = choose([result()])
    assert decision.promote
    assert decision.reason == "first champion"


def test_without_a_success_nothing_is_promoted_and_the_commonest_error_is_told():
    failures = [
        result(error="ValueError: one class"),
        result(error="ValueError: one class"),
        result(error="other"),
    ]
    decision = choose(failures)
    assert decision.best is None
    assert not decision.promote
    assert decision.reason == "none of 3 trials succeeded: ValueError: one class"


def test_without_a_success_the_incumbent_keeps_serving():
    incumbent = result()
    decision = choose([result("b", error="boom")], incumbent)
    assert decision.best is incumbent
    assert not decision.promote


def test_the_same_candidate_on_the_same_data_is_unchanged():
    decision = choose([result(), result("b", 0.5)], result())
    assert (decision.promote, decision.reason) == (False, "unchanged")


@pytest.mark.parametrize("deployed_data", ["v0", ""])
def test_the_same_candidate_on_new_or_unknown_data_is_fitted_again(deployed_data):
    decision = choose([result()], result(), deployed_data=deployed_data)
    assert decision.promote
    assert "new data" in decision.reason


def test_a_better_challenger_is_promoted_with_both_scores_in_the_reason():
    decision = choose([result("b", 0.9)], result(score=0.8))
    assert decision.promote
    assert decision.reason == "roc_auc 0.8000 -> 0.9000"


def test_a_challenger_no_better_does_not_replace_the_champion():
    incumbent = result(score=0.8)
    decision = choose([result("b", 0.8)], incumbent)
    assert decision.best is incumbent
    assert not decision.promote


def test_a_champion_that_wins_on_new_data_is_fitted_on_it():
    incumbent = result(score=0.9, data="v2")
    decision = choose([result("b", 0.8, data="v2")], incumbent, deployed_data="v1")
    assert decision.best is incumbent
    assert decision.promote


@pytest.mark.parametrize(
    "gate",
    [Gate(min_absolute_change=0.05), Gate(min_relative_change=0.05)],
    ids=["absolute", "relative"],
)
def test_the_gate_asks_for_a_least_change(gate):
    assert not choose([result("b", 0.82)], result(score=0.8), gate=gate).promote
    assert choose([result("b", 0.9)], result(score=0.8), gate=gate).promote


def test_below_the_threshold_nothing_is_served_first():
    decision = choose([result(score=0.6)], gate=Gate(threshold=0.7))
    assert decision.best is None
    assert "misses the threshold of 0.7" in decision.reason


def test_the_threshold_is_a_ceiling_when_minimizing():
    gate = Gate(threshold=1.0)
    assert not choose([result(score=1.5, metric="loss")], evaluation=MINIMIZE, gate=gate).promote
    assert choose([result(score=0.5, metric="loss")], evaluation=MINIMIZE, gate=gate).promote


def test_a_champion_that_fails_on_the_present_data_is_replaced():
    broken = dataclasses.replace(result(error="ValueError: NaN"))
    decision = choose([result("b", 0.5)], broken)
    assert decision.promote
    assert "the champion now fails" in decision.reason


def with_code(code):
    plain = result()
    study = dataclasses.replace(plain.trial.study, follows_from={"code": code})
    return dataclasses.replace(plain, trial=dataclasses.replace(plain.trial, study=study))


def test_the_same_candidate_with_corrected_code_is_fitted_again():
    decision = choose([with_code("new")], result(), deployed_code="old")
    assert decision.promote
    assert decision.reason == "same parameters, fitted with changed code"


@pytest.mark.parametrize("deployed_code", ["new", ""])
def test_the_same_candidate_with_equal_or_unknown_code_is_unchanged(deployed_code):
    assert not choose([with_code("new")], result(), deployed_code=deployed_code).promote
