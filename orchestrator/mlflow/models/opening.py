"""The choice of the deployer that suits a tracking address best.

Touches MLflow; takes an address and an experiment's name; runs on the driver.
"""

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from orchestrator.errors import as_machinery_error
from orchestrator.mlflow.models import bulk
from orchestrator.mlflow.models.client import ClientDeployer
from orchestrator.mlflow.models.deployer import Deployer

_CONNECTIONS_TO_A_SERVER = 4


def open_deployer(uri: str, experiment: str) -> Deployer:
    """Return the deployer for an experiment's customers.

    Args:
        uri: MLflow's tracking address, one that `open_tracker` has opened; the registered models
            are at the same address.
        experiment: The experiment's name, the first part of each registered model's name.

    Raises:
        MachineryError: MLflow cannot be reached, or its database has another version.
    """
    with as_machinery_error("MLflow's registered models cannot be opened", MlflowException):
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    is_server = uri.startswith(("http://", "https://"))
    by_client = ClientDeployer(client, experiment, _CONNECTIONS_TO_A_SERVER if is_server else 1)
    if bulk.understands(uri):
        return bulk.BulkDeployer(uri, by_client, experiment)
    return by_client
