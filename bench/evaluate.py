"""What scoring candidates costs a worker, against a bare loop of `cross_val_score`.

    python -m bench evaluate

600 trials: 50 routes of the flights, 500 rows each, 6 columns, 12 candidates, 3 stratified folds,
ROC AUC. CPU time of one process with BLAS and OpenMP on one thread, both ways in turn, medians of
several rounds after a warm-up; with rows as frames, as the flights' loader gives them, and as
arrays. Our side is all a worker does: loading, splitting, searching, scoring, results.
"""

import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial

from sklearn.model_selection import StratifiedKFold, cross_val_score
from threadpoolctl import threadpool_limits

from bench._routes import MODELS, largest, load
from bench._turns import QUICK_ROUNDS, ROUNDS, Figures, in_turn
from orchestrator.records import Evaluation, Study, Trial
from orchestrator.search import open_strategy
from orchestrator.training.cache import SharedCache
from orchestrator.training.candidates import candidate
from orchestrator.training.evaluate import evaluate_study

ROUTES = 50


def measure(*, quick: bool = False) -> Figures:
    """CPU seconds of both ways and their ratio, for frames and arrays."""
    figures: Figures = {}
    for form in ("frame", "array"):
        studies, rounds = _studies(form), QUICK_ROUNDS if quick else ROUNDS
        ways = {"ours": partial(_ours, studies), "bare": partial(_bare, studies)}
        timed = {name: partial(_cpu_seconds, way) for name, way in ways.items()}
        with threadpool_limits(limits=1), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seconds = in_turn(f"evaluate {form}", timed, rounds=rounds)
        ours, bare = (statistics.median(seconds[name]) for name in ways)
        figures |= {
            f"evaluate.{form}.ours_s": ours,
            f"evaluate.{form}.bare_s": bare,
            f"evaluate.{form}.ratio": ours / bare,
        }
    return figures


def _studies(form: str) -> list[Study]:
    return [
        Study(
            snapshot="bench",
            customer=customer,
            model=model,
            evaluation=Evaluation(loader="bench._routes:load"),
        )
        for customer in largest(ROUTES, form=form)
        for model in MODELS
    ]


def _ours(studies: list[Study]) -> None:
    cache = SharedCache()
    for study in studies:
        evaluate_study(study, open_strategy(study.search, study), cache)


def _bare(studies: list[Study]) -> None:
    for study in studies:
        X, y = load(study.customer)
        folds = StratifiedKFold(3, shuffle=True, random_state=0)
        for trial in _trials(study):
            cross_val_score(candidate(trial), X, y, cv=folds, scoring="roc_auc")


def _trials(study: Study) -> list[Trial]:
    (trials,) = open_strategy(study.search, study)
    return list(trials)


def _cpu_seconds(way: Callable[[], None], _round: int) -> float:
    began = time.process_time()
    way()
    return time.process_time() - began
