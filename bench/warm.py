"""What a warm start saves: trials until searches are as good as an exhaustive grid.

    python -m bench warm

30 routes of the flights. Each first has the flights up to September, of which an exhaustive grid of
40 decision trees finds the champion; then the whole year. How many trials does a search of the
whole year need until the best it has found is, averaged over routes, within 0.002 of what the
exhaustive grid finds there: cold, and with the champion tried first? As a share of the grid's
trials, for random search and TPE, each with several seeds. Every point is scored once, by our own
evaluation; the searches are then answered from that table.
"""

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from math import inf
from statistics import fmean

from bench._routes import MANY_CANDIDATES, largest
from bench._turns import Figures
from orchestrator.records import Customer, Evaluation, Search, Study, TrialResult
from orchestrator.search import open_strategy
from orchestrator.training.cache import SharedCache
from orchestrator.training.evaluate import evaluate_study

ROUTES, SEEDS = 30, 5
NEAR = 0.002
FLIGHTS_UNTIL_SEPTEMBER = 0.75

POINTS = 40
TREES = next(model for model in MANY_CANDIDATES if model.id == "tree")
SEARCHES = {
    "random": Search(strategy="random", settings={"n_trials": POINTS}),
    "tpe": Search(strategy="optuna", settings={"n_trials": POINTS - 1}),  # else it makes a grid
}

Scores = Mapping[str, TrialResult]


def measure(*, quick: bool = False) -> Figures:
    """The share of the grid's trials needed, cold and warm, and how far behind a quarter is."""
    behind: dict[str, list[list[float]]] = {}
    for customer in largest(8 if quick else ROUTES, rows=None):
        year = _scores(customer)
        champion = _best(_scores(_until_september(customer, year)))
        for name, search in SEARCHES.items():
            for seed in range(SEEDS):
                cold = _study(customer, search, seed)
                warm = replace(cold, first=(champion.trial.params,))
                behind.setdefault(f"{name}.cold", []).append(_behind(cold, year))
                behind.setdefault(f"{name}.warm", []).append(_behind(warm, year))
    figures: Figures = {}
    for name, courses in behind.items():
        course = [fmean(gaps) for gaps in zip(*courses, strict=True)]
        figures[f"tuning.warm.{name}.share"] = _trials_needed(course) / POINTS
        figures[f"tuning.warm.{name}.behind_at_quarter"] = course[POINTS // 4 - 1]
    return figures


def _study(customer: Customer, search: Search | None = None, seed: int = 0) -> Study:
    evaluation = Evaluation(loader="bench._routes:load", seed=seed)
    return Study(
        snapshot="bench",
        customer=customer,
        model=TREES,
        evaluation=evaluation,
        search=search or Search(),
    )


def _scores(customer: Customer) -> Scores:
    """Every point of the grid, scored."""
    study = _study(customer)
    results = evaluate_study(study, open_strategy(study.search, study), SharedCache())
    return {repr(result.trial.params): result for result in results}


def _until_september(customer: Customer, year: Scores) -> Customer:
    rows = next(iter(year.values())).rows
    return replace(customer, data={**customer.data, "rows": int(rows * FLIGHTS_UNTIL_SEPTEMBER)})


def _best(scores: Scores) -> TrialResult:
    return max(scores.values(), key=_mean)


def _behind(study: Study, scores: Scores) -> list[float]:
    """After each trial of a search, how far its best is behind the best of all points."""
    rounds = open_strategy(study.search, study)
    waiting, best, course = deque(next(rounds)), -inf, []
    while waiting:
        trial = waiting.popleft()
        found = replace(scores[repr(trial.params)], trial=trial)
        best = max(best, _mean(found))
        course.append(_mean(_best(scores)) - best)
        with suppress(StopIteration):
            waiting += rounds.send(found)
    return course


def _trials_needed(course: list[float]) -> int:
    return next((n for n, gap in enumerate(course, start=1) if gap <= NEAR), POINTS)


def _mean(result: TrialResult) -> float:
    return result.mean("roc_auc")
