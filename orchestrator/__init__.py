"""Trains a model per customer: mapped tasks on Dask, every trial in MLflow.

    import orchestrator

    experiment = orchestrator.Experiment.from_file("orchestrator.yaml")
    report = experiment.run()

The names below are the public ones: an experiment and what its methods return; flows and tasks;
what a loader, source, strategy, recorder or observer is written with; the errors. Each is imported
when it is first used, so that `import orchestrator` takes no time. `orchestrator.testing` holds
contract tests for what you add.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.api.experiment import Experiment
    from orchestrator.clusters.kinds import ClusterKind, ClusterTraits
    from orchestrator.clusters.settings import Cluster
    from orchestrator.errors import (
        ConfigError,
        FlowError,
        HeldError,
        MachineryError,
        OrchestratorError,
        RegistryError,
        StoppedError,
        UsageError,
    )
    from orchestrator.events.occurrences import (
        FlowRunBegan,
        FlowRunEnded,
        GuardRefused,
        MlflowBehind,
        Promoted,
    )
    from orchestrator.events.stream import EventObserver
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.ledger.trial_rows import RecordedTrial
    from orchestrator.maintenance.findings import Diagnosis, Finding
    from orchestrator.mapping.authoring.nodes import FirstEnded
    from orchestrator.mapping.authoring.tasks import Task, task
    from orchestrator.mapping.driver.coordinators import TaskFailedError
    from orchestrator.mapping.driver.progress import NodeProgress
    from orchestrator.mapping.driver.recorder import MemoryRecorder, Recorder
    from orchestrator.mapping.engine.limits import Pool
    from orchestrator.mapping.execution.context import context
    from orchestrator.mapping.execution.invoke import Fail, Skip
    from orchestrator.mapping.flow_run import Run
    from orchestrator.mapping.flows import Flow, flow
    from orchestrator.mapping.outcomes import Outcome, Outcomes
    from orchestrator.pipeline.explanation import Why
    from orchestrator.pipeline.plan import Plan
    from orchestrator.pipeline.report import Report
    from orchestrator.promotion.sync import Sent
    from orchestrator.records import (
        Customer,
        Evaluation,
        FlowRun,
        InstanceLog,
        InstanceRecord,
        ModelSpec,
        Promotion,
        Search,
        State,
        Study,
        Trial,
        TrialResult,
    )
    from orchestrator.records.measures import Measure
    from orchestrator.registry.sources import Listing, Source, Unreadable
    from orchestrator.reports.customer_trials import CustomerTrials
    from orchestrator.reports.status import CustomerStatus, Life, Status
    from orchestrator.search.strategies import Strategy
    from orchestrator.search.traits import Traits
    from orchestrator.settings import ExperimentSettings
    from orchestrator.training.data import Data, DataError

    __version__: str

_HOMES = {
    "clusters.kinds": (
        "ClusterKind",
        "ClusterTraits",
    ),
    "clusters.settings": ("Cluster",),
    "events.occurrences": (
        "FlowRunBegan",
        "FlowRunEnded",
        "GuardRefused",
        "MlflowBehind",
        "Promoted",
    ),
    "events.stream": ("EventObserver",),
    "records.measures": ("Measure",),
    "search.traits": ("Traits",),
    "api.experiment": ("Experiment",),
    "errors": (
        "ConfigError",
        "FlowError",
        "HeldError",
        "MachineryError",
        "OrchestratorError",
        "RegistryError",
        "StoppedError",
        "UsageError",
    ),
    "ledger.ledger": ("Ledger",),
    "ledger.trial_rows": ("RecordedTrial",),
    "maintenance.findings": ("Diagnosis", "Finding"),
    "mapping.authoring.nodes": ("FirstEnded",),
    "mapping.authoring.tasks": ("Task", "task"),
    "mapping.driver.coordinators": ("TaskFailedError",),
    "mapping.driver.progress": ("NodeProgress",),
    "mapping.driver.recorder": ("MemoryRecorder", "Recorder"),
    "mapping.engine.limits": ("Pool",),
    "mapping.execution.context": ("context",),
    "mapping.execution.invoke": ("Fail", "Skip"),
    "mapping.flow_run": ("Run",),
    "mapping.flows": ("Flow", "flow"),
    "mapping.outcomes": ("Outcome", "Outcomes"),
    "pipeline.explanation": ("Why",),
    "pipeline.plan": ("Plan",),
    "pipeline.report": ("Report",),
    "promotion.sync": ("Sent",),
    "records": (
        "Customer",
        "Evaluation",
        "FlowRun",
        "InstanceLog",
        "InstanceRecord",
        "ModelSpec",
        "Promotion",
        "Search",
        "State",
        "Study",
        "Trial",
        "TrialResult",
    ),
    "registry.sources": ("Listing", "Source", "Unreadable"),
    "reports.customer_trials": ("CustomerTrials",),
    "reports.status": ("CustomerStatus", "Life", "Status"),
    "search.strategies": ("Strategy",),
    "settings": ("ExperimentSettings",),
    "training.data": ("Data", "DataError"),
}
"""The module of each public name; the imports above say the same to type checkers."""

_HOME_OF = {name: f"orchestrator.{home}" for home, names in _HOMES.items() for name in names}

__all__ = [
    "Cluster",
    "ClusterKind",
    "ClusterTraits",
    "ConfigError",
    "Customer",
    "CustomerStatus",
    "CustomerTrials",
    "Data",
    "DataError",
    "Diagnosis",
    "Evaluation",
    "EventObserver",
    "Experiment",
    "ExperimentSettings",
    "Fail",
    "Finding",
    "FirstEnded",
    "Flow",
    "FlowError",
    "FlowRun",
    "FlowRunBegan",
    "FlowRunEnded",
    "GuardRefused",
    "HeldError",
    "InstanceLog",
    "InstanceRecord",
    "Ledger",
    "Life",
    "Listing",
    "MachineryError",
    "Measure",
    "MemoryRecorder",
    "MlflowBehind",
    "ModelSpec",
    "NodeProgress",
    "OrchestratorError",
    "Outcome",
    "Outcomes",
    "Plan",
    "Pool",
    "Promoted",
    "Promotion",
    "RecordedTrial",
    "Recorder",
    "RegistryError",
    "Report",
    "Run",
    "Search",
    "Sent",
    "Skip",
    "Source",
    "State",
    "Status",
    "StoppedError",
    "Strategy",
    "Study",
    "Task",
    "TaskFailedError",
    "Traits",
    "Trial",
    "TrialResult",
    "Unreadable",
    "UsageError",
    "Why",
    "__version__",
    "context",
    "flow",
    "task",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name == "__version__":
        found: Any = version("orchestrator")
    elif name in _HOME_OF:
        found = getattr(import_module(_HOME_OF[name]), name)
    else:
        raise AttributeError(f"module 'orchestrator' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
