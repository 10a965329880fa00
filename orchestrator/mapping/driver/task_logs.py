"""What tasks said, as it arrives on the driver: kept, shown, or only counted.

Touches no library; takes what came back with calls; gives `InstanceLog`; runs on the driver.
"""

import sys
from collections.abc import Callable, Sequence

from orchestrator.mapping.engine.node_state import NodeState
from orchestrator.mapping.execution.attempt_log import uncompressed
from orchestrator.mapping.execution.capture import UNKEPT, Hearing
from orchestrator.mapping.execution.invoke import Performed
from orchestrator.records import InstanceLog
from orchestrator.records.logs import named_lines
from orchestrator.redaction import redacted

Listener = Callable[[InstanceLog], None]
"""Is given what an attempt said, once that has ended."""


class Said:
    """Hands on what the tasks of a flow run say.

    Args:
        hearing: What is heard of them.
        keep: Where it is recorded; None for nowhere.
        show: Where a person sees it; None for nowhere.

    Attributes:
        unkept: How many attempts said something that was neither recorded nor shown.
    """

    def __init__(self, hearing: Hearing, keep: Listener | None, show: Listener | None) -> None:
        self.hearing, self._keep, self._show = hearing, keep, show
        self.unkept = 0

    def take(self, state: NodeState, indices: Sequence[int], performed: Performed) -> None:
        """Take what some attempts said; told before it is noted how they ended."""
        for position, content in performed.said.items():
            if content == UNKEPT:
                self.unkept += 1
                continue
            index = indices[position]
            log = InstanceLog(
                flow_run=self.hearing.flow_run,
                node=state.node.name,
                key=state.names[index],
                attempt=state.columns.tries.get(index, 1),
                text=redacted(uncompressed(content)),
            )
            failure = performed.failures.get(position)
            if self._show is not None:
                self._show(log)
            if self._keep is not None and self.hearing.keeps(failure):
                self._keep(log)


def print_log(log: InstanceLog) -> None:
    """Print what an attempt said."""
    sys.stdout.write("".join(f"{line}\n" for line in named_lines(log)))
