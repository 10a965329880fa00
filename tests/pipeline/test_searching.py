"""Studies as a whole or trial by trial: the same trials, and only the culprit fails."""

import dataclasses

import dask
import pytest
from distributed import Client

from orchestrator.clusters import Cluster, connect
from orchestrator.mapping import MemoryRecorder, flow, task
from orchestrator.pipeline import distributed_study
from orchestrator.pipeline.customer_plan import CustomerPlan
from orchestrator.pipeline.placement import longest_first, to_spread
from orchestrator.pipeline.study_flow import Searching
from orchestrator.records import (
    Customer,
    Distribution,
    Evaluation,
    ModelSpec,
    Search,
    Selector,
    Step,
    Study,
)
from orchestrator.registry.guards import Limits
from orchestrator.search import open_strategy
from orchestrator.settings import ExperimentSettings
from orchestrator.training.cache import forget

LOGREG = ModelSpec(
    id="logreg",
    steps=(Step(name="clf", estimator="sklearn.linear_model:LogisticRegression"),),
    grid=({"C": Distribution(kind="float", low=1e-4, high=1e3, log=True)},),
)
TROUBLE = ModelSpec(
    id="trouble",
    steps=(Step(name="clf", estimator="tests.support.troublesome:Troublesome"),),
    grid=({"trouble": ("none", "some", "other")},),
)
FOREST = dataclasses.replace(
    LOGREG,
    id="forest",
    steps=(Step(name="clf", estimator="sklearn.ensemble:RandomForestClassifier"),),
    params={"n_estimators": 9},
    grid=({"max_depth": tuple(range(1, 30))},),
)
SEARCHES = {
    "random": Search(strategy="random", settings={"n_trials": 12}),
    "optuna": Search(strategy="optuna", settings={"n_trials": 14}, max_parallel=3),
    "racing": Search(
        strategy="racing",
        settings={"suggest": {"strategy": "optuna", "n_trials": 12}},
        max_parallel=4,
    ),
    "halving": Search(
        strategy="halving", settings={"suggest": {"strategy": "random", "n_trials": 12}}
    ),
    "iterations": Search(
        strategy="halving",
        settings={
            "suggest": {"strategy": "random", "n_trials": 12},
            "resource": "iterations",
        },
    ),
}
MODELS = {"iterations": FOREST}


def named(name: str) -> ModelSpec:
    grid = ({"C": (0.1, 1.0)},) if name == "b" else LOGREG.grid
    return dataclasses.replace(LOGREG, id=name, grid=grid)


def armed(what: str) -> ModelSpec:
    return dataclasses.replace(TROUBLE, params={"armed": what})


def study_of(model=LOGREG, *, customer="acme", search=None, fingerprint="", **data) -> Study:
    return Study(
        flow_run="run-1",
        snapshot="s1",
        customer=Customer(id=customer, data=data),
        model=model,
        evaluation=Evaluation(
            loader="tests.support.synthetic:load",
            allowed=("sklearn", "tests", "tests.support.troublesome:Patient.folder"),
            folds=4,
        ),
        search=search or Search(),
        fingerprint=fingerprint,
    )


def searched(studies, *, to_spread=(), client=None, recorder=None, **settings):
    """How each study ended, by key, and the flow run that did it."""
    experiment = ExperimentSettings(
        name="e",
        registry={},
        evaluation=studies[0].evaluation,
        search=studies[0].search,
        ledger="",
        tracking="",
        **settings,
    )

    @task
    async def choose():
        return await Searching(experiment, to_spread).outcomes_of(studies)

    @flow
    def searching():
        return choose()

    run = searching.run(client=client, ledger=recorder)
    return {study.key: outcome for study, outcome in run.result()}, run


def told(outcome):
    """What law 9 speaks of: trials, how far they went, and their scores."""
    return [
        (r.trial.number, dict(r.trial.params), r.trial.budget, r.state, r.scores)
        for r in sorted(outcome.value, key=lambda result: result.trial.number)
    ]


@pytest.fixture(scope="module")
def two_workers():
    """A cluster whose workers may be ended.

    A worker that was started again imports what trials need before it takes any: on a busy machine
    that may last longer than a trial may.
    """
    preload = [
        "orchestrator.training.evaluate",
        "sklearn.linear_model",
        "tests.support.troublesome",
    ]
    with (
        dask.config.set({"distributed.worker.preload": preload}),
        connect(Cluster(workers=2, memory_limit="400 MiB", dashboard=False)) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def eight_threads():
    """A cluster of one worker process."""
    with connect(Cluster(workers=1, threads=8, dashboard=False)) as client:
        yield client


@pytest.mark.parametrize("name", SEARCHES)
def test_trials_are_the_same_wherever_they_run(name, client: Client):
    study = study_of(MODELS.get(name, LOGREG), search=SEARCHES[name])
    key = study.key
    whole, _ = searched([study])
    spread_here, _ = searched([study], to_spread={key})
    spread_out, run = searched([study], to_spread={key}, client=client)
    assert told(whole[key]) == told(spread_here[key]) == told(spread_out[key])
    assert sum(len(each) for each in run.outcomes("attempt")) >= 12


@pytest.mark.parametrize("name", SEARCHES)
def test_trials_are_the_same_on_eight_threads_of_which_a_study_may_use_five(name, eight_threads):
    search = dataclasses.replace(SEARCHES[name], max_parallel=5)
    study = study_of(MODELS.get(name, LOGREG), search=search)
    here, _ = searched([study])
    whole, _ = searched([study], client=eight_threads)
    spread_out, _ = searched([study], to_spread={study.key}, client=eight_threads)
    assert told(here[study.key]) == told(whole[study.key]) == told(spread_out[study.key])


@pytest.mark.parametrize("at_once", [None, 3])
def test_trials_that_might_all_hang_are_begun_a_few_at_a_time_and_are_the_same(at_once, client):
    search = Search(strategy="random", settings={"n_trials": 40}, timeout=60, max_parallel=at_once)
    study = study_of(search=search)
    whole, _ = searched([study])
    spread_out, _ = searched([study], to_spread={study.key}, client=client)
    assert told(whole[study.key]) == told(spread_out[study.key])


@pytest.mark.parametrize("timeout", [None, 60])
def test_no_more_trials_of_a_study_are_under_way_than_it_may_have(timeout, eight_threads):
    slow = dataclasses.replace(
        TROUBLE,
        steps=(Step(name="clf", estimator="tests.support.troublesome:Sleepy"),),
        grid=({"number": tuple(range(12))},),
    )
    search = Search(max_parallel=3, timeout=timeout)
    study = study_of(slow, search=search)
    ended, _ = searched([study], to_spread={study.key}, client=eight_threads)
    results = ended[study.key].value
    at_once = [sum(r.started <= each.started < r.ended for r in results) for each in results]
    assert max(at_once) == 3


def test_studies_of_both_placements_run_side_by_side(client: Client):
    studies = [study_of(named(name), search=SEARCHES["random"]) for name in ("a", "b", "c")]
    ended, run = searched(studies, to_spread={"acme/b"}, client=client)
    assert list(ended) == ["acme/a", "acme/b", "acme/c"]
    assert {outcome.state for outcome in ended.values()} == {"success"}
    assert [len(each) for each in run.outcomes("evaluate")] == [2]
    assert [len(each) for each in run.outcomes("gather")] == [1]


def test_what_was_spread_is_found_again_as_a_whole_study():
    study, recorder = study_of(search=SEARCHES["optuna"], fingerprint="f"), MemoryRecorder()
    first, _ = searched([study], to_spread={study.key}, recorder=recorder)
    second, run = searched([study], recorder=recorder)
    assert told(first[study.key]) == told(second[study.key])
    assert run.counts == {"success": 1, "cached": 1}, "choose, and the study"


@pytest.mark.parametrize("name", SEARCHES)
def test_a_spread_study_goes_on_where_it_was_interrupted(name):
    study = study_of(MODELS.get(name, LOGREG), search=SEARCHES[name], fingerprint="f")
    recorder = MemoryRecorder()
    whole, _ = searched([study], to_spread={study.key}, recorder=recorder)
    forget()  # what ensembles could go on from
    seen = list(recorder._by_fingerprint)
    for lost in seen[8:]:
        del recorder._by_fingerprint[lost]
    again, run = searched([study], to_spread={study.key}, recorder=recorder)
    assert told(again[study.key]) == told(whole[study.key])
    states = [o.state for each in run.outcomes("attempt") for o in each.items()]
    assert states.count("cached") == 8


def test_where_it_need_not_be_reproducible_a_long_trial_holds_up_no_suggestion(client, tmp_path):
    """The first trial ends only when the fourth of the others, begun one by one, has begun."""
    search = dataclasses.replace(SEARCHES["optuna"], max_parallel=2, reproducible=False)
    search = dataclasses.replace(search, settings={"n_trials": 7})
    patient = dataclasses.replace(
        LOGREG,
        steps=(Step(name="clf", estimator="tests.support.troublesome:Patient"),),
        params={"folder": str(tmp_path)},
        grid=({"number": tuple(range(20))},),
    )
    first, _ = next(open_strategy(search, study_of(patient, search=search)))
    waiting = dataclasses.replace(
        patient, params={**patient.params, "waits": first.params["number"]}
    )
    study = study_of(waiting, search=search)
    ended, _ = searched([study], to_spread={study.key}, client=client)
    results = ended[study.key].value
    assert [result.state for result in results] == ["success"] * 7
    assert [result.trial.number for result in results] == list(range(7))
    assert sum(result.ended < results[0].ended for result in results) >= 3


def test_a_model_not_meant_for_so_few_rows_makes_no_trial():
    study = study_of(dataclasses.replace(LOGREG, when=Selector(min_rows=1_000)))
    study = dataclasses.replace(study, search=SEARCHES["random"])
    ended, _ = searched([study], to_spread={study.key})
    assert ended[study.key].value == ()


def test_data_that_cannot_be_used_fails_the_study_not_each_trial():
    study = study_of(search=SEARCHES["random"], rows=0)
    ended, _ = searched([study], to_spread={study.key})
    assert ended[study.key].state == "failed"
    assert "no rows" in ended[study.key].error


@pytest.mark.parametrize("spread", [True, False])
def test_a_study_whose_seconds_are_up_begins_no_more_trials(spread):
    search = dataclasses.replace(SEARCHES["random"], seconds=0.02, settings={"n_trials": 500})
    study = study_of(search=search)
    ended, _ = searched([study], to_spread={study.key} if spread else ())
    assert 1 <= len(ended[study.key].value) < 500
    assert {r.state for r in ended[study.key].value} == {"success"}


@pytest.mark.parametrize("spread", [True, False])
def test_a_flow_run_whose_seconds_are_up_begins_no_more_studies(spread):
    study = study_of(search=SEARCHES["random"])
    limits = Limits(seconds=1e-9)
    ended, _ = searched([study], to_spread={study.key} if spread else (), limits=limits)
    assert ended[study.key].state == "skipped"
    assert "limits.seconds" in ended[study.key].error


@pytest.mark.slow
def test_trials_that_kill_their_worker_or_fill_its_memory_fail_alone(two_workers, monkeypatch):
    """The study begins as a whole, dies with two workers, and is run again trial by trial."""
    soon = distributed_study.attempt.options(max_lost=0)
    monkeypatch.setattr(distributed_study, "attempt", soon)
    study = study_of(armed("kills and fills"))
    ended, _ = searched([study, study_of(named("b"))], client=two_workers)
    results = {r.trial.params["trouble"]: r for r in ended[study.key].value}
    states = {trouble: result.state for trouble, result in results.items()}
    assert states == {"none": "success", "some": "failed", "other": "failed"}
    assert "died, as of a crash in native code" in results["some"].error
    assert "used more memory than it may, 400.00 MiB" in results["other"].error
    assert ended["acme/b"].state == "success"


@pytest.mark.slow
def test_a_trial_that_never_ends_times_out_alone(two_workers):
    """The time of other trials is theirs alone: none waits for a worker that imports something."""
    two_workers.wait_for_workers(2)  # after another test's deaths, or the study begins too late
    study = study_of(armed("hangs"), search=Search(timeout=15.0))
    limits = Limits(seconds=12.0)  # up when it is run again, but it began in time
    ended, _ = searched([study], client=two_workers, limits=limits)
    (late,) = [r for r in ended[study.key].value if r.state == "timed_out"]
    assert late.trial.params == {"trouble": "other"}
    assert late.error.startswith("timed out after 15 s")
    assert len(ended[study.key].value) == 3


@pytest.mark.slow
def test_a_study_that_takes_longer_than_a_study_may_is_not_run_again(two_workers):
    study = study_of(armed("hangs"), search=Search(timeout=60.0))
    ended, run = searched([study], client=two_workers, study_timeout=1.0)
    assert ended[study.key].cause == "timed_out"
    assert not list(run.outcomes("spread"))


@pytest.mark.slow
def test_a_study_all_of_whose_trials_time_out_is_given_up(two_workers):
    many = dataclasses.replace(TROUBLE, grid=({"trouble": tuple("abcdefgh")},))
    search = Search(timeout=1.0, max_parallel=1, placement="trials")
    study = study_of(many, search=search, seconds=60)
    ended, _ = searched([study], to_spread={study.key}, client=two_workers)
    assert {r.state for r in ended[study.key].value} == {"timed_out"}
    assert len(ended[study.key].value) == 3


def placed(*studies, durations=(), threads=4):
    return to_spread(studies, dict(durations), threads)


def test_a_few_studies_of_unknown_length_are_spread_and_many_are_not():
    many = [study_of(customer=name, search=SEARCHES["random"]) for name in "abcdefgh"]
    few = many[:7]
    assert placed(*few) == {study.key for study in few}
    assert placed(*many) == placed(*few, threads=1) == frozenset()


def test_of_studies_of_unknown_length_the_one_with_many_trials_is_spread():
    large = dataclasses.replace(SEARCHES["random"], settings={"n_trials": 500})
    studies = [study_of(customer=name, search=SEARCHES["random"]) for name in "abcdefgh"]
    assert placed(*studies, study_of(customer="large", search=large)) == {"large/logreg"}


def test_a_customer_that_is_new_is_taken_for_as_long_as_the_others():
    studies = [study_of(customer=name, search=SEARCHES["random"]) for name in "abc"]
    seconds = {("a", "logreg"): 0.001, ("b", "logreg"): 0.001}
    assert placed(*studies, durations=seconds) == frozenset(), "trials are too short"
    seconds = dict.fromkeys(seconds, 1.0)
    assert placed(*studies, durations=seconds) == {study.key for study in studies}


def test_a_study_that_as_a_whole_would_outlast_a_trials_timeout_is_spread():
    """It would be ended with its worker, and run again trial by trial."""
    seconds = {("acme", "logreg"): 1.0}
    for timeout, expected in ((11.0, {"acme/logreg"}), (13.0, set())):
        search = dataclasses.replace(SEARCHES["random"], timeout=timeout)
        assert placed(study_of(search=search), durations=seconds, threads=1) == expected


def work_of(studies):
    return [
        CustomerPlan(id=s.customer.id, customer=s.customer, studies=(s,), champion=None)
        for s in studies
    ]


def test_of_customers_nothing_is_known_of_those_with_the_most_candidates_come_first():
    grids = {"a": "x", "b": "xyz", "c": "xy"}
    studies = [
        study_of(dataclasses.replace(TROUBLE, grid=({"trouble": tuple(points)},)), customer=name)
        for name, points in grids.items()
    ]
    assert [piece.id for piece in longest_first(work_of(studies), studies, {})] == ["b", "c", "a"]


def test_customers_come_in_the_order_of_how_long_they_took_last_time():
    studies = [study_of(customer=name, search=SEARCHES["random"]) for name in "abcd"]
    work = work_of(studies)
    seconds = {("a", "logreg"): 1.0, ("c", "logreg"): 9.0}
    assert [piece.id for piece in longest_first(work, studies, seconds)] == ["c", "b", "d", "a"]
    assert [piece.id for piece in longest_first(work, studies[:2], seconds)] == ["a", "b", "c", "d"]
    assert [piece.id for piece in longest_first(work, studies, {})] == ["a", "b", "c", "d"]


def test_the_study_that_would_be_left_alone_at_the_end_is_spread():
    studies = [study_of(customer=name, search=SEARCHES["random"]) for name in "abcdefghijklmnop"]
    seconds = {(study.customer.id, "logreg"): 0.1 for study in studies} | {("c", "logreg"): 60.0}
    assert placed(*studies, durations=seconds) == {"c/logreg"}


def test_what_cannot_be_parallel_or_is_too_short_is_not_spread():
    one_by_one = dataclasses.replace(SEARCHES["optuna"], max_parallel=1)
    short = {("acme", "logreg"): 0.001}
    assert placed(study_of(search=one_by_one)) == frozenset()
    assert placed(study_of(search=SEARCHES["random"]), durations=short) == frozenset()


@pytest.mark.parametrize(("placement", "spread"), [("study", False), ("trials", True)])
def test_a_person_may_decide(placement, spread):
    search = dataclasses.replace(SEARCHES["random"], placement=placement)
    studies = [study_of(customer=name, search=search) for name in "abc"]
    expected = {study.key for study in studies} if spread else set()
    assert placed(*studies, threads=1 if spread else 8) == expected
