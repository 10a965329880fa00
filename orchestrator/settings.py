"""The settings of an experiment, checked and frozen.

Touches no library; made by `orchestrator.config` from a file, or by hand; runs on the driver.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from orchestrator.clusters import Cluster
from orchestrator.permissions import Addresses
from orchestrator.records import Evaluation, Logs, Search
from orchestrator.registry.guards import Limits
from orchestrator.selection import Gate
from orchestrator.training.parallel_looks import Looks


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSettings:
    """The settings of one project: its lists, the comparison of candidates, and its stores.

    Attributes:
        name: MLflow's experiment, and the first part of its registered models' names.
        registry: The source's name under `source`, and the source's own settings.
        evaluation: The loader, and how candidates are compared.
        search: The choice of trials.
        limits: The limits of one run; beyond them it refuses to start without `--accept`.
        gate: The conditions under which a challenger replaces a champion.
        cluster: The cluster on which mapped tasks run.
        ledger: The ledger's SQLAlchemy URL.
        tracking: MLflow's tracking URI.
        artifacts: The folder or URL of model files; None leaves it to a tracking server.
        summary: Whether each flow run with news gets a run of its own in MLflow, with its report.
        allow_pickle: Whether models that skops cannot hold may be pickled.
        retrain_on: `environment` trains everything again when the version of scikit-learn differs
            from the one that results were scored with; None only reports it.
        addresses: The addresses that rows of the registry may name.
        versions: The limits of time for looking up the versions of customers' data.
        tolerance: The share of trials that may fail before a flow run counts as failed.
        grace: The seconds that running tasks have to end when a flow run is interrupted.
        study_timeout: The seconds after which a study that still runs counts as failed and its
            worker is ended; for a study whose trials are distributed, the seconds of one trial.
            None for no limit.
        logs: The output of tasks that is kept.
        config: The file it was read from, for messages.
        root: The folder that relative addresses in lists and rows start from, and that the loader
            is imported from; None stands for the current folder.
        document: The content of the file, as written; None when it was made by hand.
    """

    name: str
    registry: Mapping[str, Any]
    evaluation: Evaluation
    search: Search = field(default_factory=Search)
    limits: Limits = field(default_factory=Limits)
    gate: Gate = field(default_factory=Gate)
    cluster: Cluster = field(default_factory=Cluster)
    ledger: str
    tracking: str
    artifacts: str | None = None
    summary: bool = False
    allow_pickle: bool = False
    retrain_on: Literal["environment"] | None = None
    addresses: Addresses = field(default_factory=Addresses)
    versions: Looks = field(default_factory=Looks)
    tolerance: float = 0.0
    grace: float = 30.0
    study_timeout: float | None = None
    logs: Logs = field(default_factory=Logs)
    config: str | None = None
    root: Path | None = None
    document: Mapping[str, Any] | None = None
