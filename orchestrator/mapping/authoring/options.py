"""The options of a task, and their values for one instance.

Touches no library; records; made where a task is defined, read by engine and executors.
"""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from orchestrator.errors import FlowError
from orchestrator.mapping.authoring.key_templates import template_names
from orchestrator.mapping.authoring.option_table import NEVER, OPTIONS, Option, PerItem, TaskOptions
from orchestrator.mapping.authoring.trigger_rules import Rule
from orchestrator.mapping.execution.executor import Placement
from orchestrator.user_code import shown

_PER_ITEM = frozenset(name for name, option in OPTIONS.items() if option.per_item)
_VARYING = _PER_ITEM - {"cache", "key"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a task; each one marked * may be a function of the item's arguments.

    Attributes:
        name: The node's name; the task's own when None.
        key: * An instance's lasting name, or a template such as "{customer}".
        trigger_rule: When an instance runs. None means `all_success` of the plain calls it takes,
            and `none_failed_min_one_success` of the mapped tasks it reduces, so that a skipped
            gate holds it back and filtering by `Skip` works.
        retries: * Attempts after the first.
        retry_delay: Seconds before the first retry, doubled for each further one; or a function
            of the attempt's number that gives the seconds.
        retry_on: Exceptions worth a retry.
        timeout: * Seconds an attempt may take.
        max_lost: Dead workers an instance survives before it counts as the cause.
        max_active: Instances running at once in the whole flow run, counted over all calls of the
            task that have this option.
        max_active_per_call: Instances of one call running at once, such as of one coordinator's.
        pool: The pool of the flow, `@flow(pools={"api": 4})`, whose slots its instances take.
        rate: The most instances of the task that start per period, "10/s", in the whole flow run.
        min_success: Least successes, a number or a share, for the map to count as success.
        max_failures: Most failures, a number or a share, for the map to count as success.
        fail_fast: The first failure cancels its siblings.
        resources: * The resources of a Dask worker that an instance needs.
        workers: * Dask workers it is restricted to.
        priority: * Higher goes first.
        batch: * Calls in one Dask task; None lets measured durations decide.
        runs_on: * "cluster" or "driver".
        kept_from: Bytes from which a result stays on the cluster; None for 64 KiB. A result that
            is to be recorded must go to the driver.
        cache: "runs" lets later flow runs use recorded successes of a mapped task again, where
            code and arguments are the same; or * a function that gives, as text, what the result
            depends on, None for "do not". A flow run that is resumed always uses its own, those
            of plain calls too, unless this is "never": for calls that leave something behind in
            the driver's memory.
        grows: Further calls by the same coordinator are more of the same map, under one name; a
            `key` must distinguish all their instances.
    """

    name: str | None = None
    key: str | PerItem | None = None
    trigger_rule: Rule | None = None
    retries: int | PerItem = 0
    retry_delay: float | Callable[[int], float] = 0.0
    retry_on: tuple[type[BaseException], ...] = (Exception,)
    timeout: float | PerItem | None = None
    max_lost: int = 3
    max_active: int | None = None
    max_active_per_call: int | None = None
    pool: str | None = None
    rate: str | None = None
    min_success: float | None = None
    max_failures: float | None = None
    fail_fast: bool = False
    resources: Mapping[str, float] | PerItem | None = None
    workers: tuple[str, ...] | PerItem | None = None
    priority: float | PerItem = 0
    batch: int | PerItem | None = None
    runs_on: Literal["cluster", "driver"] | PerItem = "cluster"
    kept_from: int | None = None
    cache: Literal[False, "runs", "never"] | PerItem = False
    grows: bool = False

    @property
    def vary(self) -> bool:
        """Whether any option that a start depends on is a function of the item."""
        return any(callable(getattr(self, name)) for name in _VARYING)


def checked(
    task: str, given: Mapping[str, Any], arguments: Collection[str] | None = None
) -> dict[str, Any]:
    """Check options and convert them to the form `Options` keeps.

    Args:
        task: The task's name, for messages.
        given: Options by name.
        arguments: The arguments that the task takes; None where it takes any.

    Raises:
        FlowError: An option is unknown or has a value it cannot have; the task is named.
    """
    options = {}
    for name, value in given.items():
        option = OPTIONS.get(name)
        if option is None:
            raise FlowError(f"task {task!r} has no option {name!r}; there are {', '.join(OPTIONS)}")
        try:
            options[name] = _read(name, option, value, arguments)
        except (ValueError, TypeError, OverflowError) as error:
            because = f" ({error})" if isinstance(error, _RefusedError) else ""
            raise FlowError(
                f"task {task!r}: {name} is {shortened(shown(value))}{because}; it must be "
                f"{option.takes}{_also(option)}"
            ) from None
    return options


class _RefusedError(ValueError):
    """A value is refused for a reason of its own."""


def _read(name: str, option: Option, value: Any, arguments: Collection[str] | None) -> Any:
    if value is None and option.optional:
        return None
    if callable(value) and not isinstance(value, type):
        if option.per_item:
            _require_arguments(_names_needed(value), arguments)
            return value
        if option.callable:
            return value
        raise _RefusedError(f"{name} cannot be a function of the item")
    read = option.read(value)
    if name == "key":
        _require_arguments(template_names(value), arguments)
    return read


def _require_arguments(names: Sequence[str], arguments: Collection[str] | None) -> None:
    unknown = [name for name in names if arguments is not None and name not in arguments]
    if unknown:
        raise _RefusedError(f"it names {unknown[0]!r}, which is not an argument of the task")


def _names_needed(function: Callable[..., Any]) -> Sequence[str]:
    """The arguments without which a function of the item cannot be called."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        raise _RefusedError("its arguments are unknown; wrap it in a lambda") from None
    named = {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    return [p.name for p in parameters if p.kind in named and p.default is p.empty]


def _also(option: Option) -> str:
    also = ", or a function of the item's arguments" if option.per_item else ""
    return f"{also}, or None" if option.optional else also


def value_for(name: str, option: Any, arguments: Mapping[str, Any]) -> Any:
    """An option's value for one item: the value itself, or its function applied to the item.

    Raises:
        FlowError: A function gave a value that the option does not take.
    """
    return given_by(name, applied(option, arguments)) if callable(option) else option


def given_by(name: str, value: Any) -> Any:
    """Check and convert the value that a function of the item gave.

    Raises:
        FlowError: The option does not take it.
    """
    option = OPTIONS[name]
    if value is None and option.optional:
        return None
    try:
        return option.read(value)
    except (ValueError, TypeError, OverflowError):
        raise FlowError(
            f"option {name!r} gave {shortened(shown(value))}; it must be {option.takes}"
        ) from None


def applied(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """A function called with those of the arguments that it names, or all with `**kwargs`."""
    names = _names_taken(function)
    if names is None:
        return function(**arguments)
    return function(**{name: arguments[name] for name in names if name in arguments})


def _names_taken(function: Callable[..., Any]) -> tuple[str, ...] | None:
    """The parameters a function names, None with `**kwargs`."""
    try:
        return _names_known(function)
    except TypeError:  # an object that cannot be hashed
        return _names_known.__wrapped__(function)


@lru_cache
def _names_known(function: Callable[..., Any]) -> tuple[str, ...] | None:
    """Cached, because every item needs it."""
    parameters = inspect.signature(function).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return None if takes_all else tuple(parameters)


def placement(options: Options, arguments: Mapping[str, Any]) -> Placement:
    """The placement that the instance with these arguments asks for."""
    resources = value_for("resources", options.resources, arguments) or {}
    return Placement(
        priority=value_for("priority", options.priority, arguments),
        resources=tuple(sorted(resources.items())),
        workers=value_for("workers", options.workers, arguments) or (),
        timeout=value_for("timeout", options.timeout, arguments),
        batch=value_for("batch", options.batch, arguments),
        kept_from=options.kept_from,
    )


def shortened(text: str, most: int = 100) -> str:
    """A text for a message, cut where it is long."""
    return text if len(text) <= most else f"{text[:most]}..."


__all__ = [
    "NEVER",
    "OPTIONS",
    "Options",
    "PerItem",
    "TaskOptions",
    "applied",
    "checked",
    "given_by",
    "placement",
    "shortened",
    "value_for",
]
