"""Progress bars for the nodes of a running flow, on stderr if it is a terminal.

Touches rich; gives an observer for `Flow.run`; runs on the driver.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from orchestrator.escapes import visible
from orchestrator.mapping import NodeProgress
from orchestrator.mapping.driver.progress import Observer
from orchestrator.records import State

_FAILED = (State.FAILED, State.UPSTREAM_FAILED)


@contextmanager
def showing_progress(title: str) -> Iterator[Observer]:
    """Yield an observer that draws its progress within the block, but not in a pipe."""
    if not sys.stderr.isatty():
        yield _ignore
        return
    # rich is imported for terminals only: pipes do not need it
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[done]}"),
        TextColumn("{task.fields[failed]}", style="red"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        # Tasks' prints would break the bars apart, unless they are redirected.
        redirect_stdout=sys.stdout.isatty(),
    )
    bars: dict[str, TaskID] = {}

    def show(nodes: Sequence[NodeProgress]) -> None:
        for node in nodes:
            if node.name not in bars:
                bars[node.name] = progress.add_task(visible(node.name), done="", failed="")
            ended = sum(node.counts.values())
            failed = sum(node.counts.get(state, 0) for state in _FAILED)
            progress.update(
                bars[node.name],
                total=node.total,
                completed=ended,
                done=f"{ended:,}/{'?' if node.total is None else f'{node.total:,}'}",
                failed=f"{failed:,} failed" if failed else "",
            )

    progress.console.print(visible(title), markup=False, highlight=False)
    with progress:
        yield show


def _ignore(_nodes: Sequence[NodeProgress]) -> None:
    """Ignore progress."""
