"""Nodes and references: the graph of a flow, as it is written down. Nothing runs here.

    Node        one call of a task: constants, and what it is mapped over
    Reference   stands for what a node will have returned
    FirstEnded  of several of these, one whose node has ended
    Scope       where nodes are collected while a flow's function, or a coordinator, is running

Touches no library; runs on the driver.
"""

import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from itertools import chain, count
from typing import TYPE_CHECKING, Any, NoReturn

from orchestrator.errors import FlowError
from orchestrator.mapping.sequences import Concat, Items, Lazy, Origin, lazy

if TYPE_CHECKING:
    from orchestrator.mapping.tasks import Task

_scope: ContextVar["Scope | None"] = ContextVar("scope", default=None)


def current_scope() -> "Scope | None":
    """Where calls of tasks go at present; None outside a flow."""
    return _scope.get()


@dataclass(eq=False, slots=True, kw_only=True)
class Node:
    """One call of a task in a flow.

    Attributes:
        name: `add`, a second one `add_2`; called by a coordinator, `add@tune`. Name and key
            together name an instance in its flow run.
        task: What is called.
        constants: Arguments equal for all instances; may hold references.
        items: What it is mapped over: a `Product` for `expand`, dicts for `expand_kwargs`; None
            for a plain call.
        strict: For `expand_kwargs`: an item may not override a constant.
        prefix: The key of the coordinator it belongs to; "" in a flow.
        parent: The coordinator's instance; None in a flow.
    """

    name: str
    task: "Task"
    constants: dict[str, Any]
    items: Lazy | None = None
    strict: bool = True
    prefix: str = ""
    parent: Origin | None = None


class Reference(Lazy):
    """Stands for what a node will have returned; can be an argument, and be mapped over.

    In a coordinator it can be awaited: a plain call gives its value, a mapped one its `Outcomes`.
    """

    def __init__(self, node: Node) -> None:
        self.node = node

    def __await__(self) -> Generator["Reference", Any, Any]:
        return (yield self)

    def __repr__(self) -> str:
        return f"<reference to {self.node.name!r}>"

    def __len__(self) -> int:
        raise self._unknown("has no length")

    def __getitem__(self, index: int) -> Any:
        raise self._unknown("cannot be indexed")

    def __iter__(self) -> Iterator[Any]:
        raise self._unknown("cannot be iterated")

    def __bool__(self) -> bool:
        raise self._unknown("is neither true nor false")

    def __reduce__(self) -> NoReturn:
        raise FlowError(
            f"{self!r} is hidden inside an argument; references may be arguments themselves, or "
            "stand in lists, tuples and dicts"
        )

    def name(self, index: int) -> str | None:  # noqa: ARG002 - asked for only once it is bound
        """Unknown until the node has run."""
        return None

    def _unknown(self, problem: str) -> FlowError:
        return FlowError(
            f"{self!r} {problem} while the flow is built: its value is known when it has run. "
            "Do this inside a task, or use expand(), .map(), .zip() or .concat()"
        )


class OneItem(Lazy):
    """A node's single value as one item of a list."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> Any:
        return self.reference[index]

    def name(self, index: int) -> str | None:  # noqa: ARG002 - it has none
        """None: it is one of a list."""
        return None

    def bound(self, known: Callable[[Lazy], Lazy]) -> Lazy:
        """What the node's value has become."""
        return known(self)

    def origins(self, index: int) -> tuple[Origin, ...]:  # noqa: ARG002 - of what it is bound to
        """Known once it is bound."""
        return ()


class FirstEnded:
    """Awaited in a coordinator, it gives one of several references whose call has ended.

    The first in their order, as soon as there is one. Which that is depends on how long calls take,
    so what a coordinator makes of it may differ from run to run.

    Args:
        references: At least one, of calls of this coordinator or of its flow.
    """

    def __init__(self, references: Iterable[Reference]) -> None:
        self.references = tuple(references)

    def __await__(self) -> Generator["FirstEnded", Any, Reference]:
        ended: Reference = yield self
        return ended


class Scope:
    """Where nodes are collected: a flow being built, or a coordinator that is running.

    Args:
        title: For messages.
        prefix: The key of the coordinator, which its nodes' keys begin with.
        of: The name of the coordinator's node, with which its nodes' names end, so that two
            coordinators over the same customers may call the same task: `evaluate@choose`.
    """

    def __init__(self, title: str, prefix: str = "", of: str = "") -> None:
        self.title, self.prefix = title, prefix
        self.nodes: list[Node] = []
        self.unexpanded: list[Any] = []
        self._of = f"@{of}" if of else ""
        self._taken = 0
        self._names: set[str] = set()

    def add(self, node: Node) -> Reference:
        """Take a node in, under a name that is unique here, unless its task says otherwise."""
        names = chain([node.name], (f"{node.name}_{number}" for number in count(2)))
        grows = node.task.settings.grows
        name = next(name for name in names if grows or name not in self._names)
        self._names.add(name)
        node.name, node.prefix = f"{name}{self._of}", self.prefix
        self.nodes.append(node)
        return Reference(node)

    def fresh(self) -> list[Node]:
        """The nodes added since this was last asked."""
        new, self._taken = self.nodes[self._taken :], len(self.nodes)
        return new

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Calls of tasks go into this scope meanwhile."""
        token = _scope.set(self)
        try:
            yield
        finally:
            _scope.reset(token)

    def warn_of_unexpanded(self) -> None:
        """Tell of partials that were never expanded: their task does not run."""
        for partial in self.unexpanded:
            warnings.warn(
                f"{self.title}: {partial!r} was never expanded, so it does not run",
                UserWarning,
                stacklevel=4,
            )


def mappable(value: Any) -> Lazy:
    """A value as a lazy sequence; references inside a list stand for one item each."""
    if isinstance(value, list | tuple) and any(isinstance(item, Reference) for item in value):
        return Concat(
            [OneItem(item) if isinstance(item, Reference) else Items([item]) for item in value]
        )
    return lazy(value)


def references(value: Any) -> Iterator[Reference]:
    """The references in an argument: itself, or inside lists, tuples and dicts."""
    if isinstance(value, Reference):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from references(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from references(part)
    elif isinstance(value, Lazy):
        raise FlowError(
            f"a {type(value).__name__.lower()} of a reference can be mapped over with expand(), "
            "but not be a plain argument"
        )


def resolved(value: Any, known: Callable[[Reference], Any]) -> Any:
    """An argument with every reference in it replaced."""
    if isinstance(value, Reference):
        return known(value)
    if next(references(value), None) is None:
        return value
    if isinstance(value, Mapping):
        return {key: resolved(part, known) for key, part in value.items()}
    parts: Sequence[Any] = value
    return type(parts)(resolved(part, known) for part in parts)  # type: ignore[call-arg]  # list or tuple
