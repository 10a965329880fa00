"""Flows: mistakes when they are written down, options of tasks, failures, coordinators."""

import asyncio
import os
import signal
import threading
import time
import uuid
import warnings
from typing import NamedTuple

import pytest
from distributed import Event

from orchestrator.errors import FlowError, MachineryError
from orchestrator.mapping import (
    Fail,
    FirstEnded,
    MemoryRecorder,
    Skip,
    Task,
    TaskFailedError,
    flow,
    task,
)
from orchestrator.mapping.authoring.nodes import Node
from orchestrator.mapping.authoring.product import Product
from orchestrator.mapping.authoring.sequences import Items
from orchestrator.mapping.authoring.trigger_rules import Rule, UpstreamCounts, judge
from orchestrator.mapping.engine.engine import Ended, Engine
from orchestrator.mapping.execution.invoke import Failure, Performed
from orchestrator.records import State

pytestmark = pytest.mark.timeout(60)


@task
def add(x, y=1):
    return x + y


@task
def itself(x):
    return x


@task
def as_list(values):
    return list(values)


@task
def invert(x):
    return 1 / x


@pytest.fixture(params=["inline", "dask"])
def where(request):
    """Where a flow runs: in this process (None), or by this client."""
    return None if request.param == "inline" else request.getfixturevalue("client")


def states(outcomes):
    return [str(outcome.state) for outcome in outcomes.items()]


def run_of(write_down, client=None, **run_options):
    """A run of the flow that a function writes down."""
    function = (lambda: write_down()) if isinstance(write_down, Task) else write_down  # noqa: PLW0108 - a task is no flow
    return flow(name="written")(function).run(client, **run_options)


class TestMistakes:
    def test_a_task_called_outside_a_flow_says_how_to_call_it(self):
        with pytest.raises(FlowError, match=r"outside a flow.*add\.function"):
            add(1)
        with pytest.raises(FlowError, match="outside a flow"):
            add.expand(x=[1])

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"retry": 1}, "no option 'retry'"),
            ({"retries": -1}, "at least 0"),
            ({"retries": "two"}, "at least 0"),
            ({"max_active": 0}, "at least 1"),
            (
                {"trigger_rule": "sometimes"},
                "'sometimes'; it must be one of all_success",
            ),
            ({"runs_on": "moon"}, "'cluster', 'driver'"),
            ({"cache": "always"}, "False, 'runs', 'never'"),
            ({"fail_fast": lambda x: True}, "cannot be a function"),
        ],
    )
    def test_a_wrong_option_is_named(self, options, message):
        with pytest.raises(FlowError, match=message):
            add.options(**options)

    def test_arguments_that_cannot_be_given_by_name_are_refused(self):
        def positional(x, /):
            return x

        def many(*xs):
            return xs

        for function in (positional, many):
            with pytest.raises(FlowError, match="cannot be given by name"):
                task(function)

    def test_a_missing_argument_is_named(self):
        with pytest.raises(FlowError, match="'x'"):
            run_of(lambda: add.expand(y=[1]))
        with pytest.raises(FlowError, match="'x'"):
            run_of(lambda: add(y=1))

    @pytest.mark.parametrize(
        ("items", "message"),
        [
            ([1], "item 0 of .* is a int, not a dict"),
            ([{"x": 1}, {"z": 1}], "no argument 'z' .*item 1"),
            ([{"x": 1, "y": 2}], "sets 'y', which partial"),
        ],
    )
    def test_items_of_expand_kwargs_are_checked_before_anything_runs(self, items, message):
        with pytest.raises(FlowError, match=message):
            run_of(lambda: add.partial(y=1).expand_kwargs(items))

    def test_an_item_may_override_a_partial_when_told_so(self, where):
        items = [{"x": 1}, {"x": 1, "y": 5}]
        run = run_of(lambda: add.partial(y=1).expand_kwargs(items, strict=False), where)
        assert list(run.result()) == [2, 6]

    def test_two_items_of_one_key_are_shown(self):
        items = [{"id": "a", "n": 1}, {"id": "a", "n": 2}]
        with pytest.raises(FlowError, match=r"key 'a'.*'n': 1.*'n': 2"):
            run_of(lambda: itself.expand(x=items))

    def test_two_items_a_key_option_names_alike_fail_and_are_shown(self):
        run = run_of(lambda: itself.options(key="{x}").expand(x=["a", "b", "a"]))
        assert run.state == "failed"
        (failed,) = run["itself"].failed
        assert "two items of 'itself' have the key 'a'" in failed.error

    def test_a_reference_cannot_be_looked_into_while_the_flow_is_built(self):
        for look in (len, list, bool, lambda reference: reference[0]):
            with pytest.raises(FlowError, match="while the flow is built"):
                run_of(lambda look=look: look(itself(1)))

    def test_a_task_is_not_a_function_for_map(self):
        with pytest.raises(FlowError, match="plain function"):
            run_of(lambda: itself.expand(x=itself([1]).map(add)))

    def test_a_reference_of_another_flow_is_refused(self):
        leaked = []
        run_of(lambda: leaked.append(itself(1)))
        with pytest.raises(FlowError, match="another flow"):
            run_of(lambda: add(leaked[0]))
        with pytest.raises(FlowError, match="another flow"):
            run_of(lambda: add.expand(x=leaked[0]))

    def test_a_flow_that_calls_itself_is_refused(self):
        @flow
        def endless():
            endless()

        with pytest.raises(FlowError, match="calls itself"):
            endless.run()

    def test_a_helper_without_an_end_is_named(self):
        def grow(n):
            return grow(n + 1)

        with pytest.raises(FlowError, match=r"grow\(\) in .*test_flows.py, line \d+, is called"):
            run_of(lambda: itself(grow(0)))

    def test_sequences_deep_inside_each_other_are_refused_where_they_are_written(self):
        def tower(levels):
            numbers = itself.options(key="{x}").expand(x=[1, 2])
            for _ in range(levels):
                numbers = numbers.zip([1, 2])
            return itself.options(key="k{x}").expand(x=numbers)

        with pytest.raises(FlowError, match="more than 100 sequences are inside each other"):
            run_of(lambda: tower(300))
        run = run_of(lambda: tower(90))
        assert run.state == "success"

    def test_a_flow_is_run_and_not_called(self):
        @flow
        def quiet():
            pass

        with pytest.raises(FlowError, match=r"quiet\.run"):
            quiet()

    def test_a_flow_inside_a_flow_adds_its_nodes(self, where):
        @flow
        def inner(n):
            return add.expand(x=[n, n + 1])

        run = run_of(lambda: as_list(inner(n=1)), where)
        assert run.result() == [2, 3]

    def test_an_async_flow_is_refused(self):
        async def later():
            pass

        with pytest.raises(FlowError, match="async def"):
            run_of(later)

    def test_a_task_is_no_flow(self):
        with pytest.raises(FlowError, match="'itself' is a task"):
            flow(itself)

    def test_wrong_parameters_are_named(self):
        with pytest.raises(FlowError, match="'n'"):
            run_of(lambda n: itself(n + 1))

    def test_a_parameter_may_not_be_called_like_an_argument_of_run(self):
        with pytest.raises(FlowError, match="'client'"):
            flow(lambda client: None)

    def test_a_partial_never_expanded_is_warned_of(self):
        with pytest.warns(UserWarning, match=r"add\.partial\(x\) was never expanded"):
            run_of(lambda: add.partial(x=1) and None)

    def test_an_unknown_node_is_named_with_the_known(self):
        run = run_of(lambda: itself(1))
        with pytest.raises(KeyError, match="'other'; there are itself\\."):
            run["other"]


class TestNames:
    def test_a_second_node_of_a_task_is_numbered(self):
        run = run_of(lambda: (itself(1), itself(2), itself.options(name="mine")(3)))
        assert [list(run[name]) for name in ("itself", "itself_2", "mine")] == [[1], [2], [3]]

    def test_a_number_is_not_given_twice(self):
        run = run_of(lambda: (itself.options(name="itself_2")(0), itself(1), itself(2)))
        assert [list(run[name]) for name in ("itself_2", "itself", "itself_3")] == [[0], [1], [2]]

    def test_keys_come_from_ids_dicts_options_or_the_index(self):
        def keys(reference):
            run = run_of(reference)
            return [o.key for o in run["itself"].items()]

        assert keys(lambda: itself.expand(x=["p", "q"])) == ["0", "1"]
        assert keys(lambda: itself.expand(x={"p": 1, "q": 2})) == ["p", "q"]
        assert keys(lambda: itself.expand(x=[{"id": "p"}, {"id": 7}])) == ["p", "7"]
        named = itself.options(key=lambda x: f"<{x}>")
        assert keys(lambda: named.expand(x=["p", "q"])) == ["<p>", "<q>"]

    def test_a_map_over_a_map_keeps_its_keys(self, where):
        run = run_of(lambda: add.expand(x=itself.options(key="k{x}").expand(x=[1, 2])), where)
        assert [o.key for o in run["add"].items()] == ["k1", "k2"]

    @pytest.mark.parametrize("name", ["priority", "key", "workers", "function", "self", "batch"])
    def test_an_argument_may_be_called_like_an_option(self, where, name):
        @task
        def arguments(**named):
            return named

        @flow
        def named():
            return (
                arguments(**{name: 1}),
                arguments.expand(**{name: [2]}),
                arguments.expand_kwargs([{name: 3}]),
            )

        plain, mapped, kwargs = named.run(where).result()
        assert plain == {name: 1}
        assert [*mapped, *kwargs] == [{name: 2}, {name: 3}]


class TestOptionsPerItem:
    def test_options_may_be_functions_of_the_item(self, where):
        @task(
            priority=lambda x: x,
            timeout=lambda x: 5 + x,
            batch=lambda x: 1,
            runs_on=lambda x: "driver" if x == 1 else "cluster",
        )
        def located(x):
            return x

        outcomes = run_of(lambda: located.expand(x=[0, 1, 2]), where)["located"]
        assert list(outcomes) == [0, 1, 2]
        workers = [outcome.worker for outcome in outcomes.items()]
        assert workers[1] == "driver"
        assert "driver" not in {workers[0], workers[2]}

    def test_items_of_higher_priority_go_first(self):
        seen = []

        @task(priority=lambda x: x)
        def note(x):
            seen.append(x)

        run_of(lambda: note.expand(x=[1, 3, 2]))
        assert seen == [3, 2, 1]

    def test_nodes_of_higher_priority_go_first(self):
        seen = []

        @task
        def note(x):
            seen.append(x)

        run_of(lambda: (note(1), note.options(priority=5)(2), note.options(priority=1)(3)))
        assert seen[0] == 2
        assert seen[1] == 3

    def test_an_option_that_raises_fails_its_item_alone(self, where):
        @task(timeout=lambda x: 1 / x)
        def limited(x):
            return x

        outcomes = run_of(lambda: limited.expand(x=[1, 0, 2]), where)["limited"]
        assert list(outcomes) == [1, 2]
        assert "ZeroDivisionError" in outcomes.failed[0].error

    def test_a_driver_task_runs_here(self, where):
        @task(runs_on="driver")
        def ident():
            return threading.get_ident()

        assert run_of(ident, where).result() == threading.get_ident()


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


class TestStopping:
    def test_what_has_ended_is_kept_and_nothing_more_starts(self):
        ended = []
        recorder = MemoryRecorder()

        @task
        def note(x):
            ended.append(x)
            return x

        run = run_of(
            lambda: as_list(note.expand(x=range(10))),
            ledger=recorder,
            stop=lambda: len(ended) >= 3,
        )
        assert run.state == "interrupted"
        assert ended == [0, 1, 2]
        assert states(run["note"])[:4] == ["success"] * 3 + ["pending"]
        assert run.counts == {"success": 3, "pending": 8}
        assert len(recorder.instances) == 3
        assert recorder.flow_runs[run.id].state == "interrupted"

    def test_a_second_run_goes_on_where_the_first_was_stopped(self, where):
        recorder, looked = MemoryRecorder(), []

        @flow
        def ten():
            return itself.options(cache="runs").expand(x=range(10))

        def after_some():
            looked.append(1)
            return len(looked) > 3

        ten.run(where, recorder, stop=after_some)
        kept = len(recorder.instances)
        run = ten.run(where, recorder)
        assert run.state == "success"
        assert run.counts.get("cached", 0) == kept

    def test_coordinators_are_given_up(self):
        stopping = []

        @task
        def last(x):
            stopping.append(x)

        @task
        async def loop():
            while True:
                await last(1)

        run = run_of(loop, stop=lambda: bool(stopping))
        assert run.state == "interrupted"

    def test_an_interrupt_is_passed_on_and_recorded(self):
        recorder = MemoryRecorder()

        @task
        def interrupted():
            os.kill(os.getpid(), signal.SIGINT)  # a person's, not the task's own
            time.sleep(10)

        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                run_of(interrupted, ledger=recorder)
        finally:
            signal.signal(signal.SIGINT, before)
        (flow_run,) = recorder.flow_runs.values()
        assert flow_run.state == "interrupted"


class Foreign:
    def __await__(self):
        yield 1


class TestCoordinators:
    def test_a_plain_call_gives_its_value_and_a_map_its_outcomes(self, where):
        @task
        async def adaptive(n):
            start = await add(n, 10)
            first = await add.expand(x=[start, start + 1])
            return [start, list(first), [o.key for o in first.items()]]

        run = run_of(lambda: adaptive.expand(n={"p": 1}.values()), where)
        assert list(run.result()) == [[11, [12, 13], ["0/0", "0/1"]]]

    def test_calls_of_a_map_that_grows_share_its_name(self, where):
        grown = add.options(key=lambda x, y: f"{x}+{y}", grows=True)

        @task
        async def window():
            under_way = [grown.partial(y=1).expand(x=[x]) for x in (1, 2)]
            first = await under_way.pop(0)
            under_way.append(grown.partial(y=10).expand(x=[*first]))
            return [list(await call) for call in under_way]

        run = run_of(window, where)
        assert run.result() == [[3], [12]]
        keys = [outcome.key for each in run.outcomes("add@window") for outcome in each.items()]
        assert keys == ["1+1", "2+1", "2+10"]

    def test_a_failure_is_raised_where_it_is_awaited(self, where):
        @task
        async def careful():
            try:
                await invert(0)
            except TaskFailedError as error:
                return error.error
            return "no error"

        @task
        async def careless():
            return await invert(0)

        run = run_of(lambda: (careful(), careless()), where)
        assert list(run["careful"]) == ["ZeroDivisionError: division by zero"]
        (failed,) = run["careless"].failed
        assert "invert@careless: ZeroDivisionError: division by zero" in failed.error
        assert run.state == "failed"

    def test_a_skip_passes_through(self):
        @task
        def never():
            raise Skip("not today")

        @task
        async def waits():
            return await never()

        run = run_of(waits)
        assert states(run["waits"]) == ["skipped"]

    def test_partly_failed_maps_are_given_as_they_are(self, where):
        @task
        async def tolerant():
            outcomes = await invert.expand(x=[1, 0, 2])
            return len(outcomes), len(outcomes.failed)

        assert run_of(tolerant, where).result() == (2, 1)

    @pytest.mark.parametrize(
        "foreign", [lambda: asyncio.sleep(0), lambda: asyncio.sleep(1), Foreign]
    )
    def test_awaiting_anything_else_is_a_clear_error(self, where, foreign):
        @task
        async def confused():
            await foreign()

        run = run_of(confused, where)
        (failed,) = run["confused"].failed
        assert "TypeError" in failed.error or "RuntimeError" in failed.error

    def test_a_foreign_awaitable_may_be_survived(self):
        @task
        async def survivor():
            try:
                await Foreign()
            except TypeError as error:
                return str(error)

        result = run_of(survivor).result()
        assert "'survivor' awaited int" in result
        assert "not run by asyncio" in result

    def test_what_was_not_awaited_ends_before_the_coordinator(self):
        @task
        async def forgetful():
            itself.expand(x=[1, 2])
            return "done"

        run = run_of(lambda: as_list(forgetful.expand_kwargs([{}])))
        assert run.result() == ["done"]
        assert states(run.outcomes("itself")[0]) == ["success"] * 2

    def test_a_mistake_inside_fails_the_coordinator_alone(self, where):
        @task
        async def mistaken(x):
            if x == 1:
                return await add.expand(z=[1])
            if x == 2:
                return await add.expand(x=add(leaked[0]))
            return await add(x)

        leaked = []
        run_of(lambda: leaked.append(itself(1)))
        outcomes = run_of(lambda: mistaken.expand(x=[0, 1, 2]), where)["mistaken"]
        assert states(outcomes) == ["success", "failed", "failed"]
        assert "no argument 'z'" in outcomes.failed[0].error
        assert "another flow" in outcomes.failed[1].error

    def test_references_may_be_passed_on_and_awaited_twice(self):
        @task
        async def passing():
            numbers = add.expand(x=[1, 2])
            summed = as_list(numbers)
            return await summed, list(await numbers), await summed

        assert run_of(passing).result() == ([2, 3], [2, 3], [2, 3])

    def test_many_children_at_once_are_awaited_one_after_the_other(self, where):
        @task
        async def gather():
            children = [add(n) for n in range(5)]
            return [await child for child in children]

        assert run_of(gather, where).result() == [1, 2, 3, 4, 5]

    def test_thousands_that_have_ended_are_awaited_in_a_row(self):
        @task
        async def gather():
            children = [itself(n) for n in range(2_000)]
            await children[-1]
            return sum([await child for child in children])

        assert run_of(gather).result() == sum(range(2_000))

    def test_of_several_the_first_that_ended_is_given_though_it_was_begun_last(self, client):
        may_end = f"may end {uuid.uuid4()}"

        @task
        def slow():
            return Event(may_end).wait(30)

        @task
        async def racing():
            under_way, order = [slow(), itself("quick")], []
            while under_way:
                ended = await FirstEnded(under_way)
                under_way.remove(ended)
                order.append(await ended)
                Event(may_end, client).set()
            return order

        assert run_of(racing, client).result() == ["quick", True]

    def test_what_is_called_begins_before_the_next_call_is_looked_for(self):
        seen = []

        @task
        def note(x):
            seen.append(f"made {x}")
            return x

        @task
        async def asking():
            known = [note("first"), note("second")]
            for n, call in enumerate(known):
                await call
                seen.append(f"asks {n}")
                note(f"after {n}")

        run_of(asking)
        assert seen[2:] == ["asks 0", "made after 0", "asks 1", "made after 1"]

    def test_many_first_ones_are_each_given_once(self, where):
        """Several end at once, and each time another one is begun."""

        @task
        async def keeping_three_under_way():
            waiting, under_way, seen = list(range(60)), [], []
            while waiting or under_way:
                while waiting and len(under_way) < 3:
                    under_way.append(itself(waiting.pop()))
                ended = await FirstEnded(under_way)
                under_way.remove(ended)
                seen.append(await ended)
            return sorted(seen)

        assert run_of(keeping_three_under_way, where).result() == list(range(60))

    def test_the_first_of_nothing_or_of_foreign_calls_is_a_mistake(self):
        leaked = []
        run_of(lambda: leaked.append(itself(1)))
        for nonsense in ([], [3], leaked):

            @task
            async def mistaken(some=nonsense):
                return await FirstEnded(some)

            outcome = run_of(mistaken).outcomes("mistaken")[0]
            assert "awaited the first of none" in next(iter(outcome.items())).error

    def test_a_coordinator_is_tried_again_like_any_task(self):
        tries = []

        @task(retries=1)
        async def flaky():
            tries.append(1)
            await itself(1)
            if len(tries) == 1:
                raise OSError("busy")
            return "done"

        run = run_of(flaky)
        assert run.result() == "done"
        assert len(tries) == 2

    def test_a_map_follows_each_coordinator_as_it_ends(self):
        seen = []

        @task
        def note(x):
            seen.append(x)
            return x

        @task
        async def tune(customer):
            await note(customer)
            return customer.upper()

        run_of(lambda: note.expand(x=tune.expand(customer=["a", "b"])))
        assert seen == ["a", "A", "b", "B"]

    def test_children_of_coordinators_that_share_keys_stay_apart(self):
        """Two coordinators over the same customers, and the flow itself, call one task."""
        recorder = MemoryRecorder()

        @task
        async def left(customer):
            return list(await itself.expand(x=["l"]))

        @task
        async def right(customer):
            return list(await itself.expand(x=["r"]))

        @flow
        def both():
            customers = {"acme": 1}
            return left.expand(customer=customers), right.expand(customer=customers), itself("f")

        run = both.run(None, recorder)
        recorded = [i for i in recorder.instances.values() if i.flow_run == run.id]
        assert len(recorded) == sum(run.counts.values()) == 5


class TestErrorsOfResults:
    def test_a_failed_result_is_raised_with_key_and_traceback(self, where):
        run = run_of(lambda: invert(0), where)
        with pytest.raises(TaskFailedError, match=r"(?s)invert: ZeroDivisionError.*in invert"):
            run.result()

    def test_a_partly_failed_map_gives_its_outcomes(self, where):
        run = run_of(lambda: {"parts": invert.expand(x=[1, 0])}, where)
        assert list(run.result()["parts"]) == [1.0]
        assert run.state == "failed"

    def test_a_map_that_could_not_be_is_raised_with_the_reason(self):
        run = run_of(lambda: add.expand(x=invert(0)))
        with pytest.raises(TaskFailedError, match="add: 'invert', which it maps over"):
            run.result()

    def test_what_is_no_reference_is_given_back(self):
        assert run_of(lambda: (1, [itself(2)], {"x": None})).result() == (1, [2], {"x": None})

    def test_an_argument_that_cannot_be_pickled_names_task_and_argument(self, client):
        run = run_of(lambda: itself.expand(x=[1, threading.Lock()]), client)
        assert states(run["itself"]) == ["success", "failed"]
        assert "itself: x cannot be pickled" in run["itself"].failed[0].error

    def test_a_shared_argument_that_cannot_be_pickled_fails_the_task(self, client):
        run = run_of(lambda: add.partial(y=threading.Lock()).expand(x=[1, 2]), client)
        assert states(run["add"]) == ["failed", "failed"]
        assert "y" in run["add"].failed[0].error

    def test_a_result_that_cannot_be_pickled_names_the_task(self, client):
        @task
        def locks(x):
            return threading.Lock() if x else x

        run = run_of(lambda: locks.expand(x=[0, 1]), client)
        assert states(run["locks"]) == ["success", "failed"]
        assert "locks returned a lock that cannot be pickled" in run["locks"].failed[0].error

    def test_an_error_that_cannot_be_pickled_is_told_all_the_same(self, client):
        @task
        def odd():
            error = ValueError("odd one")
            error.lock = threading.Lock()
            raise error

        run = run_of(odd, client)
        assert run["odd"].failed[0].error == "ValueError: odd one"


class TestReduce:
    def test_a_reduce_over_a_chain_of_maps(self, where):
        run = run_of(lambda: as_list(add.expand(x=add.expand(x=add.expand(x=[1, 2])))), where)
        assert run.result() == [4, 5]

    def test_outcomes_tell_everything_on_workers_too(self, where):
        @task(trigger_rule="all_done")
        def look(outcomes):
            (failed,) = outcomes.failed
            return (
                len(outcomes),
                outcomes[-1],
                outcomes[0:2],
                failed.key,
                dict(failed.args),
                [o.key for o in outcomes.items()],
                outcomes.by_key["k2"].value,
            )

        @flow
        def looked_at():
            named = itself.options(key="k{x}").expand(x=[0, 1, 2])
            return look(invert.expand(x=named))

        assert looked_at.run(where).result() == (
            2,
            0.5,
            [1.0, 0.5],
            "k0",
            {"x": 0},
            ["k0", "k1", "k2"],
            0.5,
        )

    def test_none_is_a_value(self, where):
        run = run_of(lambda: as_list(itself.expand(x=[None, 1, None])), where)
        assert run.result() == [None, 1, None]

    def test_a_large_value_passes_from_task_to_task(self, where):
        @task
        def large(n):
            return bytes(n)

        @task
        def size(data):
            return len(data)

        @task
        def sizes(many):
            return [len(data) for data in many]

        @flow
        def sized():
            chunks = large.expand(n=[200_000, 300_000])
            return size.expand(data=chunks), sizes(chunks), size(large(100_000))

        each, together, plain = sized.run(where).result()
        assert list(each) == together == [200_000, 300_000]
        assert plain == 100_000

    def test_references_may_hide_in_lists_and_dicts(self, where):
        @task
        def show(things):
            return things

        run = run_of(lambda: show({"a": add(1), "b": [add(2), 3]}), where)
        assert run.result() == {"a": 2, "b": [3, 3]}

    def test_single_values_may_be_items_of_a_list(self, where):
        run = run_of(lambda: itself.expand(x=[add(1), 7, add(2)]), where)
        assert list(run.result()) == [2, 7, 3]


class TestProgress:
    def test_it_is_told_to_the_end(self, where):
        told = []
        run_of(lambda: as_list(add.expand(x=[1, 2, 3])), where, observer=told.append)
        last = {progress.name: progress for progress in told[-1]}
        assert last["add"].total == 3
        assert last["add"].counts == {State.SUCCESS: 3}
        assert last["as_list"].counts == {State.SUCCESS: 1}
        assert last["add"].running == 0

    def test_a_map_that_was_never_made_is_one(self):
        told = []
        run_of(lambda: add.expand(x=itself([])), observer=told.append)
        add_progress = next(p for p in told[-1] if p.name == "add")
        assert (add_progress.total, add_progress.counts) == (1, {State.SKIPPED: 1})


class TestMachinery:
    def test_a_recorder_that_fails_ends_the_flow_run(self):
        class Full(MemoryRecorder):
            def record(self, instances):
                raise MachineryError("disk full")

        with pytest.raises(MachineryError, match="disk full"):
            run_of(lambda: itself(1), ledger=Full())

    def test_no_warning_is_given_where_nothing_is_wrong(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            run_of(lambda: as_list(add.partial(y=1).expand(x=[1])))

    def test_a_failure_without_retries_says_so_in_one_line(self):
        @task(retries=3)
        def stop():
            raise Fail("no use")

        (failed,) = run_of(stop)["stop"].failed
        assert (failed.error, failed.tries) == ("no use", 1)


class Pair(NamedTuple):
    """What a flow may return."""

    one: object
    other: object


def test_a_named_tuple_of_references_is_returned_as_one():
    @flow
    def pair():
        return Pair(add(1, 2), 4)

    assert pair.run().result() == Pair(3, 4)
