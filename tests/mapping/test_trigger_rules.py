"""The verdict of each trigger rule over its upstreams: run, wait, or an end."""

import pytest

from orchestrator.mapping import (
    task,
)
from orchestrator.mapping.authoring.trigger_rules import Rule, UpstreamCounts, judge
from orchestrator.records import State
from tests.support.flows import itself, run_of, states

pytestmark = pytest.mark.timeout(60)

T = {
    "waiting": UpstreamCounts(waiting=1),
    "s": UpstreamCounts(success=1),
    "f": UpstreamCounts(failed=1),
    "k": UpstreamCounts(skipped=1),
}


RUN, WAIT = "run", "wait"
FAILED, SKIPPED = State.UPSTREAM_FAILED, State.SKIPPED


class TestTriggerRules:
    """By rule: the verdict over success, failed, skipped, and each two of them."""

    @pytest.mark.parametrize(
        ("rule", "verdicts"),
        [
            ("all_success", "s:run f:up k:skip sf:up sk:skip fk:up"),
            ("all_failed", "s:skip f:run k:skip sf:skip sk:skip fk:skip"),
            ("all_done", "s:run f:run k:run sf:run sk:run fk:run"),
            ("all_done_min_one_success", "s:run f:up k:up sf:run sk:run fk:up"),
            ("all_skipped", "s:skip f:skip k:run sf:skip sk:skip fk:skip"),
            ("one_success", "s:run f:up k:skip sf:run sk:run fk:up"),
            ("one_failed", "s:skip f:run k:skip sf:run sk:skip fk:run"),
            ("one_done", "s:run f:run k:skip sf:run sk:run fk:run"),
            ("none_failed", "s:run f:up k:run sf:up sk:run fk:up"),
            ("none_failed_min_one_success", "s:run f:up k:skip sf:up sk:run fk:up"),
            ("none_skipped", "s:run f:run k:skip sf:run sk:skip fk:skip"),
            ("always", "s:run f:run k:run sf:run sk:run fk:run"),
        ],
    )
    def test_what_each_rule_says_once_all_have_ended(self, rule, verdicts):
        said = {"run": RUN, "up": FAILED, "skip": SKIPPED}
        for case in verdicts.split():
            ends, verdict = case.split(":")
            tally = sum((T[end] for end in ends), UpstreamCounts())
            assert judge(Rule(rule), tally) == said[verdict], case

    @pytest.mark.parametrize("rule", Rule)
    def test_only_three_rules_and_always_may_run_before_all_have_ended(self, rule):
        early = {
            "one_success": {"s"},
            "one_failed": {"f"},
            "one_done": {"s", "f"},
            "always": {"s", "f", "k"},
        }.get(rule, set())
        for end in "sfk":
            expected = RUN if end in early else WAIT
            assert judge(rule, T[end] + T["waiting"]) == expected

    @pytest.mark.parametrize("rule", Rule)
    def test_without_upstreams_a_task_runs_unless_it_waits_for_one(self, rule):
        """A task that is given nothing but constants has no upstream to wait for."""
        run = run_of(lambda: itself.options(trigger_rule=rule).expand(x=[1]))
        assert states(run["itself"]) == ["success"]

    def test_one_success_does_not_wait_for_the_rest(self):
        seen = []

        @task
        def note(x):
            seen.append(x)
            return x

        @task(trigger_rule="one_success", priority=1)
        def early(values):
            seen.append("early")

        run_of(lambda: early(note.expand(x=[0, 1, 2])))
        assert seen == [0, "early", 1, 2]
