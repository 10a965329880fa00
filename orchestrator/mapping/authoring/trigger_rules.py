"""Trigger rules: how the states of its upstreams decide on an instance, in Airflow's words.

Touches no library; a pure function over a tally; runs on the driver.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from orchestrator.records import State

Verdict = Literal["run", "wait"] | State
"""Run now, wait for more, or end in this state without running."""


class Rule(StrEnum):
    """When an instance runs, by the ends of its upstreams."""

    ALL_SUCCESS = "all_success"
    ALL_FAILED = "all_failed"
    ALL_DONE = "all_done"
    ALL_DONE_MIN_ONE_SUCCESS = "all_done_min_one_success"
    ALL_SKIPPED = "all_skipped"
    ONE_SUCCESS = "one_success"
    ONE_FAILED = "one_failed"
    ONE_DONE = "one_done"
    NONE_FAILED = "none_failed"
    NONE_FAILED_MIN_ONE_SUCCESS = "none_failed_min_one_success"
    NONE_SKIPPED = "none_skipped"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class UpstreamCounts:
    """An instance's upstreams, counted by state; `failed` counts upstream_failed too."""

    waiting: int = 0
    success: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "UpstreamCounts") -> "UpstreamCounts":
        return UpstreamCounts(
            self.waiting + other.waiting,
            self.success + other.success,
            self.failed + other.failed,
            self.skipped + other.skipped,
        )


def judge(rule: Rule, tally: UpstreamCounts) -> Verdict:
    """Apply a rule to the counts of upstreams.

    Every rule but `always` and the `one_` rules waits until all upstreams have ended, so that the
    verdict does not depend on the order in which they end.
    """
    if rule is Rule.ALWAYS:
        return "run"
    if rule in _AT_THE_FIRST and _AT_THE_FIRST[rule](tally):
        return "run"
    if tally.waiting:
        return "wait"
    return _AT_THE_END[rule](tally)


_AT_THE_FIRST: dict[Rule, Callable[[UpstreamCounts], bool]] = {
    Rule.ONE_SUCCESS: lambda tally: tally.success > 0,
    Rule.ONE_FAILED: lambda tally: tally.failed > 0,
    Rule.ONE_DONE: lambda tally: tally.success + tally.failed > 0,
}


CAN_BE_EARLY = frozenset(_AT_THE_FIRST)
"""Rules that may be satisfied before all upstreams have ended."""


def _unless_failed(tally: UpstreamCounts, otherwise: Verdict) -> Verdict:
    return State.UPSTREAM_FAILED if tally.failed else otherwise


def _run_if(condition: bool) -> Verdict:  # noqa: FBT001 - reads as a sentence
    return "run" if condition else State.SKIPPED


_AT_THE_END: dict[Rule, Callable[[UpstreamCounts], Verdict]] = {
    Rule.ALL_SUCCESS: lambda t: _unless_failed(t, _run_if(not t.skipped)),
    Rule.ALL_FAILED: lambda t: _run_if(not t.success and not t.skipped),
    Rule.ALL_DONE: lambda _: "run",
    Rule.ALL_DONE_MIN_ONE_SUCCESS: lambda t: "run" if t.success else State.UPSTREAM_FAILED,
    Rule.ALL_SKIPPED: lambda t: _run_if(not t.success and not t.failed),
    Rule.ONE_SUCCESS: lambda t: _unless_failed(t, State.SKIPPED),
    Rule.ONE_FAILED: lambda _: State.SKIPPED,
    Rule.ONE_DONE: lambda _: State.SKIPPED,
    Rule.NONE_FAILED: lambda t: _unless_failed(t, "run"),
    Rule.NONE_FAILED_MIN_ONE_SUCCESS: lambda t: _unless_failed(t, _run_if(t.success > 0)),
    Rule.NONE_SKIPPED: lambda t: _run_if(not t.skipped),
}
