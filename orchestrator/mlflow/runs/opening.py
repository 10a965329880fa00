"""A tracking address -> the tracker that serves it best.

Touches MLflow through the trackers; takes an address and an experiment's name; runs on the driver.
"""

from mlflow import MlflowClient
from mlflow.entities import Experiment

from orchestrator.mlflow.addresses import is_server
from orchestrator.mlflow.experiments import find_experiment, open_experiment
from orchestrator.mlflow.runs.bulk import BulkTracker
from orchestrator.mlflow.runs.client import ClientTracker
from orchestrator.mlflow.runs.tracker import Tracker
from orchestrator.mlflow.tables import understands

_CONNECTIONS_TO_A_SERVER = 4


def open_tracker(uri: str, experiment: str, artifact_root: str | None = None) -> Tracker:
    """The tracker for an experiment; a missing experiment or database is made first.

    Args:
        uri: MLflow's tracking address: a database's, or a server's `http(s)://...`.
        experiment: The experiment's name.
        artifact_root: The folder of a new experiment's files; None leaves it to MLflow, which is
            the usual thing with a server.

    Raises:
        UsageError: The experiment was deleted in MLflow.
        MachineryError: MLflow cannot be reached, or its database is of another version.
    """
    client, found = open_experiment(uri, experiment, artifact_root)
    return _tracker(uri, client, found)


def find_tracker(uri: str, experiment: str) -> Tracker | None:
    """The tracker for an experiment that is there already; nothing is made.

    Args:
        uri: As `open_tracker` takes it.
        experiment: The experiment's name.

    Returns:
        None where MLflow has no such experiment, or there is no database yet.

    Raises:
        MachineryError: MLflow cannot be reached, or its database is of another version.
    """
    found = find_experiment(uri, experiment)
    return None if found is None else _tracker(uri, *found)


def _tracker(uri: str, client: MlflowClient, found: Experiment) -> Tracker:
    if understands(uri):
        return BulkTracker(uri, client, found)
    connections = _CONNECTIONS_TO_A_SERVER if is_server(uri) else 1
    return ClientTracker(client, found, connections=connections)
