"""Trains a model per customer: mapped tasks on Dask, every trial in MLflow.

The public names for flows of one's own:

    from orchestrator import context, flow, task
"""

from orchestrator.mapping import (
    Fail,
    Flow,
    Outcome,
    Outcomes,
    Pool,
    Run,
    Skip,
    Task,
    TaskFailedError,
    context,
    flow,
    task,
)

__all__ = [
    "Fail",
    "Flow",
    "Outcome",
    "Outcomes",
    "Pool",
    "Run",
    "Skip",
    "Task",
    "TaskFailedError",
    "context",
    "flow",
    "task",
]
