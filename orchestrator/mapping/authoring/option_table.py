"""The table of a task's options: the values each takes, its reader and its meaning.

One table serves the checks where an option is written, the values that functions of the item
give, and the table in `docs/mapping.md`. `TaskOptions` gives editors the same information.

Touches no library; pure; used where tasks are defined, and for each item; runs on the driver.
"""

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Final, Literal, TypedDict

from orchestrator.mapping.authoring.key_templates import template_names
from orchestrator.mapping.authoring.limit_groups import Rate
from orchestrator.mapping.authoring.trigger_rules import Rule

NEVER: Final = "never"
"""The value of `cache` with which even a resumed flow run makes a call again."""

RUNS: Final = "runs"
"""The value of `cache` with which later flow runs use a recorded success again."""

PerItem = Callable[..., Any]
"""A function of the item's arguments; it takes those it names."""


class TaskOptions(TypedDict, total=False):
    """The options of a task, as `task` and `Task.options` take them; see `OPTIONS`."""

    name: str | None
    key: str | PerItem | None
    trigger_rule: Rule | str | None
    retries: int | PerItem
    retry_delay: float | dt.timedelta | Callable[[int], float | dt.timedelta]
    retry_on: type[BaseException] | tuple[type[BaseException], ...] | list[type[BaseException]]
    timeout: float | dt.timedelta | PerItem | None
    max_lost: int
    max_active: int | None
    max_active_per_call: int | None
    pool: str | None
    rate: str | None
    min_success: float | None
    max_failures: float | None
    fail_fast: bool
    resources: Mapping[str, float] | PerItem | None
    workers: str | tuple[str, ...] | list[str] | PerItem | None
    priority: float | PerItem
    batch: int | PerItem | None
    runs_on: Literal["cluster", "driver"] | PerItem
    kept_from: int | None
    cache: Literal[False, "runs", "never"] | PerItem
    grows: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option.

    Attributes:
        takes: The values it takes, in words that follow "it must be".
        read: Gives a value as `Options` keeps it; raises ValueError or TypeError for others.
        means: Its effect, in words for the documentation.
        per_item: Whether it may be a function of the item's arguments.
        optional: Whether it may be None.
        callable: Whether it may be a function of something else.
    """

    takes: str
    read: Callable[[Any], Any]
    means: str
    per_item: bool = False
    optional: bool = False
    callable: bool = False


def _whole(least: int) -> Callable[[Any], int]:
    def read(given: Any) -> int:
        if isinstance(given, bool) or not isinstance(given, Integral) or given < least:
            raise ValueError
        return int(given)

    return read


def _number(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, Real) or not math.isfinite(given):
        raise ValueError
    return float(given)


def _seconds(given: Any) -> float:
    seconds = given.total_seconds() if isinstance(given, dt.timedelta) else _number(given)
    if seconds < 0:
        raise ValueError
    return seconds


def _share(given: Any) -> float:
    """A number of instances as an int, or a share of them as a float of at most 1."""
    number = _number(given)
    if number < 0 or (number > 1 and number != int(number)):
        raise ValueError
    return int(number) if isinstance(given, Integral) or number > 1 else number


def _flag(given: Any) -> bool:
    if not isinstance(given, bool):
        raise TypeError
    return given


def _text(given: Any) -> str:
    if not isinstance(given, str) or not given.strip():
        raise ValueError
    return given


def _name(given: Any) -> str:
    if re.search("[@/]", _text(given)):
        raise ValueError
    return str(given)


def _template(given: Any) -> str:
    template_names(_text(given))
    return str(given)


def _exceptions(given: Any) -> tuple[type[BaseException], ...]:
    kinds = given if isinstance(given, tuple | list | set | frozenset) else (given,)
    if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
        raise TypeError
    return tuple(kinds)


def _resources(given: Any) -> dict[str, float]:
    if not isinstance(given, Mapping):
        raise TypeError
    read = {_text(name): _number(amount) for name, amount in given.items()}
    if any(amount < 0 for amount in read.values()):
        raise ValueError
    return read


def _workers(given: Any) -> tuple[str, ...]:
    if not isinstance(given, str | tuple | list | set | frozenset):
        raise TypeError
    return (_text(given),) if isinstance(given, str) else tuple(map(_text, given))


def _one_of(*values: Any) -> Callable[[Any], Any]:
    def read(given: Any) -> Any:
        if not any(type(given) is type(value) and given == value for value in values):
            raise ValueError
        return given

    return read


def _rate(given: Any) -> str:
    Rate.read(given)
    return str(given)


_CACHE = (False, RUNS, NEVER)
_NUMBER_OR_SHARE = "a number of instances (3), or a share of them (0.1)"
_SECONDS = "seconds, at least 0 and finite, or a timedelta"

OPTIONS: Final[Mapping[str, Option]] = {
    "name": Option(
        takes='a text without "@" and "/"',
        read=_name,
        optional=True,
        means="the node's name, in place of the function's",
    ),
    "key": Option(
        takes='a template such as "{customer}", with names of arguments in braces',
        read=_template,
        per_item=True,
        optional=True,
        means="an instance's lasting name",
    ),
    "trigger_rule": Option(
        takes=f"one of {', '.join(Rule)}",
        read=Rule,
        optional=True,
        means="when an instance runs; None lets plain calls and reduces have their own rule",
    ),
    "retries": Option(
        takes="a whole number, at least 0",
        read=_whole(0),
        per_item=True,
        means="attempts after the first",
    ),
    "retry_delay": Option(
        takes=f"{_SECONDS}, or a function of the attempt's number that gives one",
        read=_seconds,
        callable=True,
        means="the time before the first retry, doubled for each further one",
    ),
    "retry_on": Option(
        takes="an exception class, or several in a tuple or list",
        read=_exceptions,
        means="exceptions worth a retry",
    ),
    "timeout": Option(
        takes=_SECONDS,
        read=_seconds,
        per_item=True,
        optional=True,
        means="the time an attempt may take",
    ),
    "max_lost": Option(
        takes="a whole number, at least 0",
        read=_whole(0),
        means="dead workers an instance survives before it counts as the cause",
    ),
    "max_active": Option(
        takes="a whole number, at least 1",
        read=_whole(1),
        optional=True,
        means="instances running at once, of all calls of the task in the flow run",
    ),
    "max_active_per_call": Option(
        takes="a whole number, at least 1",
        read=_whole(1),
        optional=True,
        means="instances of one call running at once, such as of one coordinator's",
    ),
    "pool": Option(
        takes="the name of one of the flow's pools",
        read=_text,
        optional=True,
        means="the pool whose slots and rate its instances share",
    ),
    "rate": Option(
        takes='a number of starts and a unit: "10/s", "100/min", "5000/h" or "9/d"',
        read=_rate,
        optional=True,
        means="instances started per period, of all calls of the task in the flow run",
    ),
    "min_success": Option(
        takes=_NUMBER_OR_SHARE,
        read=_share,
        optional=True,
        means="least successes for the map to count as success",
    ),
    "max_failures": Option(
        takes=_NUMBER_OR_SHARE,
        read=_share,
        optional=True,
        means="most failures for the map to count as success",
    ),
    "fail_fast": Option(
        takes="True or False", read=_flag, means="the first failure cancels its siblings"
    ),
    "resources": Option(
        takes='a dict of names and amounts, such as {"GPU": 1}',
        read=_resources,
        per_item=True,
        optional=True,
        means="the resources of a Dask worker that an instance needs",
    ),
    "workers": Option(
        takes="an address or name of a Dask worker, or several in a list",
        read=_workers,
        per_item=True,
        optional=True,
        means="the workers an instance is restricted to",
    ),
    "priority": Option(
        takes="a finite number",
        read=_number,
        per_item=True,
        means="higher goes first",
    ),
    "batch": Option(
        takes="a whole number, at least 1",
        read=_whole(1),
        per_item=True,
        optional=True,
        means="calls in one Dask task; None lets durations decide",
    ),
    "runs_on": Option(
        takes="one of 'cluster', 'driver'",
        read=_one_of("cluster", "driver"),
        per_item=True,
        means="where an instance runs",
    ),
    "kept_from": Option(
        takes="a whole number of bytes, at least 0",
        read=_whole(0),
        optional=True,
        means="the size from which a result stays on the cluster; None for 64 KiB",
    ),
    "cache": Option(
        takes="one of False, 'runs', 'never'",
        read=_one_of(*_CACHE),
        per_item=True,
        means="whether later flow runs use recorded successes again, or a function that gives "
        "what they depend on",
    ),
    "grows": Option(
        takes="True or False",
        read=_flag,
        means="further calls by one coordinator are more of the same map",
    ),
}


def documented(defaults: Mapping[str, Any]) -> str:
    """The table of the documentation, in Markdown.

    Args:
        defaults: The value of each option that is not given.
    """
    rows = ["| option | takes | default | means |", "|---|---|---|---|"]
    for name, option in OPTIONS.items():
        star = " *" if option.per_item else ""
        takes = option.takes.replace("|", "\\|")
        rows.append(f"| `{name}`{star} | {takes} | `{_shown(defaults[name])}` | {option.means} |")
    return "\n".join(rows)


def _shown(default: Any) -> str:
    return "Exception" if default == (Exception,) else repr(default)
