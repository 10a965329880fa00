"""Champions are registered alike whichever deployer does it, and load without this project."""

import pytest
from mlflow import MlflowClient

from orchestrator.errors import ClaimLostError, MachineryError
from orchestrator.mlflow.models.bulk import BulkDeployer
from orchestrator.mlflow.models.client import ClientDeployer
from orchestrator.mlflow.models.model_names import model_name
from orchestrator.mlflow.models.opening import open_deployer
from tests.contracts.deployers import EXPERIMENT, DeployerContract, challenger


class TestBulkOnSqlite(DeployerContract):
    @pytest.fixture
    def url(self, mlflow_url):
        return mlflow_url

    @pytest.fixture
    def open_for(self, url):
        return lambda experiment: open_deployer(url, experiment)

    @pytest.fixture
    def deployer(self, open_for):
        deployer = open_for(EXPERIMENT)
        assert isinstance(deployer, BulkDeployer)
        return deployer

    @pytest.fixture
    def successor(self, open_for):
        return open_for(EXPERIMENT)

    @pytest.fixture
    def other(self, open_for):
        return open_for("flights-AA")


@pytest.mark.postgres
class TestBulkOnPostgres(TestBulkOnSqlite):
    @pytest.fixture
    def url(self, mlflow_postgres_url):
        return mlflow_postgres_url


class TestClientOnSqlite(TestBulkOnSqlite):
    @pytest.fixture
    def open_for(self, url):
        return lambda experiment: ClientDeployer(MlflowClient(url, url), experiment, connections=1)

    @pytest.fixture
    def deployer(self, open_for):
        return open_for(EXPERIMENT)


class TestClientOfAServer(TestClientOnSqlite):
    @pytest.fixture
    def url(self, mlflow_server):
        yield mlflow_server
        mlflow = MlflowClient(mlflow_server, mlflow_server)
        for model in mlflow.search_registered_models():
            mlflow.delete_registered_model(model.name)


def test_an_alias_moved_while_another_claims_is_moved_back(mlflow_url, monkeypatch):
    """Through MLflow's client nothing holds the claim between looking at it and moving."""
    client = MlflowClient(mlflow_url, mlflow_url)
    client.create_experiment(EXPERIMENT)
    ousted, successor = (ClientDeployer(client, EXPERIMENT, connections=1) for _ in range(2))
    ousted.claim()
    ousted.deploy([challenger(number=1)])
    move = client.set_registered_model_alias

    def move_late(*alias):
        monkeypatch.undo()
        successor.claim()
        move(*alias)

    monkeypatch.setattr(client, "set_registered_model_alias", move_late)
    with pytest.raises(ClaimLostError):
        ousted.deploy([challenger(number=2)])
    assert client.get_registered_model("flights.AA-DFW").aliases["champion"] in (1, "1")
    assert "previous" not in client.get_registered_model("flights.AA-DFW").aliases
    assert successor.deploy([challenger(number=3)])[0].previous_version == "1"


def test_nobody_claims_what_mlflow_has_lost(mlflow_url):
    with pytest.raises(MachineryError, match="no longer has the experiment 'lost'"):
        open_deployer(mlflow_url, "lost").claim()


def test_both_ways_write_the_same(mlflow_url):
    client = MlflowClient(mlflow_url, mlflow_url)
    ways = {
        "bulk": open_deployer(mlflow_url, "bulk"),
        "client": ClientDeployer(client, "client", connections=1),
    }
    for way in ways.values():
        for number in (1, 2):
            way.deploy([challenger(number=number)])
    assert shown(client, "bulk") == shown(client, "client")


def shown(client: MlflowClient, experiment: str) -> dict:
    """A registered model and its versions as MLflow shows them, but for name and times."""
    name = model_name(experiment, "AA-DFW")
    model = dict(client.get_registered_model(name))
    versions = client.search_model_versions(f"name = '{name}'", order_by=["version_number"])
    timeless = {"name", "creation_timestamp", "last_updated_timestamp"}
    return {
        "model": {k: v for k, v in model.items() if k not in {*timeless, "latest_versions"}}
        | {"tags": {k: v for k, v in model["tags"].items() if k != "experiment"}},
        "versions": [{k: v for k, v in dict(v).items() if k not in timeless} for v in versions],
    }
