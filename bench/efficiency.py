"""The share of the workers' CPU time that is spent inside fit and predict, with fits of 50 ms.

    python -m bench efficiency

The whole job, tracking and deployment included, on two worker processes. Everything else a worker
does counts against it: unpickling, data, folds, scores, model files, Dask's own threads.
"""

import statistics
import tempfile
from pathlib import Path

from distributed import Client

from bench import _timed_fits as timed_fits
from bench._peers import Job
from bench._turns import QUICK_ROUNDS, ROUNDS, Figures, in_turn
from bench._ways import Setting, empty_mlflow, experiment, process_seconds, workers
from orchestrator.pipeline.pipeline import run

FIT_SECONDS = 0.05
CUSTOMERS, CANDIDATES = 8, 12


def measure(*, quick: bool = False) -> Figures:
    """The share, the median of the rounds."""
    job = Job(
        customers=timed_fits.customers(CUSTOMERS),
        models=timed_fits.models("Busy", seconds=FIT_SECONDS, points=CANDIDATES),
        loader="bench._timed_fits:load",
        allowed=("sklearn", "bench"),
    )
    with workers() as client, tempfile.TemporaryDirectory() as folder:
        empty = empty_mlflow(Path(folder))

        def share(number: int) -> float:
            setting = Setting.new(job, client, Path(folder, str(number)), empty)
            before, all_before = _inside(client), process_seconds(client)
            report = run(experiment(setting))
            assert report.trials["success"] == job.trials
            return (_inside(client) - before) / (process_seconds(client) - all_before)

        rounds = QUICK_ROUNDS if quick else ROUNDS
        found = in_turn("efficiency", {"ours": share}, rounds=rounds)
    return {"efficiency": statistics.median(found["ours"])}


def _inside(client: Client) -> float:
    return sum(client.run(timed_fits.cpu_seconds).values())
