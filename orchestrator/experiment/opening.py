"""MLflow being opened, in a thread: it takes seconds to import, which nobody need wait for.

Touches MLflow through tracking and deployment; takes an `Experiment`; gives `Mlflow`; driver.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from orchestrator.experiment.desk import Mlflow
from orchestrator.experiment.settings import Experiment


@contextmanager
def opening(experiment: Experiment) -> Iterator["Future[Mlflow]"]:
    """The experiment's MLflow, or why it cannot be opened, as soon as that is known."""
    with ThreadPoolExecutor(1, thread_name_prefix="opening-mlflow") as pool:
        yield pool.submit(_open, experiment)


def _open(experiment: Experiment) -> Mlflow:
    from orchestrator.deployment.opening import open_deployer  # late: they import MLflow
    from orchestrator.tracking.opening import open_tracker

    return Mlflow(
        tracker=open_tracker(experiment.tracking, experiment.name, experiment.artifacts),
        deployer=open_deployer(experiment.tracking, experiment.name),
        tracking_uri=experiment.tracking,
    )
