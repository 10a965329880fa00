"""Retries, lost workers, and failures in part."""

import pytest

from orchestrator.mapping import (
    Skip,
    task,
)
from orchestrator.mapping.authoring.nodes import Node
from orchestrator.mapping.authoring.product import Product
from orchestrator.mapping.authoring.sequences import Items
from orchestrator.mapping.engine.engine import Engine
from orchestrator.mapping.execution.executor import Ended
from orchestrator.mapping.execution.invoke import Failure, Performed
from orchestrator.records import State
from tests.support.flows import add, as_list, invert, itself, run_of, states

pytestmark = pytest.mark.timeout(60)


def engine_with(*nodes):
    engine = Engine()
    engine.add(nodes)
    return engine


def mapped_node(of, count, **options):
    return Node(
        name="node",
        task=of.options(**options),
        constants={},
        items=Product({"x": Items(range(count))}),
    )


def failed_once(engine, index, *, retryable=True):
    failure = Failure(error="no", retryable=retryable)
    engine.ended(Ended(node=0, indices=[index], performed=Performed.failed([failure]), worker="w"))


class TestRetries:
    def test_delays_double_and_are_spread_by_key(self):
        engine = engine_with(mapped_node(itself, 2, retries=3, retry_delay=10.0))
        engine.take(2)
        delays = {0: [], 1: []}
        for _ in range(3):
            for index in (0, 1):
                failed_once(engine, index)
                (retry,) = engine.effects().retries
                delays[retry.index].append(retry.delay)
                engine.due(retry.node, retry.index)
            engine.take(2)
        for mine in delays.values():
            for attempt, delay in enumerate(mine):
                assert 5.0 * 2**attempt <= delay <= 15.0 * 2**attempt
        assert delays[0] != delays[1]

    def test_a_retry_waits_until_it_is_due(self):
        engine = engine_with(mapped_node(itself, 1, retries=1, retry_delay=10.0))
        engine.take(1)
        failed_once(engine, 0)
        assert engine.take(1) == []
        assert engine.nodes[0].columns.state(0) is State.UP_FOR_RETRY
        engine.due(0, 0)
        (start,) = engine.take(1)
        assert list(start.indices) == [0]

    def test_a_delay_may_be_a_function_of_the_attempt(self):
        engine = engine_with(mapped_node(itself, 1, retries=2, retry_delay=lambda n: n * 100.0))
        delays = []
        for _ in range(2):
            engine.take(1)
            failed_once(engine, 0)
            (retry,) = engine.effects().retries
            delays.append(retry.delay)
            engine.due(0, 0)
        assert delays == [100.0, 200.0]

    def test_a_delay_has_a_limit(self):
        engine = engine_with(mapped_node(itself, 1, retries=90, retry_delay=10.0))
        for _ in range(80):
            engine.take(1)
            failed_once(engine, 0)
            (retry,) = engine.effects().retries
            engine.due(0, 0)
        assert retry.delay == 600.0

    def test_what_may_not_be_retried_fails_at_once(self):
        engine = engine_with(mapped_node(itself, 1, retries=3))
        engine.take(1)
        failed_once(engine, 0, retryable=False)
        assert engine.done
        assert engine.nodes[0].columns.state(0) is State.FAILED

    def test_a_delay_function_that_raises_fails_its_item(self):
        engine = engine_with(mapped_node(itself, 1, retries=3, retry_delay=lambda n: 1 / 0))
        engine.take(1)
        failed_once(engine, 0)
        assert engine.nodes[0].columns.state(0) is State.FAILED

    def test_a_retries_function_that_raises_fails_its_item(self):
        engine = engine_with(mapped_node(itself, 1, retries=lambda x: 1 // x))
        engine.take(1)
        failed_once(engine, 0)
        assert engine.nodes[0].columns.state(0) is State.FAILED

    def test_an_item_of_higher_priority_keeps_it_when_it_is_tried_again(self):
        engine = engine_with(mapped_node(itself, 4, retries=1, priority=lambda x: x))
        (start,) = engine.take(2)
        assert list(start.indices) == [3, 2]
        failed_once(engine, 3)
        engine.due(0, 3)
        (start,) = engine.take(1)
        assert list(start.indices) == [3]

    def test_a_flaky_task_succeeds_at_last(self, where, tmp_path):
        @task(retries=2)
        def flaky(x, folder):
            with (folder / str(x)).open("a") as file:
                file.write("x")
            tries = len((folder / str(x)).read_text())
            if tries <= x:
                raise OSError("busy")
            return tries

        run = run_of(lambda: flaky.partial(folder=tmp_path).expand(x=[0, 1, 2, 3]), where)
        outcomes = run["flaky"]
        assert list(outcomes) == [1, 2, 3]
        assert [o.tries for o in outcomes.items()] == [1, 2, 3, 3]
        assert states(outcomes)[3] == "failed"

    def test_only_errors_worth_it_are_retried(self, where):
        @task(retries=3, retry_on=KeyError)
        def choosy(kind):
            raise kind("no")

        outcomes = run_of(lambda: choosy.expand(kind=[KeyError, ValueError]), where)["choosy"]
        assert [o.tries for o in outcomes.items()] == [4, 1]

    def test_retries_may_depend_on_the_item(self):
        @task(retries=lambda x: x)
        def hopeless(x):
            raise ValueError("no")

        outcomes = run_of(lambda: hopeless.expand(x=[0, 1, 2]))["hopeless"]
        assert [o.tries for o in outcomes.items()] == [1, 2, 3]


class TestLostWorkers:
    def test_a_lost_worker_uses_up_no_retry(self):
        engine = engine_with(mapped_node(itself, 1, retries=0, max_lost=2))
        for _ in range(2):
            engine.take(1)
            engine.lost(0, [0], 0, "it died")
        (start,) = engine.take(1)
        assert start.suspect
        engine.lost(0, [0], 0, "it died")
        assert engine.done
        assert "worker died 3 times" in engine.nodes[0].columns.failures[0].error

    def test_only_the_culprit_is_blamed(self):
        engine = engine_with(mapped_node(itself, 3, max_lost=0))
        engine.take(3)
        engine.lost(0, [0, 1, 2], 1, "it died")
        assert [engine.nodes[0].columns.state(i) for i in range(3)] == [
            State.PENDING,
            State.FAILED,
            State.PENDING,
        ]


class TestPartialFailure:
    @pytest.mark.parametrize(
        ("options", "follows"),
        [
            ({}, False),
            ({"min_success": 2}, True),
            ({"min_success": 3}, False),
            ({"min_success": 0.5}, True),
            ({"min_success": 0.9}, False),
            ({"max_failures": 1}, True),
            ({"max_failures": 0}, False),
            ({"max_failures": 0.4}, True),
            ({"max_failures": 0.1}, False),
        ],
    )
    def test_how_many_successes_make_a_success(self, options, follows):
        run = run_of(lambda: as_list(invert.options(**options).expand(x=[1, 0, 2])))
        assert states(run["as_list"]) == ["success" if follows else "upstream_failed"]
        assert run.state == ("success" if follows else "failed")

    def test_fail_fast_cancels_the_siblings(self, where):
        @task(fail_fast=True, batch=1, max_active=1)
        def brittle(x):
            return 1 / x

        outcomes = run_of(lambda: brittle.expand(x=[1, 0, 2, 3]), where)["brittle"]
        assert states(outcomes) == ["success", "failed", "skipped", "skipped"]
        assert "fail_fast" in outcomes.skipped[0].error

    def test_fail_fast_reaches_siblings_that_follow_another_map(self):
        brittle = invert.options(fail_fast=True)
        run = run_of(lambda: brittle.expand(x=itself.expand(x=[0, 1, 2])))
        assert states(run["itself"]) == ["success"] * 3
        assert states(run["invert"]) == ["failed", "skipped", "skipped"]

    def test_fail_fast_ends_coordinators_and_what_they_called(self):
        engine_saw = []

        @task
        def leaf(x):
            engine_saw.append(x)
            if x == 0:
                raise ValueError("no")
            return x

        @task(fail_fast=True)
        async def brittle(x):
            return await leaf(x)

        run = run_of(lambda: brittle.expand(x=[0, 1, 2]))
        assert states(run["brittle"]) == ["failed", "skipped", "skipped"]
        assert sum(run.counts.values()) == 3 + len(run.outcomes("leaf"))
        assert "pending" not in run.counts

    def test_a_skip_filters_a_map_before_a_reduce(self, where):
        @task
        def even(x):
            if x % 2:
                raise Skip("odd")
            return x

        run = run_of(lambda: as_list(even.expand(x=range(5))), where)
        assert run.result() == [0, 2, 4]
        assert states(run["even"]) == ["success", "skipped"] * 2 + ["success"]

    def test_a_plain_task_over_a_skipped_one_is_skipped(self):
        @task
        def never():
            raise Skip("not today")

        run = run_of(lambda: add(never()))
        assert states(run["add"]) == ["skipped"]
        assert run.state == "success"
        assert run.result() is None

    def test_without_a_value_an_argument_is_none_where_the_rule_lets_it_run(self, where):
        @task(trigger_rule="all_done")
        def look(x):
            return x is None

        run = run_of(lambda: look(invert(0)), where)
        assert run.result() is True
        assert run.state == "success"
