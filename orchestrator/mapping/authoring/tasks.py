"""Tasks: functions that become an instance, or many, when called inside a flow.

Every mistake is a `FlowError` (a TypeError) when the flow is built, naming task and argument.
Touches no library; runs on the driver.
"""

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Generic, ParamSpec, TypeVar, Unpack, overload

from orchestrator.errors import FlowError
from orchestrator.mapping.authoring.nodes import (
    Node,
    Reference,
    Scope,
    current_scope,
    mappable,
    references,
)
from orchestrator.mapping.authoring.options import Options, TaskOptions, checked, shortened
from orchestrator.mapping.authoring.product import Product
from orchestrator.mapping.authoring.sequences import Items, Lazy
from orchestrator.user_code import shown

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Task(Generic[P, R]):
    """A function that becomes instances of a flow when called inside one.

    Type checkers hold its calls to the function's own signature. What a call or an expansion gives,
    a `Reference` when the program runs, is of any type to them, so that other tasks take it in
    place of a value.

    Attributes:
        function: The plain function.
        settings: Its options.
        follows: The calls it waits for without taking their results; see `after`.
        coordinates: Whether it is an `async def` that runs on the driver and awaits other tasks.
    """

    function: Callable[P, R]
    settings: Options = field(default_factory=Options)
    follows: tuple[Reference, ...] = ()
    coordinates: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # Computed once: the engine asks several times for each instance.
        object.__setattr__(self, "coordinates", _is_async(self.function))

    @property
    def name(self) -> str:
        """The function's name, or the one its options give."""
        return self.settings.name or _name_of(self.function)

    def options(self, **options: Unpack[TaskOptions]) -> "Task[P, R]":
        """The same task with other options; see `Options`.

        Raises:
            FlowError: An option is unknown, or has a value it cannot have.
        """
        takes_any = _catch_all(self.function) is not None
        arguments = None if takes_any else [p.name for p in _parameters(self.function)]
        read = checked(self.name, options, arguments)
        settings = replace(self.settings, **read)
        if self.coordinates and settings.pool is not None:
            raise FlowError(
                f"task {self.name!r} is a coordinator, which would hold a slot of pool "
                f"{settings.pool!r} while what it calls waits for one: give pool= to those tasks"
            )
        return replace(self, settings=settings)

    def after(self, *calls: Reference) -> "Task[P, R]":
        """The same task, run only once other calls have ended, whose results it does not take.

        Its trigger rule counts them like those of its arguments: by default none runs after a
        call that failed or was skipped.

        Args:
            *calls: The references that calls of tasks gave.

        Raises:
            FlowError: One of them is not the result of a call.
        """
        for call in calls:
            if not isinstance(call, Reference):
                raise FlowError(
                    f"task {self.name!r}: after() takes the results of calls of tasks, not {call!r}"
                )
        return replace(self, follows=(*self.follows, *calls))

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Add one instance with these arguments, and return a `Reference` to its result."""
        scope = _current_scope(self)
        try:
            bound = inspect.signature(self.function).bind(*args, **kwargs)
        except TypeError as error:
            raise FlowError(f"task {self.name!r}: {error}") from None
        arguments = dict(bound.arguments)
        arguments |= arguments.pop(_catch_all(self.function) or "", {})
        _require_resolvable(self, arguments)
        return scope.add(Node(name=self.name, task=self, constants=arguments))

    def partial(self, /, **constants: Any) -> "Partial":
        """Set arguments that all instances share; `expand` or `expand_kwargs` has to follow."""
        scope = _current_scope(self)
        _require_known(self, "partial", constants)
        _require_resolvable(self, constants)
        partial = Partial(self, constants, scope)
        scope.unexpanded.append(partial)
        return partial

    def expand(self, /, **axes: Any) -> Any:
        """One instance for each element of the cross product, the last keyword fastest."""
        return Partial(self, {}, _current_scope(self)).expand(**axes)

    def expand_kwargs(self, items: Any, *, strict: bool = True) -> Any:
        """One instance for each dict of arguments."""
        return Partial(self, {}, _current_scope(self)).expand_kwargs(items, strict=strict)


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """A task with some arguments given, waiting to be expanded."""

    task: Task[..., Any]
    constants: dict[str, Any]
    scope: Scope

    def __repr__(self) -> str:
        return f"{self.task.name}.partial({', '.join(self.constants)})"

    def partial(self, /, **constants: Any) -> "Partial":
        """More arguments that all instances share."""
        _require_known(self.task, "partial", constants)
        self._require_new("partial", constants)
        _require_resolvable(self.task, constants)
        self._leave()
        more = Partial(self.task, {**self.constants, **constants}, self.scope)
        self.scope.unexpanded.append(more)
        return more

    def expand(self, /, **axes: Any) -> Any:
        """One instance for each element of the cross product, the last keyword fastest.

        Args:
            **axes: For each argument, a list, dict, other iterable, or reference.
        """
        if not axes:
            raise FlowError(f"task {self.task.name!r}: expand() needs at least one argument")
        _require_known(self.task, "expand", axes)
        self._require_new("expand", axes)
        _require_complete(self.task, {*self.constants, *axes})
        product = Product({name: self._axis(name, value) for name, value in axes.items()})
        return self._add(product)

    def expand_kwargs(self, items: Any, *, strict: bool = True) -> Any:
        """One instance for each dict of arguments.

        Args:
            items: A list of dicts and references to dicts, or one reference to such a list.
            strict: Whether an item may not override an argument of `partial`.
        """
        sequence = self._axis("expand_kwargs", items)
        if isinstance(sequence, Items):
            for index in range(len(sequence)):
                place = f"item {index}"
                check_item(self.task, sequence[index], self.constants, strict=strict, place=place)
        return self._add(sequence, strict=strict)

    def _axis(self, name: str, value: Any) -> Lazy:
        try:
            sequence = mappable(value)
            if isinstance(sequence, Items) and self.task.settings.key is None:
                sequence.require_distinct_names()
        except FlowError as error:
            raise FlowError(f"task {self.task.name!r}, argument {name!r}: {error}") from None
        return sequence

    def _add(self, items: Lazy, *, strict: bool = True) -> Reference:
        self._leave()
        node = Node(
            name=self.task.name,
            task=self.task,
            constants=self.constants,
            items=items,
            strict=strict,
        )
        return self.scope.add(node)

    def _leave(self) -> None:
        if self in self.scope.unexpanded:
            self.scope.unexpanded.remove(self)

    def _require_new(self, method: str, given: Mapping[str, Any]) -> None:
        twice = sorted(given.keys() & self.constants.keys())
        if twice:
            raise FlowError(
                f"task {self.task.name!r}: {method}() is given {twice[0]!r}, "
                "which partial() has set already"
            )


@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(**options: Unpack[TaskOptions]) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def task(
    function: Callable[..., Any] | None = None, /, **options: Unpack[TaskOptions]
) -> Task[..., Any] | Callable[[Callable[..., Any]], Task[..., Any]]:
    """Make a task of a function; used bare or with options.

    Args:
        function: Becomes the task's instances.
        **options: The options of the instances; docs/mapping.md has each of them.

    Raises:
        FlowError: The function has arguments that cannot be given by name, or an option is wrong.
    """
    if function is None:
        return lambda function: task(function).options(**options)
    if isinstance(function, Task):
        return function
    if not callable(function):
        kind = type(function).__name__
        raise FlowError(
            f"a task is made of a function, not of a {kind}: {shortened(shown(function))}"
        )
    name = _name_of(function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise FlowError(
            f"task {name!r} is a generator function, whose items can be read only once: return a "
            "list of them"
        )
    for parameter in _parameters(function):
        if parameter.kind in {parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL}:
            raise FlowError(
                f"task {name!r}: argument {parameter.name!r} cannot be given by name, which "
                "mapping needs"
            )
    return Task(function)


def _name_of(function: Callable[..., Any]) -> str:
    """The name of a function, of the function in a partial, or of a callable object's class."""
    while isinstance(function, functools.partial):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))


def _is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine; a callable object counts by its `__call__`."""
    while isinstance(function, functools.partial):
        function = function.func
    called = getattr(type(function), "__call__", None)  # noqa: B004 - of an object, not whether
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


def check_item(
    of: Task[..., Any], item: Any, given: Collection[str], *, strict: bool, place: str
) -> None:
    """Refuse an item of `expand_kwargs` that cannot be a call's arguments.

    Args:
        of: The task.
        item: The item.
        given: Names of the arguments that `partial` has set.
        strict: Whether it may not override one of them.
        place: The item's place, for the message.

    Raises:
        FlowError: It is not a dict, or names an argument that is unknown or given already.
    """
    if not isinstance(item, Mapping):
        kind = type(item).__name__
        raise FlowError(f"task {of.name!r}: {place} of expand_kwargs() is a {kind}, not a dict")
    _require_known(of, f"{place} of expand_kwargs()", item)
    twice = sorted(item.keys() & set(given))
    if strict and twice:
        raise FlowError(
            f"task {of.name!r}: {place} of expand_kwargs() sets {twice[0]!r}, which partial() "
            "has set already; strict=False allows it"
        )
    _require_complete(of, {*given, *item})


def _current_scope(of: Task[..., Any]) -> Scope:
    scope = current_scope()
    if scope is None:
        raise FlowError(
            f"task {of.name!r} is called outside a flow: call it inside a function decorated with "
            f"@flow, or call the plain function as {of.name}.function(...)"
        )
    return scope


def _parameters(function: Callable[..., Any]) -> tuple[inspect.Parameter, ...]:
    try:
        return _known_parameters(function)
    except TypeError:  # an object that cannot be hashed
        return _known_parameters.__wrapped__(function)


@lru_cache
def _known_parameters(function: Callable[..., Any]) -> tuple[inspect.Parameter, ...]:
    """Cached, because thousands of coordinators call tasks."""
    try:
        return tuple(inspect.signature(function).parameters.values())
    except ValueError:
        raise FlowError(
            f"task {_name_of(function)!r} does not say what arguments it takes; wrap it in a "
            "function of your own"
        ) from None


def _catch_all(function: Callable[..., Any]) -> str | None:
    """The name of the function's `**kwargs`; None where it has none."""
    return next((p.name for p in _parameters(function) if p.kind is p.VAR_KEYWORD), None)


def _require_known(of: Task[..., Any], method: str, given: Mapping[str, Any]) -> None:
    names = [p.name for p in _parameters(of.function)]
    if _catch_all(of.function) is not None:
        return
    for name in given:
        if name not in names:
            listed = ", ".join(names) or "none"
            raise FlowError(
                f"task {of.name!r} has no argument {name!r} ({method}); it takes {listed}"
            )


def _require_resolvable(of: Task[..., Any], arguments: Mapping[str, Any]) -> None:
    """Refuse references where nothing can be put in their place, by the argument's name."""
    for name, value in arguments.items():
        try:
            for _ in references(value):
                pass
        except FlowError as error:
            raise FlowError(f"task {of.name!r}, argument {name!r}: {error}") from None


def _require_complete(of: Task[..., Any], given: set[str]) -> None:
    for parameter in _parameters(of.function):
        needed = (
            parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
        )
        if needed and parameter.name not in given:
            raise FlowError(f"task {of.name!r} needs the argument {parameter.name!r}")
