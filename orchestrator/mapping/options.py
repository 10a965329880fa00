"""How a task's instances run: the options of a task, and their values for one instance.

Touches no library; records; made where a task is defined, read by engine and executors.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Final, Literal

from orchestrator.errors import FlowError
from orchestrator.mapping.executing import Placement
from orchestrator.mapping.rules import Rule

NEVER: Final = "never"
"""The value of `cache` with which even a flow run that goes on makes a call again."""

PerItem = Callable[..., Any]
"""A function of the item's arguments; it takes those it names."""

_PER_ITEM = frozenset(
    {"retries", "timeout", "resources", "workers", "priority", "batch", "runs_on", "cache", "key"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a task. Those marked * may be a function of the item's arguments.

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
        max_lost: Dead workers an instance survives before it is taken for the culprit.
        max_active: Instances running at once in the whole flow run: those of all calls of the task
            that have this option count together.
        max_active_per_call: Instances of one call running at once, such as of one coordinator's.
        pool: The pool of the flow, `@flow(pools={"api": 4})`, whose slots its instances take.
        rate: How many instances of the task start in a time, "10/s", over the whole flow run.
        min_success: Least successes, a number or a share, for the map to count as success.
        max_failures: Most failures, a number or a share, for the map to count as success.
        fail_fast: The first failure cancels its siblings.
        resources: * Of a Dask worker.
        workers: * Dask workers it is restricted to.
        priority: * Higher goes first.
        batch: * Calls in one Dask task; None lets it be learnt.
        runs_on: * "cluster" or "driver".
        kept_from: Bytes from which a result stays on the cluster; None for 64 KiB. A result that
            is to be recorded must go to the driver.
        cache: Whether recorded successes of a mapped task are used again by later flow runs; or *
            a function that gives, as text, what the result depends on, None for "do not". Where
            the flow run itself goes on, they always are, and those of plain calls too: unless
            it is "never", for what leaves something behind in the driver's memory.
        grows: Further calls by the same coordinator are more of the same map, under one name; a
            `key` must tell all their instances apart.
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
    workers: str | tuple[str, ...] | list[str] | PerItem | None = None
    priority: float | PerItem = 0
    batch: int | PerItem | None = None
    runs_on: Literal["cluster", "driver"] | PerItem = "cluster"
    kept_from: int | None = None
    cache: bool | Literal["never"] | PerItem = True
    grows: bool = False

    @property
    def vary(self) -> bool:
        """Whether any option that a start depends on is a function of the item."""
        return any(callable(getattr(self, name)) for name in _PER_ITEM - {"cache", "key"})


_NAMES = [field.name for field in fields(Options)]


def checked(task: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Options as `Options` takes them.

    Raises:
        FlowError: An option is unknown or has a value it cannot have; the task is named.
    """
    for name, value in given.items():
        if name not in _NAMES:
            raise FlowError(f"task {task!r} has no option {name!r}; there are {', '.join(_NAMES)}")
        if callable(value) and name not in _PER_ITEM | {"retry_delay", "retry_on"}:
            raise FlowError(f"task {task!r}: option {name!r} cannot be a function of the item")
    options = dict(given)
    if options.get("trigger_rule") is not None:
        options["trigger_rule"] = _rule(task, options["trigger_rule"])
    if isinstance(options.get("retry_on"), type):
        options["retry_on"] = (options["retry_on"],)
    for name, least in (
        ("retries", 0),
        ("timeout", 0),
        ("max_active", 1),
        ("max_active_per_call", 1),
        ("max_lost", 0),
        ("kept_from", 0),
    ):
        _require_at_least(task, name, options.get(name), least)
    _require_one_of(task, "runs_on", options, ("cluster", "driver"))
    _require_one_of(task, "cache", options, (True, False, NEVER))
    return options


def _rule(task: str, rule: str) -> Rule:
    try:
        return Rule(rule)
    except ValueError:
        known = ", ".join(Rule)
        raise FlowError(f"task {task!r}: no trigger rule {rule!r}; there are {known}") from None


def _require_one_of(
    task: str, name: str, options: Mapping[str, Any], values: Sequence[Any]
) -> None:
    given = options.get(name, values[0])
    if given not in values and not callable(given):
        known = ", ".join(map(repr, values))
        raise FlowError(f"task {task!r}: {name} is {given!r}; it must be one of {known}")


def _require_at_least(task: str, name: str, value: Any, least: float) -> None:
    if value is None or callable(value):
        return
    if not isinstance(value, int | float) or isinstance(value, bool) or value < least:
        raise FlowError(f"task {task!r}: {name} is {value!r}; it must be at least {least}")


def value_for(option: Any, arguments: Mapping[str, Any]) -> Any:
    """An option's value for one item: itself, or what it gives for the item's arguments."""
    return applied(option, arguments) if callable(option) else option


def applied(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """A function called with those of the arguments that it names, or all with `**kwargs`."""
    names = _names_taken(function)
    if names is None:
        return function(**arguments)
    return function(**{name: arguments[name] for name in names if name in arguments})


@lru_cache
def _names_taken(function: Callable[..., Any]) -> tuple[str, ...] | None:
    """The parameters a function names, None with `**kwargs`; asked for again at every item."""
    parameters = inspect.signature(function).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    return None if takes_all else tuple(parameters)


def placement(options: Options, arguments: Mapping[str, Any]) -> Placement:
    """Where and how the instance with these arguments wants to run."""
    resources = value_for(options.resources, arguments) or {}
    workers = value_for(options.workers, arguments) or ()
    return Placement(
        priority=value_for(options.priority, arguments),
        resources=tuple(sorted(resources.items())),
        workers=(workers,) if isinstance(workers, str) else tuple(workers),
        timeout=value_for(options.timeout, arguments),
        batch=value_for(options.batch, arguments),
        kept_from=options.kept_from,
    )
