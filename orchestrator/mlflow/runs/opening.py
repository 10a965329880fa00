"""The choice of the tracker that suits a tracking address best.

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
    """Return the tracker for an experiment; create the experiment and database first if missing.

    Args:
        uri: MLflow's tracking address: that of a database, or `http(s)://...` for a server.
        experiment: The experiment's name.
        artifact_root: The folder for a new experiment's files; None lets MLflow choose it, which is
            usual with a server.

    Raises:
        UsageError: The experiment was deleted in MLflow.
        MachineryError: MLflow cannot be reached, or its database has another version.
    """
    client, found = open_experiment(uri, experiment, artifact_root)
    return _tracker(uri, client, found)


def find_tracker(uri: str, experiment: str) -> Tracker | None:
    """Return the tracker for an existing experiment; create nothing.

    Args:
        uri: MLflow's tracking address, as in `open_tracker`.
        experiment: The experiment's name.

    Returns:
        The tracker; None if MLflow does not have the experiment, or the database does not exist.

    Raises:
        MachineryError: MLflow cannot be reached, or its database has another version.
    """
    found = find_experiment(uri, experiment)
    return None if found is None else _tracker(uri, *found)


def _tracker(uri: str, client: MlflowClient, found: Experiment) -> Tracker:
    if understands(uri):
        return BulkTracker(uri, client, found)
    connections = _CONNECTIONS_TO_A_SERVER if is_server(uri) else 1
    return ClientTracker(client, found, connections=connections)
