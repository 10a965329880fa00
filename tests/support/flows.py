"""Small tasks of which flows are written down, and the run of such a flow.

Touches the public names of `orchestrator.mapping`. Driver side.
"""

from typing import Any

from orchestrator.mapping import (
    Task,
    flow,
    task,
)
from orchestrator.mapping.flow_run import Run


@task
def add(x: Any, y: Any = 1) -> Any:
    """The sum of two values."""
    return x + y


@task
def itself(x: Any) -> Any:
    """The value itself."""
    return x


@task
def as_list(values: Any) -> list[Any]:
    """The values of a map."""
    return list(values)


@task
def invert(x: float) -> float:
    """Fails for zero."""
    return 1 / x


def states(outcomes: Any) -> list[str]:
    """The state of each instance of a map."""
    return [str(outcome.state) for outcome in outcomes.items()]


def run_of(write_down: Any, client: Any = None, **run_options: Any) -> Run:
    """The run of the flow that a function writes down."""
    function = (lambda: write_down()) if isinstance(write_down, Task) else write_down  # noqa: PLW0108 - a task is not a flow
    return flow(name="written")(function).run(client=client, **run_options)
