"""Promotions: intended, then confirmed; the chain, the champions, and those of a moment."""

import dataclasses
import math

import pytest

from orchestrator.ledger import Champion
from orchestrator.records import DeployedVersion, PassedOver, PromotionState, WrittenModel
from tests.support.ledger_records import promotion, result

CONFIRMED = PromotionState.DEPLOYED


def confirmed(promotion):
    return dataclasses.replace(promotion, state=CONFIRMED)


def promoted(ledger, *promotions):
    """Intended and confirmed at once, each at its own time."""
    ledger.promotions.intend(promotions)
    for each in promotions:
        ledger.promotions.confirm([each], at=each.at)


def versions(champions):
    return {customer: champion.deployed.version for customer, champion in champions.items()}


def test_an_intended_promotion_is_pending_and_no_champion(ledger):
    ledger.promotions.intend([promotion("acme"), promotion("b")])
    assert ledger.promotions.pending() == [promotion("acme"), promotion("b")]
    assert ledger.promotions.champions() == {}
    assert ledger.promotions.of_customer("acme") == []


def test_a_confirmed_promotion_makes_a_champion(ledger):
    promoted(ledger, promotion("acme", "3", at=5.0))
    best = result("acme")
    assert ledger.promotions.pending() == []
    assert ledger.promotions.champions() == {
        "acme": Champion(
            customer="acme",
            result=best,
            run_id=best.trial.run_id,
            at=5.0,
            model=WrittenModel(source=f"/models/{best.trial.run_id}"),
            deployed=DeployedVersion(model_name="flights.acme", version="3"),
        )
    }


def test_the_last_confirmed_promotion_counts(ledger):
    promoted(ledger, promotion(version="1", of="run-1"), promotion("b", "1"))
    promoted(ledger, promotion(version="2", of="run-2"))
    ledger.promotions.intend([promotion(version="3", of="run-3")])
    assert versions(ledger.promotions.champions()) == {"acme": "2", "b": "1"}


def test_an_intent_that_a_later_one_overtook_is_no_longer_pending(ledger):
    """Moving its alias now would put an old model over a newer one."""
    ledger.promotions.intend([promotion(version="1", of="run-1")])
    promoted(ledger, promotion(version="2", of="run-2"))
    assert ledger.promotions.pending() == []


def test_what_is_served_at_a_moment_is_what_mlflow_had_been_told_by_then(ledger):
    ledger.promotions.intend([promotion(at=1.0)])
    ledger.promotions.confirm([promotion(at=1.0)], at=2.0)
    assert ledger.promotions.at(1.5) == {}
    assert versions(ledger.promotions.at(2.0)) == {"acme": "1"}


def test_an_incumbent_is_what_was_last_decided_whether_deployed_or_not(ledger):
    promoted(ledger, promotion(version="1", of="run-1"), promotion("b", "1"))
    ledger.promotions.intend([promotion(version="2", of="run-2")])
    assert versions(ledger.promotions.incumbents()) == {"acme": "2", "b": "1"}
    assert versions(ledger.promotions.champions()) == {"acme": "1", "b": "1"}


def test_intending_or_confirming_twice_changes_nothing(ledger):
    promoted(ledger, promotion(at=1.0))
    promoted(ledger, promotion(at=2.0))
    assert ledger.promotions.of_customer("acme") == [promotion(at=1.0, state=CONFIRMED)]


def test_a_confirmation_tells_where_the_model_stands_now(ledger):
    deployed = promotion(version="3")
    intended = dataclasses.replace(deployed, model=None, deployed=None)
    ledger.promotions.intend([intended])
    assert ledger.promotions.pending() == [intended]
    ledger.promotions.confirm([deployed])
    assert ledger.promotions.of_customer("acme") == [confirmed(deployed)]


def test_after_a_rollback_the_champion_before_serves(ledger):
    promoted(ledger, promotion(version="1", of="run-1"))
    second = promotion(version="2", of="run-2")
    promoted(ledger, second)
    ledger.promotions.roll_back([second])
    assert versions(ledger.promotions.champions()) == {"acme": "1"}
    assert versions(ledger.promotions.incumbents()) == {"acme": "1"}
    assert ledger.promotions.champion("acme").deployed.version == "1"
    states = [each.state for each in ledger.promotions.of_customer("acme")]
    assert states == [PromotionState.DEPLOYED, PromotionState.ROLLED_BACK]
    assert ledger.promotions.pending() == []


def test_only_a_deployed_promotion_is_rolled_back(ledger):
    ledger.promotions.intend([promotion()])
    ledger.promotions.roll_back([promotion()])
    assert [each.state for each in ledger.promotions.pending()] == [PromotionState.INTENDED]


def test_a_written_model_is_undeployed_until_its_alias_is_moved(ledger):
    ledger.promotions.intend([promotion("a"), promotion("b")])
    ledger.promotions.ready([promotion("b")])
    assert [each.decision.customer.id for each in ledger.promotions.undeployed()] == ["b"]
    ledger.promotions.confirm([promotion("b")])
    assert ledger.promotions.undeployed() == []


def test_a_promotion_that_is_not_deployed_has_no_version_to_ask_for():
    intended = dataclasses.replace(promotion(), deployed=None, model=None)
    with pytest.raises(ValueError, match="'acme' in flow run run-1: it is not deployed"):
        _ = intended.deployed_version
    with pytest.raises(ValueError, match="its model is not written, but intended"):
        _ = intended.written_model


def test_confirming_what_was_not_intended_makes_no_champion(ledger):
    ledger.promotions.confirm([promotion()])
    ledger.promotions.confirm([])
    assert ledger.promotions.champions() == {}


def test_the_chain_of_a_customer_is_oldest_first(ledger):
    chain = [promotion(version=str(n), of=f"run-{n}", at=float(n)) for n in (1, 2, 3)]
    promoted(ledger, *chain, promotion("b"))
    assert ledger.promotions.of_customer("acme") == [confirmed(each) for each in chain]


def test_the_champions_of_a_moment(ledger):
    promoted(ledger, *(promotion(version=str(n), of=f"r{n}", at=float(n)) for n in (1, 2)))
    at = {time: versions(ledger.promotions.at(time)) for time in (0.5, 1.0, 1.9, 2.0)}
    assert at == {0.5: {}, 1.0: {"acme": "1"}, 1.9: {"acme": "1"}, 2.0: {"acme": "2"}}


def test_a_promotion_keeps_decision_incumbent_and_odd_scores(ledger):
    decision = dataclasses.replace(
        promotion().decision,
        best=result(scores={"roc_auc": (0.9, 0.8), "loss": (math.inf,)}),
        incumbent=result(name="old", of="run-0"),
    )
    whole = dataclasses.replace(
        promotion(),
        decision=decision,
        deployed=DeployedVersion(model_name="m", version="7", previous_version="6"),
    )
    promoted(ledger, whole)
    assert ledger.promotions.of_customer("acme") == [confirmed(whole)]


def test_a_decision_without_a_best_trial_cannot_be_promoted(ledger):
    empty = dataclasses.replace(promotion().decision, best=None)
    with pytest.raises(ValueError, match="'acme': its decision has no best trial"):
        ledger.promotions.intend([dataclasses.replace(promotion(), decision=empty)])


def test_a_withdrawn_promotion_is_neither_pending_nor_an_incumbent(ledger):
    promoted(ledger, promotion(version="1", of="run-1"))
    passed = PassedOver(run_id="r", trial="acme/tree/0", reason="it cannot be stored", rules="1.9")
    withdrawn = dataclasses.replace(promotion(of="run-2"), deployed=None, passed_over=(passed,))
    ledger.promotions.intend([withdrawn])
    ledger.promotions.withdraw([withdrawn])
    assert ledger.promotions.pending() == []
    assert ledger.promotions.backlog() == 0
    assert versions(ledger.promotions.incumbents()) == {"acme": "1"}
    assert ledger.promotions.passed_over() == {"acme": (passed,)}
    assert ledger.promotions.passed_over(before="run-2") == {}
    (found,) = ledger.promotions.of_flow_run("run-2")
    assert found.state is PromotionState.FAILED


def test_a_promotion_is_ready_before_it_is_confirmed(ledger):
    ledger.promotions.intend([promotion()])
    ledger.promotions.ready([promotion()])
    (found,) = ledger.promotions.pending()
    assert found.state is PromotionState.WRITTEN
