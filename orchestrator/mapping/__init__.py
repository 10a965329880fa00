"""Dynamic task mapping: tasks, flows, a pure engine, executors. Knows nothing of models.

flows      a flow, and what `run` does with it
flow_run   a flow run that has ended
driver     the loop that joins engine, executor, coordinators, recorder and clock
dask       the executor for a Dask cluster
engine     which instances may start, and what an end means for others; pure
outcomes   how instances ended, as users see it
authoring  tasks, options, nodes, sequences: how a flow is written down
execution  the seam of executors; calls performed, here or on a worker
"""

from orchestrator.mapping.authoring.nodes import FirstEnded
from orchestrator.mapping.authoring.tasks import Task, task
from orchestrator.mapping.driver.coordinators import TaskFailedError
from orchestrator.mapping.driver.progress import NodeProgress
from orchestrator.mapping.driver.recorder import MemoryRecorder, Recorder
from orchestrator.mapping.engine.limits import Pool
from orchestrator.mapping.execution.context import context
from orchestrator.mapping.execution.invoke import Fail, Skip
from orchestrator.mapping.flows import Flow, Run, flow
from orchestrator.mapping.outcomes import Outcome, Outcomes

__all__ = [
    "Fail",
    "FirstEnded",
    "Flow",
    "MemoryRecorder",
    "NodeProgress",
    "Outcome",
    "Outcomes",
    "Pool",
    "Recorder",
    "Run",
    "Skip",
    "Task",
    "TaskFailedError",
    "context",
    "flow",
    "task",
]
