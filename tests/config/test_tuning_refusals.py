"""Every mistake in what is tuned, and how, is refused when planning, by file and key."""

import pytest

from orchestrator.search import samplers
from tests.support.projects import FLIGHTS, change, write
from tests.support.rows import ROUTES

SVM = {"id": "svm", "estimator": "sklearn.svm:SVC"}
LINEAR = {"id": "linear", "estimator": "sklearn.svm:LinearSVC"}


def measured(*metrics, **settings):
    return {**FLIGHTS, "metrics": list(metrics), **settings}


SPACES = {
    "an empty space": ({}, "space: is empty"),
    "a categorical without choices": ({"kernel": {"categorical": []}}, "space.kernel: has no valu"),
    "log of zero": ({"C": {"float": [0, 1], "log": True}}, "space.C: has log: true, and low is 0"),
    "log of less": ({"C": {"int": [-2, 1], "log": True}}, "space.C: has log: true, and low is -2"),
    "low above high": ({"C": {"float": [2, 1]}}, "space.C: has low 2.0 above high 1.0"),
    "a parameter the estimator lacks": ({"depth": [1]}, "space.depth: is not a parameter of its"),
}
SEARCHES = {
    "a sampler whose package is missing": (
        {"strategy": "optuna", "n_trials": 3, "sampler": "GPSampler"},
        "search.sampler: GPSampler needs the package 'torch': pip install torch",
    ),
    "a budget of no trials": (
        {"strategy": "random", "n_trials": 0},
        "search.n_trials: must be a whole number of at least 1, not 0",
    ),
    "a budget of no seconds": ({"seconds": 0}, "search: seconds must be at least 0.001, not 0"),
    "what cannot be irreproducible": (
        {"strategy": "grid", "reproducible": False},
        "search.reproducible: strategy 'grid' makes the same trials",
    ),
}
METRICS = {
    "an own scorer that is nowhere and not used": (
        measured("roc_auc", scorers={"profit": "tests.support.own_scorers:missing"}),
        "evaluation.metrics: scorer 'tests.support.own_scorers:missing': module",
    ),
    "a scorer that needs predict_proba": (
        measured("neg_log_loss"),
        "evaluation.metrics: neg_log_loss needs predict_proba, which model 'linear'",
    ),
    "a scorer that returns a text": (
        measured("roc_auc", "tests.support.own_scorers:a_text"),
        "evaluation.metrics: the tests.support.own_scorers:a_text is 'high', which is not a number",
    ),
    # Of classes it may look for labels that only the data has.
    "a scorer of amounts that returns nan": (
        measured("tests.support.own_scorers:not_a_number") | {"task": "regression"},
        "evaluation.metrics: the tests.support.own_scorers:not_a_number is nan on ordinary rows",
    ),
}


@pytest.fixture
def refusal(request):
    """What `orchestrator plan` says of a mistake, beside a list of one customer and one model."""
    request.getfixturevalue("project")
    lists(LINEAR)
    change("orchestrator.yaml", registry={"source": "file", "path": "lists.yaml"})
    command = request.getfixturevalue("typed")

    def refusal():
        code, out, err = command("plan")
        assert (code, out) == (2, "")
        assert "Traceback" not in err
        return err.removeprefix("error: ")

    return refusal


def lists(*models):
    write("lists.yaml", {"models": list(models), "customers": ROUTES[:1]})


@pytest.mark.parametrize("name", SPACES)
def test_a_wrong_space(name, refusal):
    space, told = SPACES[name]
    lists({**SVM, "space": space})
    assert refusal().startswith(f"lists.yaml: models[0].{told}")


@pytest.mark.parametrize("name", SEARCHES)
def test_a_wrong_search(name, refusal, monkeypatch):
    search, told = SEARCHES[name]
    monkeypatch.setattr(samplers, "find_spec", lambda _: None)
    change("orchestrator.yaml", search=search)
    assert refusal().startswith(f"orchestrator.yaml: {told}")


@pytest.mark.parametrize("name", METRICS)
def test_a_wrong_metric(name, refusal):
    evaluation, told = METRICS[name]
    change("orchestrator.yaml", evaluation=evaluation)
    assert refusal().startswith(f"orchestrator.yaml: {told}")


@pytest.mark.parametrize("strategy", ["racing", "halving"])
@pytest.mark.parametrize("goals", ["objectives", "constraints"])
def test_a_pruner_with_two_objectives(strategy, goals, refusal):
    written = {"objectives": ["roc_auc", "model_kb"], "constraints": ["model_kb <= 9"]}
    change("orchestrator.yaml", evaluation=measured("roc_auc", **{goals: written[goals]}))
    change("orchestrator.yaml", search={"strategy": strategy})
    told = f"orchestrator.yaml: search.strategy: strategy '{strategy}' gives up candidates by"
    assert refusal().startswith(told)


def test_a_budget_of_no_trials_of_a_run(refusal):
    change("orchestrator.yaml", limits={"max_trials": 0})
    told = "orchestrator.yaml: limits: max_trials must be at least 1, not 0"
    assert refusal().startswith(told)
