"""A task's options for one instance: its name, its place in the queue, another attempt.

Options may be the user's own functions: their exceptions propagate from here.
Touches no library; pure; takes `NodeState`; runs on the driver.
"""

from collections.abc import Sequence

from orchestrator import keys
from orchestrator.identity import derive_seed
from orchestrator.mapping.authoring.key_templates import key_from, template_parts
from orchestrator.mapping.authoring.options import applied, given_by, value_for
from orchestrator.mapping.engine.events import Start
from orchestrator.mapping.engine.node_state import NodeState

LONGEST_DELAY = 600.0
"""Seconds; the most a retry is delayed, however often the delay was doubled."""


def name_of(state: NodeState, index: int) -> str:
    """The key that the `key` option gives an instance, below that of its coordinator.

    Raises:
        FlowError: The option gave a value that is not a key.
    """
    key, arguments = state.node.task.settings.key, state.arguments(index)
    if callable(key):
        return key_from(applied(key, arguments))
    return keys.join(*(part.format(**arguments) for part in template_parts(str(key))))


def priority_of(state: NodeState, index: int) -> float:
    """An instance's place among its siblings: higher goes first."""
    priority = state.node.task.settings.priority
    if not callable(priority):
        return 0.0
    return float(value_for("priority", priority, state.arguments(index)))


def urgency(state: NodeState) -> tuple[bool, float, int]:
    """A node's place among others, lower goes first: coordinators last, later nodes earlier."""
    task = state.node.task
    priority = task.settings.priority
    return task.coordinates, 0.0 if callable(priority) else -float(priority), -state.number


def delay_of_retry(state: NodeState, index: int) -> float | None:
    """Seconds before an instance is tried again; None when it has no attempt left.

    Doubled for each attempt, and spread by a factor of 0.5 to 1.5, so that items do not crowd; the
    factor follows from key and attempt, so that a flow run can be repeated.
    """
    settings, attempt = state.node.task.settings, state.columns.tries.get(index, 1)
    retries = settings.retries
    if callable(retries):
        retries = value_for("retries", retries, state.arguments(index))
    if attempt > retries:
        return None
    if callable(settings.retry_delay):
        return float(given_by("retry_delay", settings.retry_delay(attempt)))
    spread = 0.5 + derive_seed(attempt, state.node.name, state.names[index]) / 2**32
    doubled = settings.retry_delay * 2 ** min(attempt - 1, 60)
    return float(min(doubled * spread, LONGEST_DELAY))


def starts_of(state: NodeState, taken: Sequence[int]) -> list[Start]:
    """The starts of instances; instances lost before start apart from others."""
    if not state.suspects:
        return [Start(state.number, taken)]
    others = [index for index in taken if index not in state.suspects]
    suspects = [index for index in taken if index in state.suspects]
    starts = [Start(state.number, others), Start(state.number, suspects, suspect=True)]
    return [start for start in starts if start.indices]
