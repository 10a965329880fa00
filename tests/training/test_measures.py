"""Measures: orchestrator's own and others keep one contract, and say which way they are better."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.records import MEASURES, OF_TRIAL, Evaluation, Measure
from tests.contracts.measures import MeasureContract
from tests.support.ledger_records import result
from tests.support.own_costs import DEPTH, PREDICT_MS

MEASURED = [each for each in MEASURES.values() if each.source != OF_TRIAL]


class TestOwnMeasures(MeasureContract):
    @pytest.fixture(params=MEASURED, ids=lambda measure: measure.name)
    def measure(self, request) -> Measure:
        return request.param


class TestMeasuresFromElsewhere(MeasureContract):
    @pytest.fixture(params=[PREDICT_MS, DEPTH], ids=lambda measure: measure.name)
    def measure(self, request) -> Measure:
        return request.param


def test_a_metric_that_no_table_lists_is_a_score_of_which_more_is_better():
    evaluation = Evaluation(loader="a:b", metrics=("roc_auc", "f1"))
    assert evaluation.measure("f1") == Measure(
        name="f1", source="f1", direction="maximize", kind="score"
    )


def test_the_metric_that_selects_has_the_direction_of_the_evaluation():
    evaluation = Evaluation(
        loader="a:b",
        metrics=("loss",),
        metric="loss",
        direction="minimize",
        scorers={"loss": "own:loss"},
    )
    assert evaluation.selecting.is_minimized
    assert (evaluation.selecting.kind, evaluation.selecting.source) == ("score", "own:loss")


def test_what_every_trial_has_is_the_sum_over_folds_and_a_metric_the_mean():
    tried = result(scores={"roc_auc": (0.5, 0.75)}, fit_seconds=(1.0, 2.0), score_seconds=(0.5,))
    assert set(tried.has_measured) == {"roc_auc", "fit_seconds", "score_seconds"}
    assert [tried.measured(name) for name in ("roc_auc", "fit_seconds", "score_seconds")] == [
        0.625,
        3.0,
        0.5,
    ]


@given(st.lists(st.floats(-1e9, 1e9), min_size=1), st.sampled_from(["maximize", "minimize"]))
def test_the_best_value_is_the_one_that_optuna_would_call_best(values, direction):
    measure = Measure(name="m", source="a:m", direction=direction)
    assert measure.best(values) == {"maximize": max, "minimize": min}[direction](values)
