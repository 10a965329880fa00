"""The whole job, from submission to the last alias: ours, the ideal, and what a user else would do.

    python -m bench.job                       every way in turn, 5 rounds after a warm-up
    python -m bench.job --quick               ours and the loop alone, 3 rounds
    python -m bench.job --shape 500x12        another shape of the job: 5x120, 500x12, routes, slow
    python -m bench.job --others joblib       ours, the loop, and these of the other ways

600 trials: 50 routes x 12 candidates, 3 folds, ROC AUC, tracked in MLflow on SQLite, and each
route's best candidate refitted, registered and given its alias. Two worker processes are up before
the clock starts; README.md says exactly what is counted.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench import _routes as routes
from bench import _timed_fits as timed_fits
from bench._peers import WAYS, Job
from bench._peers_elsewhere import ELSEWHERE
from bench._turns import QUICK_ROUNDS, ROUNDS, WARM_UP, Figures, in_turn, show
from bench._ways import (
    WORKERS,
    Setting,
    Spent,
    Way,
    check,
    empty_mlflow,
    forget,
    loop,
    measured,
    ours,
    workers,
)

SHAPES: dict[str, Callable[[], Job]] = {
    "50x12": lambda: Job(customers=routes.largest(50), models=routes.MODELS),
    "5x120": lambda: Job(customers=routes.largest(5), models=routes.MANY_CANDIDATES),
    "500x12": lambda: Job(customers=routes.windows(500), models=routes.MODELS),
    "routes": lambda: Job(customers=routes.every(), models=routes.MODELS),
    "slow": lambda: Job(
        customers=timed_fits.customers(4),
        models=timed_fits.models("Sleeping", seconds=1.0, points=12),
        loader="bench._timed_fits:load",
        allowed=("sklearn", "bench"),
        fit_seconds=1.0,
    ),
}
"""The job, and how else it may look."""

FIRST = "50x12"
"""The job that the other ways are compared by."""

MOST_SECONDS = 120.0
"""Of a way in all its rounds: what takes a minute is run two or three times, not five."""


def measure(
    shape: str = FIRST, *, quick: bool = False, others: Sequence[str] | None = None
) -> Figures:
    """Seconds of every way, medians of the rounds, and ours as a share of the ideal.

    Args:
        shape: One of `SHAPES`.
        quick: Fewer rounds, and none of the other ways unless they are named.
        others: Which of the other ways to run; by default all of them for the first shape.
    """
    if others is None:
        others = () if quick or shape != FIRST else (*WAYS, *ELSEWHERE)
    problems = {name: ELSEWHERE[name].problem() for name in others if name in ELSEWHERE}
    ways: dict[str, Way] = {"ours": ours, "loop": loop}
    ways |= {name: _other(name) for name in others if not problems.get(name)}
    spent = _in_turn(shape, ways, rounds=QUICK_ROUNDS if quick else ROUNDS)
    name = "job" if shape == FIRST else f"job.{shape}"
    figures = _figures(SHAPES[shape](), spent)
    figures |= {f"{way}_s": problem for way, problem in problems.items() if problem}
    return {f"{name}.{figure}": value for figure, value in figures.items()}


def _in_turn(shape: str, ways: Mapping[str, Way], rounds: int) -> dict[str, list[Spent]]:
    job = SHAPES[shape]()
    with workers() as client, tempfile.TemporaryDirectory() as folder:
        empty = empty_mlflow(Path(folder))

        def once(name: str, number: int) -> Spent:
            part = replace(job, customers=job.customers[:WORKERS]) if number == WARM_UP else job
            setting = Setting.new(part, client, Path(folder, f"{name}{number}"), empty)
            try:
                return ways[name](setting)
            finally:
                client.run(forget)

        turns = {name: partial(once, name) for name in ways}
        return in_turn(f"job {shape}", turns, rounds=rounds, budget=MOST_SECONDS)


def _figures(job: Job, spent: dict[str, list[Spent]]) -> Figures:
    wall = {way: statistics.median(s.seconds for s in each) for way, each in spent.items()}
    cpu = {way: statistics.median(s.cpu for s in spent[way]) for way in ("ours", "loop")}
    ideal = cpu["loop"] / WORKERS if job.fit_seconds is None else wall["loop"]
    return {
        "ratio": wall["ours"] / ideal,
        "ratio_to_loop": wall["ours"] / wall["loop"],
        "ideal_s": ideal,
        **{f"{way}_s": seconds for way, seconds in wall.items()},
        "ours_cpu_s": cpu["ours"],
        "trials": float(job.trials),
        "rounds": float(min(len(each) for each in spent.values())),
    }


def _other(name: str) -> Way:
    elsewhere = ELSEWHERE.get(name)
    running, way = (elsewhere.running, elsewhere.way) if elsewhere else (nullcontext, WAYS[name])

    def timed(setting: Setting) -> Spent:
        job, artifacts, client = setting.job, str(setting.folder / "artifacts"), setting.client
        with running():
            _, spent = measured(client, lambda: way(job, setting.tracking, artifacts, client))
        check(setting, job.trials, len(job.customers))
        return spent

    return timed


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.job")
    parser.add_argument("--shape", choices=SHAPES, default=FIRST)
    parser.add_argument("--quick", action="store_true", help="ours and the loop alone, 3 rounds")
    parser.add_argument("--others", nargs="*", choices=[*WAYS, *ELSEWHERE], help="which ways else")
    given = parser.parse_args(arguments)
    show(measure(given.shape, quick=given.quick, others=given.others))


if __name__ == "__main__":
    main(sys.argv[1:])
