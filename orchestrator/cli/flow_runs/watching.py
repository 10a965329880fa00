"""How a flow run is watched: bars on a terminal, metrics; whichever is asked for.

Touches no library itself; takes what was typed; gives an observer for `Flow.run`; driver.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from orchestrator.cli.flow_runs.run_options import RunOptions
from orchestrator.cli.rendering.progress import showing_progress
from orchestrator.mapping import NodeProgress
from orchestrator.mapping.driver.progress import Observer


@contextmanager
def watching(how: RunOptions, title: str, ledger: str) -> Iterator[Observer]:
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
        if not how.log_json:
            observers.append(stack.enter_context(showing_progress(title)))
        if how.metrics is not None:
            from orchestrator.api.metrics import (
                serving_metrics,  # late: only where it is wanted
            )

            observers.append(stack.enter_context(serving_metrics(how.metrics, ledger)).observe)

        def observe(nodes: Sequence[NodeProgress]) -> None:
            for observer in observers:
                observer(nodes)

        yield observe
