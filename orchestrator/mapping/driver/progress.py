"""The progress of a flow run, for its observers.

Touches no library; takes an engine; gives counts. Runs on the driver.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.mapping.engine.engine import Engine
from orchestrator.mapping.engine.node_state import NodeState
from orchestrator.records import State


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeProgress:
    """The progress of all nodes with one name.

    Attributes:
        name: The node's name; nodes of several coordinators share it.
        total: The number of known instances; None while it is unknown.
        counts: The ended instances, by state.
        running: The number of instances under way.
    """

    name: str
    total: int | None
    counts: Mapping[State, int]
    running: int


Observer = Callable[[Sequence[NodeProgress]], None]


def progress(engine: Engine) -> list[NodeProgress]:
    """The progress of a flow run, by the names of its nodes."""
    by_name: dict[str, list[NodeState]] = {}
    for state in engine.counted:
        by_name.setdefault(state.node.name, []).append(state)
    return [_progress(name, states) for name, states in by_name.items()]


def _progress(name: str, states: Sequence[NodeState]) -> NodeProgress:
    counts: Counter[State] = Counter()
    for state in states:
        counts.update(state.counts)
        if state.closed is not None:
            counts[state.closed] += 1
    lengths = [state.length for state in states]
    known = [length for length in lengths if length is not None]
    total = None if len(known) < len(lengths) else sum(known) + sum(1 for s in states if s.closed)
    return NodeProgress(
        name=name, total=total, counts=dict(counts), running=sum(state.running for state in states)
    )
