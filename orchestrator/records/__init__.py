"""The frozen records that flow between rooms; each contains the one before it.

    Snapshot -> Study -> Trial -> TrialResult -> Decision -> Promotion
    ExperimentRun, FileRun, ErasureRun -> FlowRun -> InstanceRecord, InstanceLog

    lists      the registry's lists
    measures   what trials are measured by
    studies    studies, trials and their results
    decisions  decisions on served models, and promotions
    flow_runs  flow runs and instances
    logs       the output of attempts
    pickling   records that pickle fast

Touches no library; has no behaviour beyond names derived from its own fields; driver and workers.
All times are seconds since the epoch (UTC), all durations seconds.
"""

from orchestrator.records.decisions import (
    Decision,
    DeployedVersion,
    PassedOver,
    Promotion,
    PromotionState,
    StoredFile,
    WrittenModel,
)
from orchestrator.records.flow_runs import (
    ErasureRun,
    ExperimentRun,
    FileRun,
    FlowRun,
    InstanceRecord,
    RerunChoice,
    RunOrigin,
    State,
    own_fingerprint,
)
from orchestrator.records.lists import (
    Customer,
    Distribution,
    Grid,
    Json,
    ModelSpec,
    Params,
    Rejected,
    Selector,
    Snapshot,
    Step,
    grid_content,
)
from orchestrator.records.logs import InstanceLog, KeptLogs, Logs
from orchestrator.records.measures import MEASURES, OF_TRIAL, Direction, Measure
from orchestrator.records.studies import (
    CHAMPION,
    Budget,
    Constraint,
    Evaluation,
    Search,
    Study,
    Trial,
    TrialResult,
    TrialState,
    study_key,
)

__all__ = [
    "CHAMPION",
    "MEASURES",
    "OF_TRIAL",
    "Budget",
    "Constraint",
    "Customer",
    "Decision",
    "DeployedVersion",
    "Direction",
    "Distribution",
    "ErasureRun",
    "Evaluation",
    "ExperimentRun",
    "FileRun",
    "FlowRun",
    "Grid",
    "InstanceLog",
    "InstanceRecord",
    "Json",
    "KeptLogs",
    "Logs",
    "Measure",
    "ModelSpec",
    "Params",
    "PassedOver",
    "Promotion",
    "PromotionState",
    "Rejected",
    "RerunChoice",
    "RunOrigin",
    "Search",
    "Selector",
    "Snapshot",
    "State",
    "Step",
    "StoredFile",
    "Study",
    "Trial",
    "TrialResult",
    "TrialState",
    "WrittenModel",
    "grid_content",
    "own_fingerprint",
    "study_key",
]
