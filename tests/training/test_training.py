"""Studies scored on workers, winners fitted again: results, failures as values, seeds."""

import logging
import math
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest
import threadpoolctl
from sklearn.model_selection import cross_validate

from orchestrator.records import (
    Budget,
    ModelSpec,
    Search,
    Selector,
    Step,
    Study,
    Trial,
    TrialResult,
)
from orchestrator.search import open_strategy
from orchestrator.training.cache import SharedCache
from orchestrator.training.candidates import candidate
from orchestrator.training.data import DataError
from orchestrator.training.dataset import prepare
from orchestrator.training.evaluate import evaluate_study
from orchestrator.training.isolation import isolated
from orchestrator.training.refit import refit
from orchestrator.training.trials import evaluate_trial
from tests.support.studies import FOREST, LOGREG, study_of

CONSTANT = ModelSpec(
    id="constant", steps=(Step(name="clf", estimator="sklearn.dummy:DummyClassifier"),)
)


def evaluated(study: Study) -> tuple[TrialResult, ...]:
    return evaluate_study(study, open_strategy(study.search, study), SharedCache())


def scores_of(study: Study) -> list[tuple]:
    """What law 9 speaks of: trials and their scores."""
    return [
        (result.trial.key, dict(result.trial.params), result.scores) for result in evaluated(study)
    ]


def test_every_trial_has_a_result_with_scores_and_times_of_every_fold():
    results = evaluated(study_of(folds=4, metrics=("roc_auc", "accuracy", "neg_log_loss")))
    assert [result.trial.key for result in results] == [f"acme/logreg/{n}" for n in range(3)]
    for result in results:
        assert (result.state, result.error, result.rows) == ("success", None, 90)
        assert set(result.scores) == {"roc_auc", "accuracy", "neg_log_loss"}
        assert all(len(values) == 4 for values in result.scores.values())
        assert len(result.fit_seconds) == len(result.score_seconds) == 4
        assert min(*result.fit_seconds, *result.score_seconds) > 0
        assert result.started <= result.ended
        assert result.worker


def test_scores_are_those_of_cross_validate_on_the_customers_folds():
    study = study_of(FOREST)
    prepared = prepare(study, SharedCache())
    for result in evaluated(study):
        expected = cross_validate(
            candidate(result.trial, None),
            prepared.data.X,
            prepared.data.y,
            cv=prepared.folds,
            scoring="roc_auc",
        )
        assert result.scores["roc_auc"] == tuple(expected["test_score"])


def test_the_searched_parameters_are_used():
    scores = {result.scores["roc_auc"] for result in evaluated(study_of(FOREST))}
    assert len(scores) == 2


def test_a_strategy_is_sent_the_results_one_by_one_in_the_order_it_asked():
    study, seen = study_of(), []

    def two_rounds():
        first = yield [Trial(study=study, number=n, params={"clf__C": n + 1.0}) for n in (0, 1)]
        second = yield [Trial(study=study, number=2, params={"clf__C": 5.0})]
        seen.extend([first, second])

    results = evaluate_study(study, two_rounds(), SharedCache())
    assert [result.trial.number for result in results] == [0, 1, 2]
    assert list(results[:2]) == seen


def budgeted(study, *budgets):
    """The results of one trial that is given one budget after the other."""
    seen = []

    def going_on():
        for budget in budgets:
            trial = Trial(study=study, number=0, params=dict(POINT), budget=budget)
            seen.append((yield [trial]))

    (last,) = evaluate_study(study, going_on(), SharedCache())
    assert last == seen[-1]
    return seen


POINT = {"max_depth": 4}


def of_folds(amount) -> Budget:
    return Budget(resource="folds", amount=amount, of=3)


def test_a_trial_that_goes_on_fold_by_fold_has_the_scores_of_one_that_did_not_stop():
    one, two, whole = budgeted(study_of(FOREST), of_folds(1), of_folds(2), None)
    (at_once,) = budgeted(study_of(FOREST), None)
    assert [each.state for each in (one, two, whole)] == ["pruned", "pruned", "success"]
    assert whole.scores == at_once.scores
    assert two.scores["roc_auc"] == whole.scores["roc_auc"][:2]
    assert one.fit_seconds == whole.fit_seconds[:1], "the first fold is not done again"


@pytest.mark.parametrize("resource", ["rows", "iterations"])
def test_with_a_share_of_rows_or_iterations_all_folds_are_scored(resource):
    part, whole = budgeted(study_of(FOREST), Budget(resource=resource, amount=1, of=5), None)
    (at_once,) = budgeted(study_of(FOREST), None)
    assert part.state == "pruned"
    assert len(part.scores["roc_auc"]) == 3
    assert part.scores != whole.scores == at_once.scores


@pytest.mark.parametrize("resource", ["folds", "iterations"])
def test_halving_fits_nothing_again_of_known_trials_and_lets_them_win(resource):
    """One is known from an earlier generation, as a whole; the others begin with a little."""
    study = study_of(search=Search(strategy="halving", settings={"resource": resource}))
    by_number = {result.trial.number: result for result in evaluated(study_of())}
    best = max(by_number, key=lambda number: by_number[number].mean("roc_auc"))
    rounds = open_strategy(study.search, study)
    results = evaluate_study(study, rounds, SharedCache(), known=[by_number[best]])
    winner = results[best]
    assert (winner.state, winner.scores) == ("success", by_number[best].scores)
    assert winner.fit_seconds == by_number[best].fit_seconds
    others = {result.state for result in results if result is not winner}
    assert others == {"pruned"}


def test_an_estimator_that_counts_no_iterations_says_so():
    tree = Step(name="tree", estimator="sklearn.tree:DecisionTreeClassifier")
    study = study_of(ModelSpec(id="tree", steps=(tree,)))
    (result,) = budgeted(study, Budget(resource="iterations", amount=1, of=3))
    assert result.state == "failed"
    assert "DecisionTreeClassifier has no number of iterations" in result.error


def test_a_candidate_that_fails_keeps_the_folds_it_had():
    study = study_of(FOREST)
    wrong = replace(study, evaluation=replace(study.evaluation, metrics=("nothing",)))
    had = budgeted(study, of_folds(1))[0]
    failed = evaluate_trial(replace(had.trial, study=wrong, budget=None), had, *prepared_of(study))
    assert failed.state == "failed"
    assert failed.scores == had.scores


def prepared_of(study):
    cache = SharedCache()
    return prepare(study, cache), cache


def test_regression_is_scored_on_plain_folds():
    ridge = ModelSpec(
        id="ridge",
        steps=(Step(name="reg", estimator="sklearn.linear_model:Ridge"),),
        grid=({"alpha": (0.1, 1.0)},),
    )
    metrics = ("neg_root_mean_squared_error", "r2")
    study = study_of(
        ridge, data={"target": "amount"}, task="regression", metrics=metrics, metric="r2"
    )
    assert all(result.state == "success" for result in evaluated(study))


class TestFailures:
    """A candidate that cannot be fitted fails alone, with its reason in one line."""

    def test_a_wrong_parameter_value(self):
        grid = ({"clf__C": (1.0, -1.0, 2.0)},)
        results = evaluated(study_of(replace(LOGREG, grid=grid)))
        assert [result.state for result in results] == ["success", "failed", "success"]
        failed = results[1]
        assert failed.error.startswith("InvalidParameterError: The 'C' parameter")
        assert "\n" not in failed.error
        assert (failed.scores, failed.rows) == ({}, 90)

    def test_an_unknown_parameter(self):
        results = evaluated(study_of(replace(LOGREG, grid=({"clf__D": (1,)},))))
        assert "model 'logreg': Invalid parameter 'D'" in results[0].error

    def test_gaps_in_the_data(self):
        data = {"form": "with gaps"}
        assert "contains NaN" in evaluated(study_of(data=data))[0].error
        boosting = "sklearn.ensemble:HistGradientBoostingClassifier"
        model = ModelSpec(
            id="boost", steps=(Step(name="clf", estimator=boosting),), params={"max_iter": 3}
        )
        assert evaluated(study_of(model, data=data))[0].state == "success"

    def test_one_class_only(self):
        (first, *_) = evaluated(study_of(data={"target": "one class"}))
        assert first.error == "ValueError: the target has one class only (1) in 90 rows"

    def test_too_few_rows_for_the_folds(self):
        (first, *_) = evaluated(study_of(data={"rows": 4}, folds=5))
        assert first.error == "ValueError: 4 rows are too few for 5 folds"

    def test_too_few_of_a_class_for_the_folds(self):
        (first, *_) = evaluated(study_of(data={"rows": 6, "seed": 2}, folds=5))
        assert "cannot be split into 5 folds" in first.error

    def test_a_score_that_is_no_number(self):
        # Every row is its own group of labels: a fold's test rows have one class.
        study = study_of(CONSTANT, data={"rows": 5, "seed": 0}, folds=3)
        (result,) = evaluated(study)
        assert result.state == "failed"
        assert "the roc_auc of fold" in result.error
        assert "is nan" in result.error

    def test_weights_the_estimator_cannot_use(self):
        knn = ModelSpec(
            id="knn", steps=(Step(name="k", estimator="sklearn.neighbors:KNeighborsClassifier"),)
        )
        (result,) = evaluated(study_of(knn, data={"weights": True}))
        assert "KNeighborsClassifier.fit takes none" in result.error

    def test_an_estimator_outside_the_allowed_packages(self):
        study = study_of()
        study = replace(study, evaluation=replace(study.evaluation, allowed=("nothing",)))
        assert "outside the allowed packages" in evaluated(study)[0].error


def test_a_customer_too_small_for_the_model_has_no_trial():
    model = replace(LOGREG, when=Selector(min_rows=91))
    assert evaluated(study_of(model)) == ()


class TestSeeds:
    """The same seed gives the same trials and scores, wherever and after whatever (law 9)."""

    def test_again(self):
        assert scores_of(study_of(FOREST)) == scores_of(study_of(FOREST))

    def test_after_other_studies_on_the_same_worker(self):
        cache = SharedCache()
        fresh = scores_of(study_of(LOGREG))
        for model in (FOREST, CONSTANT):
            study = study_of(model)
            evaluate_study(study, open_strategy(study.search, study), cache)
        study = study_of(LOGREG)
        later = evaluate_study(study, open_strategy(study.search, study), cache)
        assert [dict(result.scores) for result in later] == [scores for *_, scores in fresh]

    def test_in_other_processes(self, monkeypatch, pytestconfig):
        monkeypatch.syspath_prepend(pytestconfig.rootpath)  # where they find this file
        search = Search(strategy="optuna", settings={"n_trials": 4})
        grid = ({"max_depth": (1, 2, 3, 4), "max_features": (1, 2, "sqrt")},)
        studies = [
            study_of(replace(FOREST, grid=grid), customer=name, search=search) for name in "ab"
        ]
        here = [scores_of(study) for study in studies]
        with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as workers:
            assert list(workers.map(scores_of, studies)) == here

    def test_in_threads_of_one_worker(self):
        studies = [study_of(model, customer=c) for c in "ab" for model in (LOGREG, FOREST)] * 2
        cache = SharedCache()

        def scores(study: Study) -> list[object]:
            results = evaluate_study(study, open_strategy(study.search, study), cache)
            return [dict(result.scores) for result in results]

        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(scores, studies)) == [
                [scores for *_, scores in scores_of(study)] for study in studies
            ]

    def test_another_seed_is_another_experiment(self):
        assert scores_of(study_of(FOREST, seed=0)) != scores_of(study_of(FOREST, seed=1))

    def test_candidates_share_the_seed_so_that_they_differ_in_what_is_searched(self):
        study = study_of(FOREST)
        seeds = {
            candidate(Trial(study=study, number=n, params={"max_depth": n + 1}), None).random_state
            for n in range(3)
        }
        other = candidate(Trial(study=study_of(FOREST, customer="b"), number=0, params={}), None)
        assert len(seeds) == 1
        assert other.random_state not in seeds

    def test_what_the_registry_sets_is_kept(self):
        model = replace(FOREST, params={"random_state": 7, "n_jobs": 2})
        found = candidate(Trial(study=study_of(model), number=0, params={}), None)
        assert (found.random_state, found.n_jobs) == (7, 2)

    def test_other_packages_estimators_use_one_core_unless_told(self):
        eager = Step(name="eager", estimator="tests.support.synthetic:UsesAllCoresByDefault")
        study = study_of(ModelSpec(id="eager", steps=(eager,)), allowed=("tests",))
        assert candidate(Trial(study=study, number=0, params={}), None).n_jobs == 1
        assert candidate(Trial(study=study, number=0, params={"n_jobs": 3}), None).n_jobs == 3


class TestRefit:
    def test_the_winner_is_fitted_on_all_rows(self):
        best = max(evaluated(study_of()), key=lambda result: result.mean("roc_auc"))
        fitted = refit(best.trial, SharedCache())
        assert fitted.trial == best.trial
        assert fitted.estimator.get_params()["clf__C"] == best.trial.params["clf__C"]
        assert fitted.estimator.named_steps["scale"].n_samples_seen_ == fitted.rows == 90
        assert fitted.sample.shape == (5, 4)
        assert fitted.seconds > 0

    def test_twice_gives_the_same_model(self):
        trial = evaluated(study_of(FOREST, data={"form": "frame"}))[0].trial
        one, other = (refit(trial, SharedCache()) for _ in range(2))
        assert list(one.sample.columns) == list("abcd")
        assert np.array_equal(
            one.estimator.predict_proba(one.sample), other.estimator.predict_proba(one.sample)
        )

    def test_shared_data_stays_as_it_was(self):
        trial = evaluated(study_of())[0].trial
        cache = SharedCache()
        before = prepare(trial.study, cache).data.X.copy()
        refit(trial, cache)
        assert np.array_equal(prepare(trial.study, cache).data.X, before)


def test_warnings_become_one_line_of_the_log(caplog, recwarn):
    model = replace(LOGREG, params={"clf__max_iter": 1})
    with caplog.at_level(logging.INFO, logger="orchestrator.training"):
        assert all(result.state == "success" for result in evaluated(study_of(model)))
    (line,) = caplog.messages
    assert line.startswith("acme/logreg: 9 warnings, the first: ConvergenceWarning: lbfgs failed")
    assert not recwarn.list


def test_blas_and_openmp_run_on_one_thread_and_are_given_back():
    def threads() -> list[int]:
        return [library["num_threads"] for library in threadpoolctl.threadpool_info()]

    before = threads()
    with isolated("one"), isolated("other"):
        assert set(threads()) == {1}
    assert threads() == before


def test_a_library_that_a_later_model_brings_runs_on_one_thread_too():
    program = (
        "from orchestrator.training.isolation import isolated\n"
        "import threadpoolctl\n"
        "with isolated('first'): pass\n"
        "import xgboost\n"
        "with isolated('second'):\n"
        "    print({each['num_threads'] for each in threadpoolctl.threadpool_info()})"
    )
    pytest.importorskip("xgboost", reason="install the extra 'boosters'")
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=170, check=True
    )
    assert ended.stdout == "{1}\n"


def test_scores_are_finite_numbers_of_python():
    (result, *_) = evaluated(study_of())
    for value in result.scores["roc_auc"]:
        assert type(value) is float
        assert math.isfinite(value)


def test_a_loader_that_raises_is_the_studys_own_failure():
    with pytest.raises(KeyError):
        evaluated(study_of(data={"form": "no such form"}))


def test_data_that_cannot_be_used_names_the_customer():
    with pytest.raises(DataError, match=r"customer 'acme': .* returned no rows"):
        evaluated(study_of(data={"rows": 0}))
