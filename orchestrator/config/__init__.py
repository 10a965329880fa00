"""The configuration file -> a checked `Experiment`.

A small configuration, with everything it leaves out at its default:

    experiment: flights
    registry: {source: file, path: configs/registry/flights.yaml}
    evaluation: {loader: "experiments.flights:load"}

Secrets come from the environment: `${NAME}` inside any text is replaced by that variable, and its
value is never shown. Rows of an `inline` registry are data like any other source's, and are stored:
in them nothing is replaced.
Relative addresses start from the folder of the file, or from the one its key `root` names (such as
`root: ..` for a file in `configs/`), whichever folder a command is typed in.

    checks   keys, numbers and bounds of a section
    metrics  what a configuration writes about metrics
    places   relative addresses made absolute
    stores   the addresses of ledger, MLflow and model files

Touches pydantic; takes a file; gives an `Experiment`; runs on the driver. It is the border: past
it settings are frozen records that the rooms themselves define.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from orchestrator import clusters
from orchestrator.config.checks import LONGEST, keys_of, numbers_of, unknown_key, within
from orchestrator.config.metrics import evaluation_fields
from orchestrator.config.places import anchored, root_of
from orchestrator.config.stores import artifacts_address, ledger_address, tracking_address
from orchestrator.errors import ConfigError
from orchestrator.mlflow.addresses import is_server
from orchestrator.permissions import Addresses
from orchestrator.records import Evaluation, Logs, Search
from orchestrator.redaction import keep_secret
from orchestrator.registry.documents import read_yaml
from orchestrator.registry.guards import Limits
from orchestrator.selection import Gate
from orchestrator.settings import Experiment
from orchestrator.training.parallel_looks import Looks

DEFAULT_PATHS = ("orchestrator.yaml", "configs/flights.yaml")
"""Where the configuration is looked for when neither --config nor the environment names it."""

ENVIRONMENT_VARIABLE = "ORCHESTRATOR_CONFIG"


def find(path: str | None) -> Path:
    """The configuration file to use: the one named, or the first default that exists.

    Raises:
        ConfigError: There is none.
    """
    named = path or os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        if not Path(named).is_file():
            raise ConfigError("there is no such file", file=named)
        return Path(named)
    for default in map(Path, DEFAULT_PATHS):
        if default.is_file():
            return default
    tried = ", ".join(DEFAULT_PATHS)
    raise ConfigError(f"no configuration: name it with --config FILE (looked for {tried})")


def load(path: Path) -> Experiment:
    """The experiment a configuration file describes.

    Raises:
        ConfigError: The file cannot be read, or a key of it is wrong; every wrong key is named.
    """
    return parse(read(path), path)


def read(path: Path) -> dict[str, Any]:
    """What a configuration file holds, as it is written there.

    Raises:
        ConfigError: The file cannot be read, or holds no keys.
    """
    try:
        content = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", file=str(path)) from error
    except ValueError as error:
        raise ConfigError(str(error), file=str(path)) from error
    if not isinstance(content, dict):
        raise ConfigError("must hold keys such as `experiment:` and `registry:`", file=str(path))
    return content


def parse(document: Mapping[str, Any], path: Path) -> Experiment:
    """The experiment that a document describes.

    Args:
        document: What a configuration file holds.
        path: That file.

    Raises:
        ConfigError: A key is wrong; every wrong one is named.
    """
    try:
        settings = _Settings.model_validate(_with_environment(document, path))
        experiment = anchored(settings.experiment_at(path))
        clusters.check(experiment.cluster)
    except ValidationError as error:
        raise ConfigError(_every_problem(error), file=str(path)) from error
    except ConfigError as error:
        raise ConfigError(error.problem, file=str(path), key=error.key) from error
    return replace(experiment, document=document)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Tracking(_Section):
    uri: Annotated[str | None, AfterValidator(tracking_address)] = None
    artifacts: Annotated[str | None, AfterValidator(artifacts_address)] = None
    summary: bool = False
    allow_pickle: bool = False


class _Settings(_Section):
    experiment: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,59}$")]
    root: Any = None
    registry: dict[str, Any]
    evaluation: Annotated[
        Evaluation,
        BeforeValidator(evaluation_fields),
        numbers_of(Evaluation),
        keys_of(Evaluation),
        within("folds", 2, 100_000),
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
        keys_of(clusters.Cluster),
        within("connect_timeout", 0.001, LONGEST),
        within("reconnect_timeout", 0, LONGEST),
    ] = clusters.Cluster()
    tracking: _Tracking = _Tracking()
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
        """`{strategy: random, n_trials: 20}`: what is no field of `Search` is the strategy's."""
        if not isinstance(value, Mapping):
            return value
        common = {field.name for field in fields(Search)} - {"settings"}
        settings = {key: setting for key, setting in value.items() if key not in common}
        return {key: value[key] for key in value if key in common} | {"settings": settings}

    @model_validator(mode="after")
    def _metric_is_measured(self) -> "_Settings":
        evaluation = self.evaluation
        if evaluation.metric not in evaluation.metrics:
            raise ValueError(
                f"evaluation.metric is {evaluation.metric!r}, which is not among "
                f"evaluation.metrics: {', '.join(evaluation.metrics)}"
            )
        return self

    @model_validator(mode="after")
    def _workers_reach_the_models(self) -> "_Settings":
        """Workers write the model files; those of another machine do not see a folder of this."""
        if self.cluster.kind == "remote" and not self.tracking.artifacts and self._artifacts:
            raise ValueError(
                "tracking.artifacts must be written out where `cluster.kind` is remote: a folder "
                "or an address that the workers share with this machine"
            )
        return self

    @property
    def _state(self) -> str:
        return f"state/{self.experiment}"

    @property
    def _tracking_uri(self) -> str:
        return self.tracking.uri or f"sqlite:///{self._state}/mlflow.db"

    @property
    def _artifacts(self) -> str | None:
        """Where model files go; None leaves it to a tracking server, which has a place for them."""
        if self.tracking.artifacts or is_server(self._tracking_uri):
            return self.tracking.artifacts
        return f"{self._state}/artifacts"

    def experiment_at(self, path: Path) -> Experiment:
        return Experiment(
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


_VARIABLE = re.compile(r"\$\{(\w+)\}")
_ROWS = re.compile(r"registry\.((models|customers)\.)?(models|customers)")
"""Where an `inline` registry has its lists."""


def _with_environment(value: Any, path: Path, key: str = "") -> Any:
    """The content with every `${NAME}` replaced by that environment variable."""
    if isinstance(value, Mapping):
        return {k: _with_environment(v, path, f"{key}.{k}" if key else k) for k, v in value.items()}
    if isinstance(value, list) and not _ROWS.fullmatch(key):
        return [_with_environment(item, path, f"{key}[{i}]") for i, item in enumerate(value)]
    if not isinstance(value, str):
        return value
    missing = [name for name in _VARIABLE.findall(value) if name not in os.environ]
    if missing:
        problem = f"the environment variable {missing[0]} is not set"
        raise ConfigError(problem, file=str(path), key=key)
    return _VARIABLE.sub(lambda match: _secret(match.group(1)), value)


def _secret(name: str) -> str:
    """An environment variable's value, which is not shown from now on."""
    value = os.environ[name]
    keep_secret(name, value)
    return value


def _every_problem(error: ValidationError) -> str:
    """All problems, one a line when there are several, each with its key.

    Values are not shown: one of them may be a secret.
    """
    problems = [
        ": ".join(part for part in (_dotted(problem["loc"]), _in_words(problem)) if part)
        for problem in error.errors()
    ]
    if len(problems) == 1:
        return problems[0]
    return f"{len(problems)} problems\n" + "\n".join(f"  {problem}" for problem in problems)


def _dotted(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location))


def _in_words(problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        return unknown_key(str(problem["loc"][-1]), list(_Settings.model_fields))
    if problem["type"] == "missing":
        return "is missing"
    if problem["type"] == "tuple_type":
        return "must be a list"
    message: str = problem["msg"]
    return message.removeprefix("Value error, ")
