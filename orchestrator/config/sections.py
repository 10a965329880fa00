"""The keys of a configuration file, as pydantic reads them -> a checked `ExperimentSettings`.

Touches pydantic; takes the content of a file; gives an `ExperimentSettings`; runs on the driver.
Each key is documented once, where `orchestrator.config.schema` finds it: under `Attributes:` of the
record that the key becomes, or of the model in this module if there is no such record.
"""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from orchestrator import clusters
from orchestrator.config.checks import LONGEST, cluster_fields, keys_of, numbers_of, within
from orchestrator.config.measures import require_well_formed
from orchestrator.config.metrics import evaluation_fields
from orchestrator.config.places import root_of
from orchestrator.config.stores import artifacts_address, ledger_address, tracking_address
from orchestrator.mlflow.addresses import is_server
from orchestrator.permissions import Addresses
from orchestrator.records import Evaluation, Logs, Search
from orchestrator.registry.guards import Limits
from orchestrator.selection import Gate
from orchestrator.settings import ExperimentSettings
from orchestrator.training.parallel_looks import Looks


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TrackingSection(_Section):
    """MLflow's addresses, and what is written there.

    Attributes:
        uri: MLflow's tracking URI, a database or a server; by default the SQLite file
            `state/EXPERIMENT/mlflow.db`.
        artifacts: The folder or URL of model files; by default `state/EXPERIMENT/artifacts`, and
            with a tracking server that server's own place.
    """

    uri: Annotated[str | None, AfterValidator(tracking_address)] = None
    artifacts: Annotated[str | None, AfterValidator(artifacts_address)] = None
    summary: bool = False
    allow_pickle: bool = False


class Configuration(_Section):
    """The keys of a configuration file.

    Attributes:
        experiment: The experiment's name in MLflow, and the first part of its registered models'
            names.
        root: The folder that relative addresses start from, itself relative to the file; by default
            the file's own folder.
        registry: The source of the lists of models and customers, and its settings; or
            `{models: ..., customers: ...}` with a source for each.
        tracking: MLflow's addresses, and what is written there.
        ledger: The SQLAlchemy URL of the ledger, or the name of an SQLite file; by default
            `state/EXPERIMENT/ledger.db`.
    """

    experiment: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$")]
    root: Annotated[Any, WithJsonSchema({"type": "string"})] = None
    registry: dict[str, Any]
    evaluation: Annotated[
        Evaluation,
        BeforeValidator(evaluation_fields),
        numbers_of(Evaluation),
        keys_of(Evaluation),
        within("folds", 2, 100_000),
        AfterValidator(require_well_formed),
    ]
    search: Annotated[
        Search,
        numbers_of(Search),
        within("max_parallel", 1),
        within("timeout", 0.001, LONGEST),
        within("seconds", 0.001, LONGEST),
    ] = Search()
    limits: Annotated[
        Limits,
        numbers_of(Limits),
        keys_of(Limits),
        within("max_removed", 0, 1),
        within("max_trials", 1),
        within("seconds", 0.001, LONGEST),
    ] = Limits()
    gate: Annotated[
        Gate,
        numbers_of(Gate),
        keys_of(Gate),
        within("min_absolute_change", 0),
        within("min_relative_change", 0),
    ] = Gate()
    cluster: Annotated[
        clusters.Cluster,
        numbers_of(clusters.Cluster),
        BeforeValidator(cluster_fields),
        within("connect_timeout", 0.001, LONGEST),
        within("reconnect_timeout", 0, LONGEST),
    ] = clusters.Cluster()
    tracking: TrackingSection = TrackingSection()
    logs: Annotated[Logs, numbers_of(Logs), keys_of(Logs), within("bytes", 1)] = Logs()
    ledger: Annotated[str | None, AfterValidator(ledger_address)] = None
    retrain_on: Literal["environment"] | None = None
    addresses: Annotated[Addresses, keys_of(Addresses)] = Addresses()
    versions: Annotated[
        Looks,
        numbers_of(Looks),
        keys_of(Looks),
        within("seconds", 0.001, LONGEST),
        within("total_seconds", 0.001, LONGEST),
        within("at_once", 1, 1000),
    ] = Looks()
    tolerance: Annotated[float, Field(ge=0, le=1, strict=True)] = 0.0
    grace: Annotated[float, Field(ge=0, le=LONGEST, strict=True, allow_inf_nan=False)] = 30.0
    study_timeout: (
        Annotated[float, Field(gt=0, le=LONGEST, strict=True, allow_inf_nan=False)] | None
    ) = None

    @field_validator("search", mode="before")
    @classmethod
    def _strategy_and_its_settings(cls, value: Any) -> Any:
        """Split `{strategy: random, n_trials: 20}` into fields of `Search` and the strategy's."""
        if not isinstance(value, Mapping):
            return value
        common = {field.name for field in fields(Search)} - {"settings"}
        settings = {key: setting for key, setting in value.items() if key not in common}
        return {key: value[key] for key in value if key in common} | {"settings": settings}

    @model_validator(mode="after")
    def _metric_is_measured(self) -> "Configuration":
        evaluation = self.evaluation
        if evaluation.metric not in evaluation.metrics:
            raise ValueError(
                f"evaluation.metric is {evaluation.metric!r}, which is not among "
                f"evaluation.metrics: {', '.join(evaluation.metrics)}"
            )
        return self

    @property
    def artifacts_are_left_out(self) -> bool:
        """Whether model files go to a folder of this machine for lack of a configured place."""
        return not self.tracking.artifacts and self._artifacts is not None

    @property
    def _state(self) -> str:
        return f"state/{self.experiment}"

    @property
    def _tracking_uri(self) -> str:
        return self.tracking.uri or f"sqlite:///{self._state}/mlflow.db"

    @property
    def _artifacts(self) -> str | None:
        """The folder or address of model files; None means that of the tracking server."""
        if self.tracking.artifacts or is_server(self._tracking_uri):
            return self.tracking.artifacts
        return f"{self._state}/artifacts"

    def experiment_at(self, path: Path) -> ExperimentSettings:
        """Return the experiment, with the addresses exactly as configured.

        Args:
            path: The configuration file.
        """
        return ExperimentSettings(
            name=self.experiment,
            config=str(path),
            root=root_of(path, self.root),
            registry=self.registry,
            evaluation=self.evaluation,
            search=self.search,
            limits=self.limits,
            gate=self.gate,
            cluster=self.cluster,
            ledger=self.ledger or f"sqlite:///{self._state}/ledger.db",
            tracking=self._tracking_uri,
            artifacts=self._artifacts,
            summary=self.tracking.summary,
            allow_pickle=self.tracking.allow_pickle,
            retrain_on=self.retrain_on,
            addresses=self.addresses,
            versions=self.versions,
            tolerance=self.tolerance,
            grace=self.grace,
            study_timeout=self.study_timeout,
            logs=self.logs,
        )
