"""Constraints and several objectives: what may be served, what is picked, what MLflow shows."""

import math
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.config.metrics import evaluation_fields
from orchestrator.errors import ConfigError
from orchestrator.pipeline.pipeline import run
from orchestrator.records import (
    Constraint,
    Customer,
    Distribution,
    Evaluation,
    ModelSpec,
    Search,
    Step,
    Study,
    TrialResult,
)
from orchestrator.search import open_strategy, require_one_objective, require_reproducible, told
from orchestrator.search.objectives import goals
from orchestrator.selection import Gate, best_result, decide, pareto_front
from orchestrator.training.scorers import Scorers
from tests.support.experiments import an_experiment, tracked
from tests.support.ledger_records import result
from tests.support.measured_studies import comparing, model, results
from tests.support.own_costs import DEPTH, PREDICT_MS
from tests.support.rows import LOGISTIC, ROUTES, TREE

FAST = Constraint(measure="fit_seconds", relation="<=", bound=2.0)
SMALL = Constraint(measure="model_kb", relation="<=", bound=500.0)


def judging(*objectives, slack=0.0, constraints=()) -> Evaluation:
    return Evaluation(
        loader="somewhere:load",
        metrics=("roc_auc", "model_kb"),
        objectives=objectives,
        slack=slack,
        constraints=constraints,
    )


def trial(number, score, *, seconds=1.0, kb=100.0):
    scores = {"roc_auc": (score, score), "model_kb": (kb, kb)}
    fits, params = (seconds / 2, seconds / 2), {"C": number}
    return result(number=number, scores=scores, fit_seconds=fits, params=params)


def choose(tried, incumbent, evaluation, gate=None):
    return decide(
        "run", Customer(id="acme"), tried, incumbent, evaluation=evaluation, gate=gate or Gate()
    )


def test_a_candidate_that_violates_a_constraint_cannot_win():
    slow, fast = trial(0, 0.9, seconds=2.1), trial(1, 0.8, seconds=2.0)
    assert best_result([slow, fast], judging(constraints=(FAST,))) is fast
    assert best_result([slow, fast], judging()) is slow
    least = Constraint(measure="roc_auc", relation=">=", bound=0.85)
    assert best_result([slow, fast], judging(constraints=(least,))) is slow


def test_where_none_meets_the_constraints_the_commonest_violation_is_told():
    tried = [trial(0, 0.9, kb=501), trial(1, 0.8, kb=600), trial(2, 0.7, seconds=3, kb=700)]
    decision = choose(tried, None, judging(constraints=(FAST, SMALL)))
    assert (decision.best, decision.promote) == (None, False)
    assert decision.reason == "no trial meets the constraints; 3 of 3 violate model_kb <= 500"


def test_a_champion_that_violates_a_constraint_makes_way():
    heavy, light = trial(0, 0.9, kb=812), trial(1, 0.7)
    decision = choose([heavy, light], heavy, judging(constraints=(SMALL,)))
    assert (decision.best, decision.promote) == (light, True)
    assert decision.reason == "the champion violates model_kb <= 500 with 812"


def test_within_the_slack_the_next_objective_decides():
    best, near, far = trial(0, 0.9, kb=900), trial(1, 0.89, kb=50), trial(2, 0.8, kb=1)
    assert best_result([best, near, far], judging("roc_auc", "model_kb", slack=0.02)) is near
    assert best_result([best, near, far], judging("roc_auc", "model_kb")) is best
    assert best_result([best, near, far], judging("roc_auc", "model_kb", slack=0.5)) is far


def test_within_the_slack_only_what_reaches_the_threshold_is_chosen():
    best, near = trial(0, 0.81, kb=900), trial(1, 0.795, kb=50)
    evaluation = judging("roc_auc", "model_kb", slack=0.02)
    decision = choose([best, near], None, evaluation, Gate(threshold=0.8))
    assert (decision.best, decision.promote) == (best, True)
    assert "misses the threshold" in choose([near], None, evaluation, Gate(threshold=0.8)).reason


def test_within_the_slack_only_what_passes_the_gate_is_chosen():
    champion = trial(2, 0.8, kb=100)
    best, near = trial(0, 0.84, kb=900), trial(1, 0.825, kb=50)
    evaluation = judging("roc_auc", "model_kb", slack=0.02)
    gate = Gate(min_absolute_change=0.03)
    decision = choose([best, near], champion, evaluation, gate)
    assert (decision.best, decision.promote) == (best, True)
    decision = choose([near], champion, evaluation, gate)
    assert (decision.best, decision.promote) == (champion, True)
    assert decision.reason.startswith("0.025 better in roc_auc, the gate asks for 0.03")
    assert choose([best, near], champion, evaluation).best is near


def test_where_time_was_up_before_any_trial_was_whole_that_is_told():
    given_up = replace(trial(0, 0.9), state="pruned")
    reason = choose([given_up, given_up], None, judging()).reason
    assert reason == "none of 2 trials was evaluated to its end"


def test_the_challenger_must_win_by_the_same_rule():
    evaluation = judging("roc_auc", "model_kb", slack=0.02)
    champion, lighter = trial(0, 0.9, kb=900), trial(1, 0.89, kb=50)
    decision = choose([champion, lighter], champion, evaluation)
    assert (decision.best, decision.promote) == (lighter, True)
    assert decision.reason == "roc_auc 0.9000 -> 0.8900, model_kb 900.0000 -> 50.0000"
    heavier = trial(2, 0.905, kb=901)
    kept = choose([heavier], champion, evaluation)
    assert not kept.promote or kept.best is champion
    assert "no candidate beats the champion in roc_auc, model_kb" in kept.reason


def test_beyond_the_slack_the_gate_decides_as_ever():
    evaluation = judging("roc_auc", "model_kb", slack=0.01)
    champion, better = trial(0, 0.8), trial(1, 0.85, kb=300)
    assert choose([better], champion, evaluation).best is better
    strict = choose([better], champion, evaluation, Gate(min_absolute_change=0.1))
    assert strict.best is champion
    assert "the gate asks for 0.1" in strict.reason


numbers = st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=12)


@given(measured=numbers, slack=st.sampled_from([0.0, 1.0, 2.0]))
def test_what_is_picked_is_on_the_front_and_nothing_beats_the_front(measured, slack):
    evaluation = judging("roc_auc", "model_kb", "fit_seconds", slack=slack)
    tried = [trial(n, float(a), kb=b, seconds=c) for n, (a, b, c) in enumerate(measured)]

    def values(each):
        return each.mean("roc_auc"), -each.mean("model_kb"), -each.measured("fit_seconds")

    def beats(one, other):
        pairs = list(zip(values(one), values(other), strict=True))
        return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)

    front = pareto_front(tried, evaluation)
    unbeaten = {values(a) for a in tried if not any(beats(b, a) for b in tried)}
    assert {values(each) for each in front} == unbeaten
    assert len(front) == len(unbeaten)
    assert values(best_result(tried, evaluation)) in unbeaten


def test_without_objectives_the_front_is_the_best_alone():
    assert len(pareto_front([trial(0, 0.9), trial(1, 0.9), trial(2, 0.7)], judging())) == 1


@pytest.mark.parametrize(
    ("written", "fields"),
    [
        ({"objectives": ["f1", "fit_seconds"]}, {"metric": "f1", "metrics": ["f1"]}),
        (
            {"metrics": ["roc_auc"], "constraints": ["model_kb<=500", "f1 >= 0.5"]},
            {"metrics": ["roc_auc", "model_kb", "f1"]},
        ),
        (
            {"objectives": ["mine:profit", "model_kb"], "metrics": ["mine:profit", "f1"]},
            {
                "metric": "profit",
                "objectives": ["profit", "model_kb"],
                "metrics": ["profit", "f1", "model_kb"],
            },
        ),
        (
            {"constraints": ["model_kb <= 500"]},
            {"metrics": ["roc_auc", "model_kb"], "metric": "roc_auc"},
        ),
        (
            {
                "metrics": ["roc_auc", "experiments.scorers:worth"],
                "objectives": ["roc_auc", "worth"],
                "constraints": ["worth >= 5"],
            },
            {"metrics": ["roc_auc", "worth"], "objectives": ["roc_auc", "worth"]},
        ),
        (
            {"constraints": ["score_seconds <= 1e-1"]},
            {
                "metrics": ["roc_auc"],
                "constraints": [{"measure": "score_seconds", "relation": "<=", "bound": 0.1}],
            },
        ),
    ],
)
def test_what_is_asked_for_is_measured(written, fields):
    found = evaluation_fields(written)
    assert {name: found[name] for name in fields} == fields


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (
            {"constraints": ["fit_seconds < 2"]},
            "'fit_seconds < 2' is not valid; write a measure, <= or",
        ),
        ({"constraints": ["fit_seconds <= much"]}, "is not valid"),
        ({"constraints": ["fit_seconds <= nan"]}, "is not valid"),
        ({"objectives": ["f1"], "metric": "roc_auc"}, "metric is 'roc_auc', and the first of"),
    ],
)
def test_what_cannot_be_read_is_refused(written, told):
    with pytest.raises(ValueError, match=told):
        evaluation_fields(written)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"objectives": ("roc_auc", "f1")}, "evaluation.objectives: 'f1' is not measured"),
        ({"constraints": (SMALL,)}, "evaluation.constraints: 'model_kb' is not measured"),
        ({"slack": -1.0}, "evaluation.slack: must be a number of at least 0, not -1.0"),
        ({"slack": math.nan}, "evaluation.slack: must be a number of at least 0, not nan"),
        ({"slack": 0.1}, "evaluation.slack: says from how many the later objectives choose"),
        ({"objectives": ("roc_auc", "roc_auc")}, "evaluation.objectives: name one twice: roc_auc"),
        ({"metric": "fit_seconds"}, "evaluation.metric: fit_seconds is a cost"),
        ({"constraints": (replace(FAST, bound=0.0),)}, "no model ever meets fit_seconds <= 0"),
        ({"metrics": ("model_kb",), "metric": "model_kb"}, "model_kb is a cost"),
    ],
)
def test_what_no_trial_could_be_judged_by_is_refused(changes, told):
    with pytest.raises(ConfigError, match=told):
        Scorers.of(replace(comparing("roc_auc"), **changes)).require_usable()


@pytest.mark.parametrize("strategy", ["racing", "halving"])
def test_a_pruner_with_two_objectives_or_constraints_is_refused(strategy):
    search = Search(strategy=strategy)
    require_one_objective(search, judging("roc_auc"))
    for evaluation in (judging("roc_auc", "model_kb"), judging(constraints=(FAST,))):
        with pytest.raises(ConfigError, match=f"search.strategy: strategy '{strategy}' gives up"):
            require_one_objective(search, evaluation)
        require_one_objective(Search(), evaluation)


def test_a_sampler_of_one_objective_is_refused_several():
    search = Search(strategy="optuna", settings={"n_trials": 3, "sampler": "CmaEsSampler"})
    require_one_objective(search, judging("roc_auc", "fit_seconds", constraints=(SMALL,)))
    with pytest.raises(ConfigError, match=r"search.sampler: CmaEsSampler searches by one.*NSGAII"):
        require_one_objective(search, judging("roc_auc", "model_kb"))


X = Distribution(kind="float", low=0.0, high=200.0)


def searched(evaluation, *, settings=None, known=()):
    """What x a search tries where the score is best at 50 and 50, and x is the size."""
    search = Search(strategy="optuna", settings={"n_trials": 80, **(settings or {})})
    study = Study(
        snapshot="s",
        customer=Customer(id="acme"),
        model=ModelSpec(
            id="m", steps=(Step(name="clf", estimator="pkg:M"),), grid=({"x": X, "y": X},)
        ),
        evaluation=evaluation,
        search=search,
        known=known,
    )
    rounds, tried = open_strategy(search, study), []
    asked = list(next(rounds))
    with suppress(StopIteration):
        while asked:
            each, (x, y) = asked[0], asked[0].params.values()
            tried.append(x)
            scores = {"roc_auc": (100.0 - abs(x - 50) - abs(y - 50),), "model_kb": (x,)}
            result = TrialResult(trial=each, state="success", scores=scores, fit_seconds=(x / 100,))
            asked = [*asked[1:], *rounds.send(result)]
    return tried


def share(xs, low, high):
    return sum(low <= x <= high for x in xs) / len(xs)


def test_a_sampler_is_told_of_constraints():
    """Without the constraint 50 is best; with it, what is best has 20."""
    constraint = replace(SMALL, bound=20.0)
    assert share(searched(judging())[30:], 0, 20) < 0.25
    assert share(searched(judging(constraints=(constraint,)))[30:], 0, 20) > 0.4


@pytest.mark.parametrize(
    "settings", [{}, {"sampler": "NSGAIISampler", "sampler_args": {"population_size": 10}}]
)
def test_a_sampler_is_told_of_later_objectives(settings):
    """The front of score and size is from 0 to 50; beyond, both are worse."""
    alone = searched(judging(), settings=settings)[30:]
    both = searched(judging("roc_auc", "model_kb"), settings=settings)[30:]
    assert share(both, 0, 50) > share(alone, 0, 50)
    assert share(both, 0, 25) > 1.5 * share(alone, 0, 25)


def test_a_sampler_is_told_of_the_goals_of_known_points():
    evaluation = judging("roc_auc", "model_kb", constraints=(replace(SMALL, bound=20.0),))
    sizes = map(float, range(0, 200, 5))
    known = tuple(({"x": x, "y": 50.0}, {"roc_auc": 1.0, "model_kb": x}) for x in sizes)
    assert share(searched(evaluation)[:8], 0, 20) < 0.3
    assert share(searched(evaluation, known=known)[:8], 0, 20) > 0.4


@given(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9), st.sampled_from(["<=", ">="]))
def test_a_violation_is_more_than_nothing_exactly_where_a_constraint_is_missed(value, bound, sign):
    constraint = Constraint(measure="model_kb", relation=sign, bound=bound)
    (excess,) = (
        goals(Search(), judging(constraints=(constraint,))).violations(lambda _: value).values()
    )
    assert (excess <= 0) == constraint.holds(value)


def test_seconds_are_told_only_where_trials_may_differ_from_run_to_run():
    evaluation = judging("roc_auc", "fit_seconds", "model_kb", constraints=(FAST, SMALL))
    strict = Search(strategy="optuna", settings={"n_trials": 3})
    free = replace(strict, reproducible=False)
    assert told(strict, evaluation) == ("model_kb", "model_kb <= 500")
    assert told(free, evaluation) == (
        "fit_seconds",
        "model_kb",
        "fit_seconds <= 2",
        "model_kb <= 500",
    )
    assert told(Search(), evaluation) == (), "a grid learns nothing"
    assert goals(free, evaluation).objectives == {
        "roc_auc": "maximize",
        "fit_seconds": "minimize",
        "model_kb": "minimize",
    }


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (Search(), "strategy 'grid' makes the same trials in whatever order"),
        (Search(strategy="random", settings={"n_trials": 3}), "strategy 'random' makes the same"),
        (
            Search(strategy="optuna", settings={"n_trials": 3}, placement="study"),
            "search.reproducible: a study that runs as a whole on one worker waits for no other",
        ),
    ],
)
def test_trials_that_are_the_same_anyway_cannot_be_irreproducible(search, message):
    with pytest.raises(ConfigError, match=message):
        require_reproducible(replace(search, reproducible=False), judging())
    require_reproducible(search, judging())


def test_a_whole_study_may_be_told_of_seconds_which_differ_from_run_to_run():
    search = Search(strategy="optuna", settings={"n_trials": 3}, placement="study")
    for evaluation in (judging(constraints=(FAST,)), judging("roc_auc", "fit_seconds")):
        require_reproducible(replace(search, reproducible=False), evaluation)


def test_the_size_of_a_model_is_measured_where_it_is_asked_for():
    forest = "sklearn.ensemble:RandomForestClassifier"
    (small,) = results(comparing("roc_auc", "model_kb"), model(forest, n_estimators=2))
    (large,) = results(comparing("roc_auc", "model_kb"), model(forest, n_estimators=20))
    assert 0 < 5 * small.mean("model_kb") < large.mean("model_kb")


def test_mlflow_shows_the_front_and_who_violates_what(tmp_path, mlflow_url):
    experiment = an_experiment(tmp_path, mlflow_url, models=[LOGISTIC, TREE], customers=ROUTES[:1])
    evaluation = replace(
        experiment.evaluation,
        metrics=("roc_auc", "model_kb"),
        objectives=("roc_auc", "model_kb"),
        slack=1.0,
        constraints=(replace(SMALL, bound=2.0),),
    )
    report = run(replace(experiment, evaluation=evaluation))
    runs = tracked(mlflow_url)
    violating = [each for each in runs if "violates" in each.data.tags]
    others = [each for each in runs if "violates" not in each.data.tags]
    assert {each.data.tags["violates"] for each in violating} == {"model_kb <= 2"}
    assert {each.data.tags["pareto"] for each in violating} == {"false"}
    assert all(each.data.metrics["model_kb"] > 2 for each in violating)
    (champion,) = [each for each in runs if each.data.tags["champion"] == "true"]
    assert champion.data.tags["pareto"] == "true"
    assert champion.data.metrics["model_kb"] == min(e.data.metrics["model_kb"] for e in others)
    assert report.promotions[0].run_id == champion.info.run_id


def test_a_cost_of_the_projects_own_decides_and_is_shown_as_any_measure(tmp_path, mlflow_url):
    """It is measured on workers, stored, sent to MLflow, and limits what is served."""
    evaluation = Evaluation(
        loader="experiments.flights:load",
        metrics=("roc_auc", "depth", "predict_ms"),
        objectives=("roc_auc", "depth"),
        slack=1.0,
        constraints=(Constraint(measure="predict_ms", relation="<=", bound=60_000.0),),
        measures=(DEPTH, PREDICT_MS),
    )
    experiment = an_experiment(tmp_path, mlflow_url, evaluation=evaluation, models=[TREE])
    run(experiment)
    runs = tracked(mlflow_url)
    shallowest: dict[str, float] = {}
    for each in runs:
        customer, metrics = each.data.tags["customer"], each.data.metrics
        assert metrics["predict_ms"] > 0
        shallowest[customer] = min(shallowest.get(customer, math.inf), metrics["depth"])
    served = [each for each in runs if each.data.tags.get("champion") == "true"]
    assert {each.data.tags["customer"] for each in served} == shallowest.keys()
    assert all(
        each.data.metrics["depth"] == shallowest[each.data.tags["customer"]] for each in served
    )
