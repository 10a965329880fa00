"""The tuning example: its configuration is right, and its lists hold what its text promises."""

from pathlib import Path

import pandas as pd
import pytest

from experiments import scorers, tuning
from orchestrator import config
from orchestrator.pipeline.plan import plan


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """What its first command says."""
    experiment = config.load(Path(tuning.CONFIG))
    text = Path(tuning.CONFIG).read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").symlink_to(Path(__file__).parents[2] / "configs")
    assert experiment.ledger == "sqlite:///state/tuning/ledger.db"
    assert "warm_start: segment" in text
    return plan(experiment)


def test_three_models_are_searched_for_ten_routes(planned):
    assert (planned.customers, planned.studies, planned.trials) == (10, 30, 600)
    assert not planned.rejected
    assert not planned.refusals


def test_its_own_scorer_pays_twice_for_a_right_warning_of_a_short_flight():
    class Warns:
        def predict(self, X):
            return X["warned"].to_numpy()

    flights = pd.DataFrame({"distance": [200.0, 900.0, 900.0, 900.0], "warned": [1, 1, 1, 0]})
    late = pd.Series([1, 1, 0, 1])
    assert scorers.worth(Warns(), flights, late) == (80 + 40 - 15) / 4
