"""What a trial costs as there are more of them: 100 to 100,000 trials of 2 ms, on 1 and 2 workers.

    python -m bench scale

The whole job, from submission to the last alias: customers with 100 candidates each, 2 folds, fits
that use a millisecond of a core. The time of a trial is wall time times the workers, divided by the
trials: what a worker pays for each of them.
"""

import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

from distributed import Client

from bench import _timed_fits as timed_fits
from bench._peers import Job
from bench._turns import QUICK_ROUNDS, ROUNDS, Figures, in_turn
from bench._ways import Setting, empty_mlflow, experiment, forget, workers
from orchestrator.pipeline.pipeline import run

FIT_SECONDS, FOLDS = 0.001, 2
CANDIDATES = 100
TRIALS = (100, 1_000, 10_000, 100_000)
QUICK_TRIALS = (100, 1_000, 10_000)
MOST_SECONDS = 60.0


def measure(*, quick: bool = False) -> Figures:
    """Milliseconds a trial, and how they grow from the second number of trials to the last."""
    figures: Figures = {}
    for count in (1, 2):
        each = _milliseconds(count, quick=quick)
        figures |= {f"scale.{count}.ms_per_trial.{n}": value for n, value in each.items()}
        figures[f"scale.{count}.growth"] = [*each.values()][-1] / [*each.values()][1]
    return figures


def _milliseconds(count: int, *, quick: bool) -> dict[int, float]:
    """By the number of trials, on so many workers."""
    sizes = QUICK_TRIALS if quick else TRIALS
    with workers(count) as client, tempfile.TemporaryDirectory() as folder:
        empty = empty_mlflow(Path(folder))
        ways = {
            f"{trials} trials": partial(_once, trials, client, Path(folder), empty)
            for trials in sizes
        }
        seconds = in_turn(
            f"scale on {count}",
            ways,
            rounds=QUICK_ROUNDS if quick else ROUNDS,
            budget=MOST_SECONDS,
        )
    taken = [statistics.median(each) for each in seconds.values()]
    return {n: s * count / n * 1000 for n, s in zip(sizes, taken, strict=True)}


def _once(trials: int, client: Client, folder: Path, empty: bytes, number: int) -> float:
    if number == 0:
        trials = min(trials, 1_000)
    job = Job(
        customers=timed_fits.customers(trials // CANDIDATES),
        models=timed_fits.models("Busy", seconds=FIT_SECONDS, points=CANDIDATES),
        loader="bench._timed_fits:load",
        allowed=("sklearn", "bench"),
        folds=FOLDS,
    )
    own = folder / f"{job.trials}-{time.monotonic_ns()}"
    settings = experiment(Setting.new(job, client, own, empty))
    began = time.perf_counter()
    report = run(settings)
    seconds = time.perf_counter() - began
    assert (report.trials["success"], report.behind) == (trials, None), report
    client.run(forget)
    return seconds
