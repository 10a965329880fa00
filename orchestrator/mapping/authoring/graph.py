"""The graph of a flow, to be looked at before anything runs: as records, text and Mermaid.

Touches no library; takes the nodes `Flow.build` gives; pure; runs on the driver.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from orchestrator.mapping.authoring.nodes import Listed, Node, Reference, Scope, references
from orchestrator.mapping.authoring.sequences import Items, Lazy


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One node of the graph.

    Attributes:
        name: The node's name.
        step: The longest way to it from the flow's start, from 1; one step may run side by side.
        mapped: Whether it is more than one call.
        count: Its instances; None when that is known only at run time.
        coordinates: Whether it calls further tasks while it runs, which no graph can show.
        each_of: The nodes it maps over: an instance for each of their items.
        all_of: The mapped nodes it takes as a whole, as a reduce does.
        takes: The plain calls whose values it takes.
        after: The nodes it waits for without taking their results.
    """

    name: str
    step: int
    mapped: bool
    count: int | None
    coordinates: bool
    each_of: tuple[str, ...]
    all_of: tuple[str, ...]
    takes: tuple[str, ...]
    after: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """`add [6]`, `add [?]`, or just `report`."""
        if not self.mapped:
            return self.name
        return f"{self.name} [{'?' if self.count is None else f'{self.count:,}'}]"


def graph(scope: Scope) -> list[Box]:
    """The nodes of a flow that was built, in the order in which they may run.

    Raises:
        FlowError: Lists that are zipped strictly differ in length.
    """
    boxes: dict[str, Box] = {}
    for node in scope.nodes:  # a node refers to earlier ones only
        boxes[node.name] = _box(node, boxes)
    return sorted(boxes.values(), key=lambda box: box.step)


def as_text(boxes: Sequence[Box]) -> str:
    """One line a node, under the number of its step, with what it waits for."""
    width = max((len(box.title) for box in boxes), default=0)
    lines, step = [], 0
    for box in boxes:
        number = "" if box.step == step else str(box.step)
        step = box.step
        lines.append(f"{number:>3}  {box.title:<{width}}  {_waits_for(box)}".rstrip())
    return "\n".join(lines)


def as_mermaid(boxes: Sequence[Box]) -> str:
    """A Mermaid flowchart; thick arrows are reduces, coordinators have rounded ends."""
    numbers = {box.name: f"n{number}" for number, box in enumerate(boxes)}
    lines = ["flowchart LR"]
    for box in boxes:
        opening, closing = ("([", "])") if box.coordinates else ("[", "]")
        lines.append(f'    {numbers[box.name]}{opening}"{box.title}"{closing}')
    for box in boxes:
        for kind, names in (
            ("-->|each|", box.each_of),
            ("==>|all|", box.all_of),
            ("-->", box.takes),
            ("-.->", box.after),
        ):
            lines += [f"    {numbers[name]} {kind} {numbers[box.name]}" for name in names]
    return "\n".join(lines)


def _box(node: Node, before: Mapping[str, Box]) -> Box:
    each_of, whole = _each_of(node), _whole(node)
    after = _names(node.task.follows)
    upstream = [before[name] for name in (*each_of, *whole, *after)]
    return Box(
        name=node.name,
        step=1 + max((box.step for box in upstream), default=0),
        mapped=node.items is not None,
        count=_count(node, before),
        coordinates=node.task.coordinates,
        each_of=each_of,
        all_of=tuple(name for name in whole if before[name].mapped),
        takes=tuple(name for name in whole if not before[name].mapped),
        after=after,
    )


def _each_of(node: Node) -> tuple[str, ...]:
    """The nodes it maps over."""
    leaves = () if node.items is None else node.items.leaves()
    return _names(leaf for leaf in leaves if isinstance(leaf, Reference))


def _whole(node: Node) -> tuple[str, ...]:
    """The nodes it takes as a whole: as an argument, or as one item of a list."""
    leaves = () if node.items is None else node.items.leaves()
    given = (reference for value in node.constants.values() for reference in references(value))
    listed = (r for leaf in leaves if isinstance(leaf, Listed) for r in leaf.references)
    return _names(chain(given, listed))


def _names(found: Iterable[Reference]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(reference.node.name for reference in found))


def _count(node: Node, before: Mapping[str, Box]) -> int | None:
    """The number of instances; None where only the run can show it."""
    if node.items is None:
        return 1
    sources = [
        before[leaf.node.name] for leaf in node.items.leaves() if isinstance(leaf, Reference)
    ]
    if any(not source.mapped or source.count is None for source in sources):
        return None
    return len(node.items.bound(lambda leaf: _counted(leaf, before)))


def _counted(leaf: Lazy, before: Mapping[str, Box]) -> Lazy:
    """A stand-in with the length of a mapped node."""
    if not isinstance(leaf, Reference):
        return leaf
    return Items(range(before[leaf.node.name].count or 0))


def _waits_for(box: Box) -> str:
    parts = []
    if box.each_of:
        parts.append(f"for each of {' x '.join(box.each_of)}")
    if box.all_of:
        parts.append(f"all of {', '.join(box.all_of)}")
    if box.takes:
        parts.append(f"with {', '.join(box.takes)}")
    if box.after:
        parts.append(f"after {', '.join(box.after)}")
    if box.coordinates:
        parts.append("calls further tasks")
    return ", ".join(parts)
