"""What every measure does, whichever it is; a test class for one inherits `MeasureContract`."""

import math
import pickle

import pytest

from orchestrator.records import OF_TRIAL, Constraint, Evaluation, Measure
from orchestrator.training.scorers import Scorers, find_scorer
from orchestrator.training.smoke_data import ordinary_rows


class MeasureContract:
    """Inherit it and give a fixture `measure`, a `Measure` that a scorer measures."""

    @pytest.fixture
    def evaluation(self, measure: Measure) -> Evaluation:
        """An experiment in which it is a later objective."""
        return Evaluation(
            loader="tests.support.synthetic:load",
            metrics=("accuracy", measure.name),
            metric="accuracy",
            objectives=("accuracy", measure.name),
            measures=(measure,),
        )

    @pytest.fixture(params=["classification", "regression"])
    def number(self, request, measure: Measure) -> float:
        """Its value on ordinary rows."""
        value = find_scorer(measure.source)(*ordinary_rows(request.param))
        assert isinstance(value, float)
        return value

    def test_it_gives_a_finite_number(self, number):
        assert math.isfinite(number)

    def test_a_cost_is_never_negative(self, measure: Measure, number):
        assert measure.kind == "score" or number >= 0

    def test_unless_it_is_timed_it_gives_the_same_number_again(self, measure: Measure):
        again = [find_scorer(measure.source)(*ordinary_rows("classification")) for _ in range(2)]
        assert measure.timed or again[0] == again[1]

    def test_it_travels_to_workers(self, measure: Measure):
        assert pickle.loads(pickle.dumps(measure)) == measure  # noqa: S301 - our own bytes
        assert measure.source != OF_TRIAL

    def test_an_evaluation_knows_it_by_its_name(self, measure: Measure, evaluation: Evaluation):
        assert evaluation.measure(measure.name) == measure
        Scorers.of(evaluation).require_usable()

    def test_goodness_follows_its_direction(self, measure: Measure):
        better, worse = (1.0, 2.0) if measure.is_minimized else (2.0, 1.0)
        assert measure.goodness(better) > measure.goodness(worse)
        assert measure.best([worse, better, worse]) == better
        assert measure.best([]) is None

    def test_its_name_can_stand_in_a_constraint(self, measure: Measure):
        constraint = Constraint(measure=measure.name, relation="<=", bound=1.0)
        assert str(constraint) == f"{measure.name} <= 1"
