"""Tasks' logs: the rule for keeping them, and the text of one attempt.

Touches no library; data only; driver and workers.
"""

from dataclasses import dataclass
from typing import Literal

from orchestrator import keys
from orchestrator.escapes import visible, visible_lines

KeptLogs = Literal["failed", "all", "none"]
"""The attempts whose logs are kept: failed ones, all, or none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """The output of tasks that is kept: what they print, log and warn of.

    Attributes:
        keep: The attempts whose output is kept: those that failed, all, or none.
        bytes: The most bytes kept of one attempt; of longer output, the beginning and the end are
            kept.
    """

    keep: KeptLogs = "failed"
    bytes: int = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceLog:
    """The prints, logs and warnings of one attempt of an instance.

    Attributes:
        flow_run: The flow run's id.
        node: The node's name in the flow.
        key: The instance's lasting name; "" for a task that is not mapped.
        attempt: The number of the attempt, from 1.
        text: Lines, each with its end.
    """

    flow_run: str
    node: str
    key: str
    attempt: int
    text: str


def named_lines(log: InstanceLog) -> list[str]:
    """The lines of a log, each with the name of the instance: `[evaluate acme/tree] line`.

    Characters that would change how a terminal looks are written as escapes.
    """
    name = visible(f"{log.node} {keys.readable(log.key)}" if log.key else log.node)
    return [f"[{name}] {visible_lines(line)}" for line in log.text.splitlines()]
