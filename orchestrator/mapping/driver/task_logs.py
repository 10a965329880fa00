"""The output of tasks, as it arrives on the driver: kept, shown, or only counted.

Touches no library; takes the output that calls return; gives `InstanceLog`; runs on the driver.
"""

import sys
from collections.abc import Callable, Sequence

from orchestrator.mapping.engine.node_state import NodeState
from orchestrator.mapping.execution.attempt_log import uncompressed
from orchestrator.mapping.execution.capture import UNKEPT, LogCapture
from orchestrator.mapping.execution.invoke import Performed
from orchestrator.records import InstanceLog
from orchestrator.records.logs import named_lines
from orchestrator.redaction import redacted

Listener = Callable[[InstanceLog], None]
"""Receives an attempt's output once the attempt has ended."""


class LogCollector:
    """Passes on the output of a flow run's tasks.

    Args:
        capture: The rule for capturing their output.
        keep: Records the output; None records nothing.
        show: Shows the output to a person; None shows nothing.

    Attributes:
        unkept: The number of attempts whose output was neither recorded nor shown.
    """

    def __init__(self, capture: LogCapture, keep: Listener | None, show: Listener | None) -> None:
        self.capture, self._keep, self._show = capture, keep, show
        self.unkept = 0

    def take(self, state: NodeState, indices: Sequence[int], performed: Performed) -> None:
        """Take the output of some attempts; called before the engine notes their ends."""
        for position, content in performed.said.items():
            if content == UNKEPT:
                self.unkept += 1
                continue
            index = indices[position]
            log = InstanceLog(
                flow_run=self.capture.flow_run,
                node=state.node.name,
                key=state.names[index],
                attempt=state.columns.tries.get(index, 1),
                text=redacted(uncompressed(content)),
            )
            failure = performed.failures.get(position)
            if self._show is not None:
                self._show(log)
            if self._keep is not None and self.capture.keeps(failure):
                self._keep(log)


def print_log(log: InstanceLog) -> None:
    """Print an attempt's output."""
    sys.stdout.write("".join(f"{line}\n" for line in named_lines(log)))
