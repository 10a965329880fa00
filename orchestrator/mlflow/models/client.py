"""Champions one by one through MLflow's own client: for tracking servers and any database.

Touches MLflow; takes `Challenger`; gives `Deployed`; runs on the driver, with a few connections at
a time if MLflow is a server.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from requests import RequestException

from orchestrator.errors import ClaimLostError, as_machinery_error
from orchestrator.mlflow.models.claims import Claim, claimed
from orchestrator.mlflow.models.deployer import (
    Alias,
    Challenger,
    Deployed,
    ModelState,
    check_one_each,
    check_owner,
    model_tags,
    state_of,
)
from orchestrator.mlflow.models.model_names import model_name, model_prefix

_FOREIGN = (MlflowException, RequestException, OSError)
_PAGE = 1000

_Aliases = Mapping[Alias, str | None]
"""The versions that a model's aliases point to."""


class ClientDeployer:
    """A deployer that registers champions through MLflow's client; see `Deployer`.

    Args:
        client: MLflow's client.
        experiment: The experiment's name.
        connections: The number of simultaneous calls; 1 for a database file, which allows only one
            writer.
    """

    def __init__(self, client: MlflowClient, experiment: str, connections: int) -> None:
        self._client = client
        self._experiment = experiment
        self._connections = connections
        self._claim: Claim | None = None

    def claim(self) -> None:
        """Claim the right to move aliases, and record that in a tag of MLflow's experiment."""
        self._claim = self.claimed()

    def claimed(self) -> Claim:
        """Claim the right to move aliases, and return the claim for the deployer that uses it."""
        with as_machinery_error("the aliases in MLflow were not claimed", *_FOREIGN):
            return claimed(self._client, self._experiment)

    def deploy(self, challengers: Sequence[Challenger]) -> Sequence[Deployed]:
        """Make the challengers the champions of their customers."""
        check_one_each(challengers)
        doing = f"not all of {len(challengers)} champions were registered with MLflow"
        with as_machinery_error(doing, *_FOREIGN):
            models = {model.name: model for model in self._models()}
            names = [model_name(self._experiment, each.customer) for each in challengers]
            with ThreadPoolExecutor(self._connections) as connections:
                return list(connections.map(self._deploy, challengers, map(models.get, names)))

    def retire(self, customers: Sequence[str]) -> frozenset[str]:
        """Mark the models of customers that left the registry."""
        return self._set_state(customers, ModelState.RETIRED)

    def restore(self, customers: Sequence[str]) -> frozenset[str]:
        """Mark the models of customers that came back."""
        return self._set_state(customers, ModelState.LIVE)

    def champions(self) -> Mapping[str, Deployed]:
        """Return the deployed champions by customer."""
        with as_machinery_error("MLflow's registered models were not read", *_FOREIGN):
            return {
                model.tags["customer"]: _deployed(model)
                for model in self._own_models()
                if Alias.CHAMPION in model.aliases
            }

    def versions(self) -> Mapping[tuple[str, str], str]:
        """Return the run of every version of the models with this experiment's name prefix."""
        with as_machinery_error("MLflow's model versions were not read", *_FOREIGN):
            return {
                (version.name, str(version.version)): version.run_id or ""
                for version in self._all_versions()
            }

    def forget(self, customer: str) -> bool:
        """Delete a customer's registered model with all its versions."""
        with as_machinery_error(f"the model of {customer!r} was not deleted in MLflow", *_FOREIGN):
            name = model_name(self._experiment, customer)
            model = next((model for model in self._models() if model.name == name), None)
            if model is not None:
                check_owner(name, model.tags, self._experiment, customer)
                self._client.delete_registered_model(name)
        return model is not None

    def _deploy(self, challenger: Challenger, model: RegisteredModel | None) -> Deployed:
        if model is None:
            model = self._create_model(challenger.customer)
        check_owner(model.name, model.tags, self._experiment, challenger.customer)
        self._mark(model, ModelState.LIVE)
        version = self._version(model.name, challenger)
        current, previous = (_alias(model, alias) for alias in (Alias.CHAMPION, Alias.PREVIOUS))
        if current != version:
            self._move(model, version)
            previous = previous if current is None else current
        return Deployed(
            customer=challenger.customer,
            model_name=model.name,
            version=version,
            previous_version=previous,
            state=ModelState.LIVE,
        )

    def _move(self, model: RegisteredModel, version: str) -> None:
        """Move a model's aliases; move them back if another driver has claimed them meanwhile."""
        before = {alias: _alias(model, alias) for alias in (Alias.PREVIOUS, Alias.CHAMPION)}
        after = {Alias.PREVIOUS: before[Alias.CHAMPION], Alias.CHAMPION: version}
        self._require_claim()
        for alias, moved_to in after.items():
            if moved_to is not None:
                self._client.set_registered_model_alias(model.name, alias, moved_to)
        try:
            self._require_claim()
        except ClaimLostError:
            self._move_back(model.name, before, after)
            raise

    def _require_claim(self) -> None:
        if self._claim is not None:
            self._claim.require_by(self._client)

    def _move_back(self, name: str, before: _Aliases, after: _Aliases) -> None:
        """Move the aliases back, except those that another driver has moved since."""
        now = self._client.get_registered_model(name)
        for alias in before:
            if _alias(now, alias) == after[alias] != before[alias]:
                if (version := before[alias]) is None:
                    self._client.delete_registered_model_alias(name, alias)
                else:
                    self._client.set_registered_model_alias(name, alias, version)

    def _create_model(self, customer: str) -> RegisteredModel:
        name = model_name(self._experiment, customer)
        try:
            return self._client.create_registered_model(
                name, model_tags(self._experiment, customer)
            )
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
            return self._client.get_registered_model(name)

    def _version(self, name: str, challenger: Challenger) -> str:
        """Return the version with the challenger's run; create it if it does not exist yet."""
        query = f"name = '{name}' and run_id = '{challenger.run_id}'"
        for version in self._client.search_model_versions(query):
            return str(version.version)
        created = self._client.create_model_version(
            name, challenger.source, challenger.run_id, dict(challenger.tags), await_creation_for=0
        )
        return str(created.version)

    def _set_state(self, customers: Sequence[str], state: ModelState) -> frozenset[str]:
        with as_machinery_error(f"models were not marked as {state} in MLflow", *_FOREIGN):
            models = {model.tags["customer"]: model for model in self._own_models()}
            for customer in customers:
                if customer in models:
                    self._mark(models[customer], state)
        return frozenset(customers) - frozenset(models)

    def _mark(self, model: RegisteredModel, state: ModelState) -> None:
        if model.tags.get("state") != state:
            self._client.set_registered_model_tag(model.name, "state", state)

    def _own_models(self) -> Iterable[RegisteredModel]:
        return (
            model
            for model in self._models()
            if model.tags.get("experiment") == self._experiment and "customer" in model.tags
        )

    def _models(self) -> Iterator[RegisteredModel]:
        """Return every registered model with this experiment's prefix, with tags and aliases."""
        return self._pages(self._client.search_registered_models)

    def _all_versions(self) -> Iterator[ModelVersion]:
        return self._pages(self._client.search_model_versions)

    def _pages(self, search: Callable[..., Any]) -> Iterator[Any]:
        """Yield what a search finds under names with this experiment's prefix, page by page."""
        token = None
        while True:
            page = search(f"name LIKE '{model_prefix(self._experiment)}%'", _PAGE, page_token=token)
            yield from page
            token = page.token
            if not token:
                return


def _alias(model: RegisteredModel, alias: Alias) -> str | None:
    version = model.aliases.get(alias)
    return None if version is None else str(version)


def _deployed(model: RegisteredModel) -> Deployed:
    return Deployed(
        customer=model.tags["customer"],
        model_name=model.name,
        version=str(model.aliases[Alias.CHAMPION]),
        previous_version=_alias(model, Alias.PREVIOUS),
        state=state_of(model.tags),
    )
