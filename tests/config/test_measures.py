"""Measures that a configuration declares, or an installed package adds."""

import re

import pytest

from orchestrator import config, plugins
from orchestrator.errors import ConfigError
from orchestrator.records import Measure
from orchestrator.training.scorers import Scorers
from tests.support.own_costs import PREDICT_MS, SOURCE

HEAD = """
experiment: flights
registry: {source: file, path: lists.yaml}
evaluation:
  loader: experiments.flights:load
"""


@pytest.fixture
def evaluation(tmp_path):
    def evaluation(*lines):
        file = tmp_path / "c.yaml"
        file.write_text(HEAD + "".join(f"  {line}\n" for line in lines))
        return config.load(file).evaluation

    return evaluation


@pytest.fixture
def plugged_in(tmp_path, monkeypatch):
    """A distribution, as pip leaves it, that adds measures."""
    info = tmp_path / "ours-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[orchestrator.measures]\n"
        "predict_ms = tests.support.own_costs:PREDICT_MS\n"
        "depth = tests.support.own_costs:PREDICT_MS\n"
        "gone = tests.support.own_costs:GONE\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


DECLARED = f'measures: [{{name: predict_ms, unit: ms, timed: true, source: "{SOURCE}"}}]'


def test_a_declared_measure_is_measured_in_every_trial(evaluation):
    found = evaluation(DECLARED)
    assert found.metrics == ("roc_auc", "predict_ms")
    assert found.metric == "roc_auc"
    assert found.measure("predict_ms") == PREDICT_MS


def test_a_declared_measure_may_be_an_objective_and_a_constraint(evaluation):
    found = evaluation(
        DECLARED, "objectives: [roc_auc, predict_ms]", 'constraints: ["predict_ms <= 5"]'
    )
    assert found.objectives == ("roc_auc", "predict_ms")
    assert str(*found.constraints) == "predict_ms <= 5"
    assert found.metrics == ("roc_auc", "predict_ms")


def test_a_declared_score_may_select_in_its_own_direction(evaluation):
    score = "measures: [{name: brier, direction: minimize, kind: score, source: 'own:brier'}]"
    found = evaluation(score, "metric: brier")
    assert (found.metric, found.direction) == ("brier", "minimize")
    assert found.selecting.is_minimized


@pytest.mark.usefixtures("plugged_in")
def test_a_measure_of_an_installed_package_is_measured_where_it_is_named(evaluation):
    found = evaluation('constraints: ["predict_ms <= 5"]')
    assert found.metrics == ("roc_auc", "predict_ms")
    assert found.measures == (PREDICT_MS,)
    assert evaluation("metrics: [roc_auc]").measures == ()


@pytest.mark.usefixtures("plugged_in")
def test_what_the_configuration_declares_goes_before_an_installed_measure(evaluation):
    found = evaluation("measures: [{name: predict_ms, source: 'mine:quick'}]")
    assert found.measures == (Measure(name="predict_ms", source="mine:quick"),)


@pytest.mark.usefixtures("plugged_in")
@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "metrics: [depth]",
            "the measure 'depth' of an installed package is Measure(name='predict_ms'",
        ),
        ("metrics: [gone]", "the measure 'gone' (tests.support.own_costs:GONE) cannot be loaded"),
        ("measures: [{name: fit_seconds, source: 'a:b'}]", "cannot be called 'fit_seconds'"),
        ("measures: [{name: model_kb, source: 'a:b'}]", "cannot be called 'model_kb'"),
        (
            "measures: [{name: x, source: 'a:b'}, {name: x, source: 'a:c'}]",
            "two of the measures have one name",
        ),
        ("measures: [{name: rows, source: 'a:b'}]", "cannot be called 'rows'"),
        ("measures: [{name: 'a b', source: 'a:b'}]", "'a b' is not a valid name"),
        ("measures: [{name: quick, source: quick}]", "'quick' is not a valid source of quick"),
        ("measures: [{name: quick}]", "evaluation.measures.0.source: is missing"),
        ("measures: [{name: quick, source: 'a:b', units: s}]", "units"),
        ("measures: [{name: q, source: 'a:b', direction: down}]", "evaluation.measures.0.directio"),
        ("measures: quick", "evaluation.measures: must be a list"),
        ("metrics: ['own:model_kb']", "cannot be called 'model_kb'"),
    ],
)
def test_a_measure_that_cannot_be_is_refused_by_its_key(evaluation, line, problem):
    with pytest.raises(ConfigError, match=re.escape(problem)):
        evaluation(line)


def test_a_direction_that_contradicts_the_measure_is_refused(evaluation):
    score = "measures: [{name: brier, kind: score, source: 'own:brier'}]"
    with pytest.raises(ConfigError, match="direction is 'maximize', and brier is minimized"):
        evaluation(score, "metric: brier", "direction: maximize")


@pytest.mark.parametrize(
    "broken", ["raise SystemExit(7)", "def (", "import not_there", "raise ValueError('no')"]
)
def test_a_plug_in_that_cannot_be_imported_is_named_whatever_it_raises(
    tmp_path, monkeypatch, broken
):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "broken_plug_in.py").write_text(broken)
    folder = tmp_path / "broken-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[orchestrator.observers]\nbroken = broken_plug_in:it\n"
    )
    with pytest.raises(ConfigError, match=r"the observer 'broken' .* cannot be loaded"):
        plugins.load("orchestrator.observers", "broken", noun="observer", key="observers")


def test_a_measure_with_the_name_of_a_scorer_of_scikit_learn_is_refused(evaluation):
    found = evaluation(f'measures: [{{name: accuracy, source: "{SOURCE}"}}]')
    with pytest.raises(ConfigError, match="'accuracy' is a scorer of scikit-learn"):
        Scorers.of(found).require_usable()
