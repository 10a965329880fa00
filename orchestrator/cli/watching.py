"""How a flow run is watched: bars on a terminal, JSON lines, metrics; whichever is asked for.

Touches no library itself; takes what was typed; gives an observer for `Flow.run`; driver.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from orchestrator.cli import logs, output
from orchestrator.cli.progress import showing_progress
from orchestrator.mapping import NodeProgress
from orchestrator.mapping.run import Observer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """How a flow run is watched.

    Attributes:
        log_json: Write every event as a line of JSON on stderr, and draw no bars.
        metrics: Serve Prometheus metrics at this port, or host and port.
    """

    log_json: bool = False
    metrics: str | None = None

    def say(self, message: str) -> None:
        """A message for people, on stderr; a line of JSON among others."""
        if self.log_json:
            logger.info("%s", message)
        else:
            output.say(message)


@contextmanager
def watching(how: Watching, title: str, ledger: str) -> Iterator[Observer]:
    """While it lasts, what the yielded observer is told is shown as was asked for.

    Args:
        how: What was asked for.
        title: Stands above the bars.
        ledger: The ledger's address, which metrics count in.

    Raises:
        UsageError: Metrics cannot be served there.
    """
    observers: list[Observer] = []
    with ExitStack() as stack:
        if how.log_json:
            stack.enter_context(logs.as_json_lines())
        else:
            observers.append(stack.enter_context(showing_progress(title)))
        if how.metrics is not None:
            from orchestrator.cli.metrics import serving_metrics  # late: only where it is wanted

            observers.append(stack.enter_context(serving_metrics(how.metrics, ledger)).observe)

        def observe(nodes: Sequence[NodeProgress]) -> None:
            for observer in observers:
                observer(nodes)

        yield observe
