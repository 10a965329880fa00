"""Performing calls: the one place where users' functions are called, on a worker or in-process.

Touches no library; takes a function and columns of arguments; gives a `Performed`, in which a
raised exception is a value (law 2). Everything in it can be pickled.
"""

import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import GeneratorType
from typing import Any, Literal

from orchestrator.mapping.execution.own_arguments import UNCHANGEABLE, Copies, own
from orchestrator.user_code import RaisedError, described, is_of_person, said, traced

Cause = Literal["raised", "timed_out", "lost"]
"""The cause of a failure: the call raised, took too long, or lost its worker too often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The reason why a call has no value.

    Attributes:
        cause: Whether it raised, timed out, or was lost with its workers.
        skipped: Whether it raised `Skip`.
        retryable: Whether another attempt may be made.
        error: The exception's type and message, or the reason given; all its lines.
        traceback: The traceback, for the ledger and for people.
    """

    cause: Cause = "raised"
    skipped: bool = False
    retryable: bool = False
    error: str
    traceback: str = ""


@dataclass(slots=True)
class Performed:
    """The ends of some calls, with one entry for each call in every sequence.

    Attributes:
        values: The returned values; None where a call failed.
        failures: By position, the reason why a call has no value.
        started, ended: Epoch seconds.
        said: By position, the output of a call, compressed; silent calls have no entry.
    """

    values: list[Any] = field(default_factory=list)
    failures: dict[int, Failure] = field(default_factory=dict)
    started: "array[float]" = field(default_factory=lambda: array("d"))
    ended: "array[float]" = field(default_factory=lambda: array("d"))
    said: dict[int, bytes] = field(default_factory=dict)

    @classmethod
    def failed(cls, failures: Sequence[Failure]) -> "Performed":
        """Calls that all failed before they began."""
        now = array("d", [time.time()]) * len(failures)
        return cls(
            values=[None] * len(failures),
            failures=dict(enumerate(failures)),
            started=now,
            ended=now[:],
        )

    def at(self, positions: Sequence[int]) -> "Performed":
        """Some of the calls, in this order."""
        return Performed(
            values=[self.values[p] for p in positions],
            failures={n: self.failures[p] for n, p in enumerate(positions) if p in self.failures},
            started=array("d", [self.started[p] for p in positions]),
            ended=array("d", [self.ended[p] for p in positions]),
            said={n: self.said[p] for n, p in enumerate(positions) if p in self.said},
        )


@dataclass(frozen=True, slots=True)
class Deferred:
    """An item with functions still to be applied to it (`.map`), at the place of its use."""

    item: Any
    functions: tuple[Callable[[Any], Any], ...]

    def __owned__(self, own: Callable[[Any], Any]) -> Any:
        """The value, made from a copy of the item that the functions may change."""
        value = own(self.item)
        for function in self.functions:
            value = function(value)
        return value


class Zipped(tuple[Any, ...]):
    """One item of a zip: a plain tuple once its parts are settled."""

    __slots__ = ()

    def __owned__(self, own: Callable[[Any], Any]) -> tuple[Any, ...]:
        """The tuple, with parts that a call may change."""
        return tuple(map(own, self))


@dataclass(frozen=True, slots=True)
class Entry:
    """A function that gives an entry of a dict, or of another container with keys."""

    key: str

    def __call__(self, value: Any) -> Any:
        """The entry."""
        return value[self.key]


@dataclass(frozen=True, slots=True)
class Gathered:
    """The items of a map, zip or concat as one argument, a list once they are settled.

    Items whose function raises `Skip` are left out.
    """

    items: tuple[Any, ...]

    def __owned__(self, own: Callable[[Any], Any]) -> list[Any]:
        """The list, with items that a call may change."""
        values = []
        for item in self.items:
            try:
                values.append(own(item))
            except Skip:
                continue
        return values


def settle(item: Any) -> Any:
    """The item in the form the task receives: deferred functions applied."""
    if type(item) is Deferred:
        value = settle(item.item)
        for function in item.functions:
            value = function(value)
        return value
    if type(item) is Zipped:
        return tuple(settle(part) for part in item)
    return item


def perform(
    function: Callable[..., Any],
    constants: Mapping[str, Any],
    columns: Mapping[str, Sequence[Any]],
    count: int,
    *,
    retry_on: tuple[type[BaseException], ...] = (Exception,),
    before_each: Callable[[int], None] | None = None,
) -> Performed:
    """Call the function `count` times, with one value of every column each.

    Args:
        function: The user's function.
        constants: Arguments equal for all calls.
        columns: Arguments by name, one value a call.
        count: The number of calls.
        retry_on: Exceptions after which another attempt may be made.
        before_each: Called with the position of each call just before the call.
    """
    performed = Performed()
    fixed = {n: value for n, value in constants.items() if type(value) in UNCHANGEABLE}
    shared = {n: value for n, value in constants.items() if n not in fixed}
    names, rows = tuple(columns), zip(*columns.values(), strict=True) if columns else ((),) * count
    for position, row in enumerate(rows):
        if before_each is not None:
            before_each(position)
        performed.started.append(time.time())
        try:
            copies: Copies = {}
            arguments = {
                name: item if type(item) in UNCHANGEABLE else own(item, copies)
                for name, item in zip(names, row, strict=True)
            }
            for name, shared_value in shared.items():
                arguments[name] = own(shared_value, copies)
            value = function(**fixed, **arguments)
            _require_lasting(value)
        except BaseException as error:
            if is_of_person(error):
                raise
            performed.failures[position] = failure_of(error, retry_on)
            value = None
        performed.values.append(value)
        performed.ended.append(time.time())
    return performed


def _require_lasting(value: Any) -> None:
    """Refuse a result that can be read only once, such as a generator."""
    if type(value) is GeneratorType:
        raise TypeError("the task returned a generator, which can be read only once: use a list")


def failure_of(
    error: BaseException, retry_on: tuple[type[BaseException], ...] = (Exception,)
) -> Failure:
    """The failure that an exception raised by a task means."""
    if isinstance(error, RaisedError):
        error = error.error
    if isinstance(error, Skip):
        return Failure(skipped=True, error=said(error))
    return Failure(
        retryable=isinstance(error, retry_on) and not isinstance(error, Fail),
        error=said(error) if isinstance(error, Fail) else described(error),
        traceback=traced(error),
    )


class Skip(Exception):  # noqa: N818 - a signal, not an error; Airflow's word
    """Ends the instance as `skipped`; the text says why."""


class Fail(Exception):  # noqa: N818 - a signal: failing is its whole meaning
    """Ends the instance as `failed` without any retry; the text says why."""
