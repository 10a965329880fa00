"""Nodes and references: the graph of a flow as its author writes it. Nothing runs here.

    Node        one call of a task: constants, and what it is mapped over
    Reference   stands for the future result of a node
    FirstEnded  the first of several references whose node has ended
    Scope       collects nodes while a flow's function, or a coordinator, runs

Touches no library; runs on the driver.
"""

import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from orchestrator.errors import FlowError
from orchestrator.mapping.authoring.sequences import Lazy, Origin, lazy
from orchestrator.mapping.execution.own_arguments import UNCHANGEABLE

if TYPE_CHECKING:
    from orchestrator.mapping.authoring.tasks import Task

_scope: ContextVar["Scope | None"] = ContextVar("scope", default=None)


def current_scope() -> "Scope | None":
    """The scope that collects calls of tasks at present; None outside a flow."""
    return _scope.get()


@dataclass(eq=False, slots=True, kw_only=True)
class Node:
    """One call of a task in a flow.

    Attributes:
        name: `add`, a second one `add_2`; called by a coordinator, `add@tune`. Name and key
            together name an instance in its flow run.
        task: The task that is called.
        constants: Arguments equal for all instances; may hold references.
        items: The sequence it is mapped over: a `Product` for `expand`, dicts for
            `expand_kwargs`; None for a plain call.
        strict: For `expand_kwargs`: an item may not override a constant.
        prefix: The key of the coordinator it belongs to; "" in a flow.
        parent: The coordinator's instance; None in a flow.
    """

    name: str
    task: "Task[..., Any]"
    constants: dict[str, Any]
    items: Lazy | None = None
    strict: bool = True
    prefix: str = ""
    parent: Origin | None = None


class Reference(Lazy):
    """Stands for the future result of a node; can be an argument, and be mapped over.

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

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            return Picked(self, (index,))
        raise self._unknown("cannot be indexed")

    def __iter__(self) -> Iterator[Any]:
        raise self._unknown("cannot be iterated")

    def __bool__(self) -> bool:
        raise self._unknown("is neither true nor false")

    def __reduce__(self) -> NoReturn:
        raise FlowError(
            f"{self!r} is hidden inside an argument; a reference may be an argument itself, or "
            "stand in a list, tuple or dict"
        )

    def name(self, index: int) -> str | None:  # noqa: ARG002 - asked for only once it is bound
        """Unknown until the node has run."""
        return None

    def _unknown(self, problem: str) -> FlowError:
        return FlowError(
            f"{self!r} {problem} while the flow is built: its value is known only after "
            "it has run. Do this inside a task, or use expand(), .map(), .zip() or .concat()"
        )


class Listed(Lazy):
    """A list, tuple or dict whose items are or hold references: known once these have ended."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.references = tuple(references(value))

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, index: int) -> Any:
        raise FlowError(f"item {index} is known once {self.references[0]!r} has run")

    def name(self, index: int) -> str | None:  # noqa: ARG002 - asked for only once it is bound
        """Unknown until the nodes have run."""
        return None


class Picked(Lazy):
    """`reference["key"]`: one instance of a mapped node, or one entry of what a plain call gave.

    Attributes:
        reference: The node's.
        path: The keys, from the outside in.
    """

    def __init__(self, reference: Reference, path: tuple[str, ...]) -> None:
        self.reference, self.path = reference, path

    def __repr__(self) -> str:
        return f"{self.reference!r}[{']['.join(map(repr, self.path))}]"

    def __len__(self) -> int:
        raise self._refused()

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            return Picked(self.reference, (*self.path, key))
        raise self._refused()

    def __iter__(self) -> Iterator[Any]:
        raise self._refused()

    def __reduce__(self) -> NoReturn:
        self.reference.__reduce__()

    def name(self, index: int) -> str | None:  # noqa: ARG002 - it is never mapped over
        """None: it is an argument."""
        return None

    def _refused(self) -> FlowError:
        return FlowError(
            f"{self!r} can be an argument of a task; to map over it, return it from a task"
        )


class FirstEnded:
    """Awaited in a coordinator, gives the first of several references whose call has ended.

    If several have ended, it gives the first in their order. The choice depends on how long calls
    take, so the result of a coordinator that uses it may differ from run to run.

    Args:
        references: At least one, of calls of this coordinator or of its flow.
    """

    def __init__(self, references: Iterable[Reference]) -> None:
        self.references = tuple(references)

    def __await__(self) -> Generator["FirstEnded", Any, Reference]:
        ended: Reference = yield self
        return ended


class Scope:
    """Collects the nodes of a flow being built, or of a running coordinator.

    Args:
        title: The flow or coordinator, for messages.
        prefix: The key of the coordinator; its nodes' keys begin with it.
        of: The name of the coordinator's node. Its nodes' names end with it, so that two
            coordinators over the same customers may call the same task: `evaluate@choose`.
    """

    def __init__(self, title: str, prefix: str = "", of: str = "") -> None:
        self.title, self.prefix = title, prefix
        self.nodes: list[Node] = []
        self.unexpanded: list[Any] = []
        self._of = f"@{of}" if of else ""
        self._taken = 0
        self._names: dict[str, int] = {}

    def add(self, node: Node) -> Reference:
        """Add a node under a name that is unique here, unless its task has the option `grows`."""
        name = node.name
        if not node.task.settings.grows:
            while name in self._names:
                self._names[node.name] += 1
                name = f"{node.name}_{self._names[node.name]}"
        self._names.setdefault(name, 1)
        node.name, node.prefix = f"{name}{self._of}", self.prefix
        self.nodes.append(node)
        return Reference(node)

    def fresh(self) -> list[Node]:
        """The nodes added since the last call."""
        new, self._taken = self.nodes[self._taken :], len(self.nodes)
        return new

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Collect calls of tasks in this scope while the context lasts."""
        token = _scope.set(self)
        try:
            yield
        finally:
            _scope.reset(token)

    def warn_of_unexpanded(self) -> None:
        """Warn about partials that were never expanded: their task does not run."""
        for partial in self.unexpanded:
            warnings.warn(
                f"{self.title}: {partial!r} was never expanded, so it does not run",
                UserWarning,
                stacklevel=4,
            )


def mappable(value: Any) -> Lazy:
    """A value as a lazy sequence; its items may be references, or hold some at any depth."""
    has_items = isinstance(value, Lazy | Sequence | Mapping | set | frozenset)
    if isinstance(value, Iterable) and not has_items and not hasattr(value, "itertuples"):
        value = list(value)
    if isinstance(value, list | tuple | Mapping) and next(references(value), None) is not None:
        return Listed(value)
    sequence = lazy(value)
    for leaf in sequence.leaves():
        if isinstance(leaf, Picked):
            len(leaf)  # raises the error that explains why not
    return sequence


def taken_of(value: Any) -> Iterator[Lazy]:
    """The outermost references in an argument, and sequences made of them by map, zip or a key."""
    pending, seen = [value], set[int]()
    while pending:
        part = pending.pop()
        if isinstance(part, Lazy):
            yield part
        elif type(part) not in UNCHANGEABLE and id(part) not in seen:
            seen.add(id(part))
            pending.extend(reversed(_parts(part)))


def references(value: Any) -> Iterator[Reference]:
    """The references in an argument: itself, or in lists, tuples, dicts and dataclasses.

    Raises:
        FlowError: One stands where it cannot be replaced: in a set, or as the key of a dict.
    """
    pending, seen = [value], set[int]()
    while pending:
        part = pending.pop()
        if type(part) in UNCHANGEABLE or id(part) in seen:
            continue
        if isinstance(part, Reference):
            yield part
            continue
        seen.add(id(part))
        pending.extend(reversed(_parts(part)))


def _parts(value: Any) -> Sequence[Any]:
    """The parts of an argument that may hold references."""
    parts: Sequence[Any] = ()
    if isinstance(value, Lazy):
        parts = _parts_of_lazy(value)
    elif isinstance(value, Mapping):
        _require_none_in(value, "the key of a dict")
        parts = [*value.values()]
    elif isinstance(value, set | frozenset):
        _require_none_in(value, "a member of a set")
    elif isinstance(value, list | tuple):
        parts = value
    elif is_dataclass(value) and not isinstance(value, type):
        parts = [getattr(value, field.name, None) for field in fields(value)]
    return parts


def _parts_of_lazy(value: Lazy) -> Sequence[Lazy]:
    if isinstance(value, Picked):
        return (value.reference,)
    if isinstance(value, Listed):
        return value.references
    return [leaf for leaf in value.leaves() if leaf is not value]


def _require_none_in(values: Iterable[Any], what: str) -> None:
    for value in values:
        if isinstance(value, Lazy):
            raise FlowError(
                f"{value!r} is {what}; it can stand in a list, tuple, dict or dataclass"
            )


def resolved(value: Any, known: Callable[[Lazy], Any]) -> Any:
    """An argument with every reference, and every sequence made of references, replaced."""
    if isinstance(value, Lazy):
        return known(value)
    if next(references(value), None) is None:
        return value
    if isinstance(value, Mapping):
        return {key: resolved(part, known) for key, part in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        filled = copy(value)
        for field in fields(value):
            if hasattr(value, field.name):
                part = resolved(getattr(value, field.name), known)
                object.__setattr__(filled, field.name, part)
        return filled
    parts = [resolved(part, known) for part in value]
    kind = type(value)
    if hasattr(kind, "_make"):
        return kind._make(parts)
    return parts if isinstance(value, list) else tuple(parts)
