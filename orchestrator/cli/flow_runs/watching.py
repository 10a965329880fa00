"""The observers of a flow run that were requested: bars on a terminal, metrics.

Touches no library itself; takes the typed options; gives an observer for `Flow.run`; driver.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from orchestrator.cli.flow_runs.run_options import RunOptions
from orchestrator.cli.rendering.progress import showing_progress
from orchestrator.mapping import NodeProgress
from orchestrator.mapping.driver.progress import Observer


@contextmanager
def watching(how: RunOptions, title: str, ledger: str) -> Iterator[Observer]:
    """Yield an observer that shows progress in the requested ways within the block.

    Args:
        how: The options of the command.
        title: The line above the bars.
        ledger: The address of the ledger that metrics report on.

    Raises:
        UsageError: Metrics cannot be served at that address.
    """
    observers: list[Observer] = []
    with ExitStack() as stack:
        if not how.log_json:
            observers.append(stack.enter_context(showing_progress(title)))
        if how.metrics is not None:
            from orchestrator.api.metrics import (
                serving_metrics,  # late: only if metrics are requested
            )

            observers.append(stack.enter_context(serving_metrics(how.metrics, ledger)).observe)

        def observe(nodes: Sequence[NodeProgress]) -> None:
            for observer in observers:
                observer(nodes)

        yield observe
