"""Small tasks of which flows are written down, and the run of such a flow.

Touches the public names of `orchestrator.mapping`. Driver side.
"""

from orchestrator.mapping import (
    Task,
    flow,
    task,
)


@task
def add(x, y=1):
    return x + y


@task
def itself(x):
    return x


@task
def as_list(values):
    return list(values)


@task
def invert(x):
    return 1 / x


def states(outcomes):
    return [str(outcome.state) for outcome in outcomes.items()]


def run_of(write_down, client=None, **run_options):
    """A run of the flow that a function writes down."""
    function = (lambda: write_down()) if isinstance(write_down, Task) else write_down  # noqa: PLW0108 - a task is no flow
    return flow(name="written")(function).run(client, **run_options)
