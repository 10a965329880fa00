"""Tuning: many small studies, one large one, long trials, giving up early, and the samplers' worth.

    python -m bench tuning
    python -m bench tuning --quick      fewer studies, trials, routes and seeds

`Sleeping` trials take none of the machine's time and `Busy` ones a core's, see `_timed_fits`.
"""

import math
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna

from bench import _timed_fits as timed
from bench._peers import Job
from bench._routes import MANY_CANDIDATES, largest
from bench._turns import Figures
from bench._ways import Setting, empty_mlflow, experiment, measured
from orchestrator.clusters import Cluster, connect
from orchestrator.ledger import Ledger
from orchestrator.mapping import Run, flow, task
from orchestrator.pipeline.pipeline import run
from orchestrator.pipeline.study_flow import Searching
from orchestrator.records import (
    Customer,
    Distribution,
    Evaluation,
    ModelSpec,
    Search,
    Study,
    TrialResult,
)
from orchestrator.search import open_strategy
from orchestrator.selection import Gate
from orchestrator.settings import ExperimentSettings
from orchestrator.training.cache import SharedCache
from orchestrator.training.evaluate import evaluate_study

TIMED = Evaluation(loader="bench._timed_fits:load", folds=2, allowed=("sklearn", "bench"))
ROUTES = Evaluation(loader="bench._routes:load", folds=5)


def measure(*, quick: bool = False) -> Figures:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return {
        **small_studies(100 if quick else 1_000),
        **large_study(500 if quick else 3_000),
        **one_second(40 if quick else 200),
        **giving_up_early(5 if quick else 20),
        **sampler_quality(5 if quick else 20),
    }


def small_studies(studies: int) -> Figures:
    """Studies of 20 trials by TPE, each of 5 ms of computing, on two workers of one core, tracked.

    From the line's call to its report, with ledger and MLflow; nobody is promoted, so nothing is
    deployed. The ideal is the CPU time of the fits, and of Optuna asked and told by itself, divided
    by two. `cpu_ratio` sets the CPU time of driver and workers against that of fits and sampling:
    it is what wall time comes to where nobody else uses the machine.
    """
    search = Search(strategy="optuna", settings={"n_trials": 20})
    model = _in_a_space(timed.models("Busy", seconds=0.0025, points=1)[0])
    _plainly_sampled(20)  # imports what it needs
    sampling = _cpu_of(lambda: [_plainly_sampled(20) for _ in range(20)]) / 20 * studies
    with (
        tempfile.TemporaryDirectory() as folder,
        connect(Cluster(workers=2, dashboard=False)) as client,
    ):
        empty = empty_mlflow(Path(folder))
        for name, number in {"warm_up": 4, "measured": studies}.items():
            job = _timed_job(model, number)
            setting = Setting.new(job, client, Path(folder, name), empty)
            nobody = replace(experiment(setting), search=search, gate=Gate(threshold=2.0))
            before = sum(client.run(timed.cpu_seconds).values())
            report, spent = measured(client, lambda e=nobody: run(e))
            fits = sum(client.run(timed.cpu_seconds).values()) - before
            assert (report.trials["success"], report.behind) == (20 * number, None)
    return {
        "tuning.small_studies.seconds": spent.seconds,
        "tuning.small_studies.ratio": spent.seconds / ((fits + sampling) / 2),
        "tuning.small_studies.cpu_ratio": spent.cpu / (fits + sampling),
        "tuning.small_studies.studies": float(studies),
    }


def large_study(trials: int) -> Figures:
    """One study of trials drawn by chance that take no time, spread: the driver's time for each."""
    model = _in_a_space(timed.models("Sleeping", seconds=0.0, points=1)[0])
    figures: Figures = {}
    for name, settings in {
        "random": {"strategy": "random", "n_trials": trials},
        "tpe": {"strategy": "optuna", "n_trials": trials // 10},
    }.items():
        strategy, n_trials = str(settings["strategy"]), settings["n_trials"]
        search = Search(strategy=strategy, settings={"n_trials": n_trials})
        study = _study(model, timed.customers(1)[0], search)
        with connect(Cluster(workers=2, dashboard=False)) as client:
            cpu = _cpu_of(lambda s=study, c=client: _searched([s], c, to_spread={s.key}))
        figures[f"tuning.large_study.{name}_driver_ms"] = 1000 * cpu / int(n_trials)
    return figures


def one_second(trials: int) -> Figures:
    """Trials that sleep a second, on 8 worker threads, tracked: the share of the ideal reached.

    From the first trial's begin to the last one's end, inside the line with ledger and MLflow.
    """
    job = _timed_job(timed.models("Sleeping", seconds=0.5, points=5 * trials)[0], 1)
    figures: Figures = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        connect(Cluster(workers=2, threads=4, dashboard=False)) as client,
    ):
        empty = empty_mlflow(Path(folder))
        for name, number in {"warm_up": 8, "random": trials, "optuna": trials}.items():
            setting = Setting.new(job, client, Path(folder, name), empty)
            strategy = "optuna" if name == "optuna" else "random"
            search = Search(
                strategy=strategy, settings={"n_trials": number}, max_parallel=8, placement="trials"
            )
            report = run(replace(experiment(setting), search=search))
            assert (report.trials["success"], report.behind) == (number, None)
            with Ledger.open(f"sqlite:///{setting.folder}/ledger.db") as ledger:
                found = [each.result for each in ledger.trials.of_run(report.flow_run.id)]
            seconds = max(r.ended for r in found) - min(r.started for r in found)
            figures[f"tuning.one_second.{name}_efficiency"] = number / 8 / seconds
    del figures["tuning.one_second.warm_up_efficiency"]
    return figures


def giving_up_early(routes: int) -> Figures:
    """Racing and halving on the flights: the share of an exhaustive grid's fold fits, and the loss.

    The loss is how far the champion's mean score is behind the grid's, averaged over routes.
    """
    given: dict[str, list[tuple[float, float]]] = {"racing": [], "halving": []}
    for customer in largest(routes):
        cache, exhaustive = SharedCache(), _over_models(customer, Search(), SharedCache())
        fits, best = _fold_fits(exhaustive), _best(exhaustive)
        for name, pairs in given.items():
            found = _over_models(customer, Search(strategy=name), cache)
            pairs.append((_fold_fits(found) / fits, best - _best(found)))
    return {
        f"tuning.{name}.{figure}": fmean(pair[n] for pair in pairs)
        for name, pairs in given.items()
        for n, figure in enumerate(("share_of_fits", "behind"))
    }


def sampler_quality(seeds: int, trials: int = 60) -> Figures:
    """The best of TPE's trials by `study.optimize` and by us: medians over seeds, lower is better.

    Ours with its usual window, in which one trial of 60 is under way at a time, and with 8.
    """
    figures: Figures = {}
    for name, (function, bounds) in FUNCTIONS.items():
        plain = [_optimized(function, bounds, trials, seed) for seed in range(seeds)]
        figures[f"tuning.quality.{name}.optuna"] = statistics.median(plain)
        for window in (None, 8):
            ours = [_minimized(function, bounds, trials, seed, window) for seed in range(seeds)]
            suffix = "" if window is None else f"_{window}_at_once"
            figures[f"tuning.quality.{name}.ours{suffix}"] = statistics.median(ours)
    return figures


def _study(model: ModelSpec, customer: Customer, search: Search, evaluation=TIMED) -> Study:
    return Study(
        snapshot="bench", customer=customer, model=model, evaluation=evaluation, search=search
    )


def _in_a_space(model: ModelSpec) -> ModelSpec:
    """The model with its threshold searched in a range."""
    threshold = Distribution(kind="float", low=0.0, high=1.0)
    return replace(model, grid=({"threshold": threshold},))


def _searched(studies: Sequence[Study], client: Any, to_spread=frozenset()) -> Run:
    """The studies, one customer each, by the line's own way of searching."""
    settings = ExperimentSettings(
        name="bench",
        registry={},
        evaluation=TIMED,
        search=studies[0].search,
        ledger="",
        tracking="",
    )
    searching = Searching(settings, to_spread)

    @task(key=lambda study: study.customer.id)
    async def choose(study: Study):
        return await searching.outcomes_of([study])

    @flow
    def search():
        return choose.expand(study=studies)

    ended = search.run(client=client)
    assert ended.state == "success"
    return ended


def _cpu_of(do: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    before = time.process_time()
    do()
    return time.process_time() - before


def _timed_job(model: ModelSpec, customers: int) -> Job:
    return Job(
        customers=timed.customers(customers),
        models=(model,),
        loader="bench._timed_fits:load",
        allowed=("sklearn", "bench"),
        folds=2,
    )


def _plainly_sampled(trials: int) -> None:
    """Optuna by itself, asked and told of trials that take no time."""
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    for _ in range(trials):
        trial = study.ask()
        study.tell(trial, trial.suggest_float("threshold", 0.0, 1.0))


def _driven(study: Study, score: Callable[[Any], float]) -> list[float]:
    """The scores of a search's trials, in their order."""
    rounds, scores = open_strategy(study.search, study), []
    waiting, metric = deque(next(rounds)), study.evaluation.metric
    while waiting:
        trial = waiting.popleft()
        scores.append(score(trial.params))
        result = TrialResult(trial=trial, state="success", scores={metric: (scores[-1],)})
        with suppress(StopIteration):
            waiting += rounds.send(result)
    return scores


def _over_models(customer: Customer, search: Search, cache: SharedCache) -> list[TrialResult]:
    return [
        result
        for model in MANY_CANDIDATES
        for study in [_study(model, customer, search, ROUTES)]
        for result in evaluate_study(study, open_strategy(search, study), cache)
    ]


def _fold_fits(results: Sequence[TrialResult]) -> int:
    return sum(len(result.fit_seconds) for result in results)


def _best(results: Sequence[TrialResult]) -> float:
    return max(result.mean("roc_auc") for result in results if result.state == "success")


def _sphere(x: Sequence[float]) -> float:
    return math.fsum(each * each for each in x)


def _rosenbrock(x: Sequence[float]) -> float:
    return math.fsum(100 * (after - each**2) ** 2 + (1 - each) ** 2 for each, after in pairwise(x))


def _branin(x: Sequence[float]) -> float:
    a, b = x
    parabola = b - 5.1 / (4 * math.pi**2) * a**2 + 5 / math.pi * a - 6
    return parabola**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(a) + 10


FUNCTIONS = {
    "sphere": (_sphere, ((-5.0, 5.0),) * 5),
    "rosenbrock": (_rosenbrock, ((-2.0, 2.0),) * 3),
    "branin": (_branin, ((-5.0, 10.0), (0.0, 15.0))),
}
"""Each with its bounds."""


def _optimized(function, bounds, trials: int, seed: int) -> float:
    """The best of plain Optuna."""

    def objective(trial: optuna.Trial) -> float:
        return function([trial.suggest_float(f"x{n}", *each) for n, each in enumerate(bounds)])

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(objective, n_trials=trials)
    return study.best_value


def _minimized(function, bounds, trials: int, seed: int, window: int | None) -> float:
    """The best of ours."""
    space = {
        f"x{n}": Distribution(kind="float", low=low, high=high)
        for n, (low, high) in enumerate(bounds)
    }
    model = replace(MANY_CANDIDATES[0], grid=(space,))
    search = Search(strategy="optuna", settings={"n_trials": trials}, max_parallel=window)
    evaluation = replace(TIMED, direction="minimize", seed=seed)
    study = _study(model, Customer(id="function"), search, evaluation)
    return min(_driven(study, lambda params: function([params[name] for name in space])))
