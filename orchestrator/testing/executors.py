"""The contract of every `Executor`; a test class for one inherits `ExecutorContract`."""

import threading
import time
from dataclasses import replace

import pytest

from orchestrator.mapping.execution.executor import Calls, Ended, Executor, Lost, Placement
from orchestrator.mapping.execution.invoke import Deferred, Fail, Failure, Skip, Zipped

LIMIT_SECONDS = 150


def calls(function, *, node=0, indices=None, constants=None, retry_on=(Exception,), **options):
    """Return the calls of one node; options besides `columns` and `suspect` are its placement."""
    columns = options.pop("columns", {})
    suspect = options.pop("suspect", False)
    if indices is None:
        indices = range(len(next(iter(columns.values()))) if columns else 1)
    return Calls(
        node=node,
        name=f"node-{node}",
        function=function,
        constants=constants or {},
        indices=indices,
        columns=columns,
        keys=[str(index) for index in indices],
        retry_on=retry_on,
        placement=Placement(**options),
        suspect=suspect,
    )


def carried_out(executor: Executor, *many: Calls) -> list[dict[int, object]]:
    """Run the calls and return the result of each instance by index: a value or a `Failure`.

    As in the engine, calls are submitted when there is room for them, and lost ones again.
    """
    ended: dict[int, dict[int, object]] = {of.node: {} for of in many}
    by_node, waiting = {of.node: of for of in many}, list(many)
    deadline = time.monotonic() + LIMIT_SECONDS
    while any(len(ended[of.node]) < len(of.indices) for of in many):
        assert time.monotonic() < deadline, f"not ended: { {n: len(m) for n, m in ended.items()} }"
        while waiting and (room := executor.room()):
            some, rest = waiting[0].part(slice(room)), waiting[0].part(slice(room, None))
            executor.submit(some)
            waiting[:1] = [rest] if rest.indices else []
        for event in executor.wait(1.0):
            if isinstance(event, Lost):
                again = by_node[event.node].without(
                    set(by_node[event.node].indices) - set(event.indices)
                )
                executor.submit(replace(again, suspect=True))
            elif isinstance(event, Ended):
                _note(ended[event.node], event)
    return [ended[of.node] for of in many]


def _note(ended: dict[int, object], report: Ended) -> None:
    performed = report.performed
    assert len(report.indices) == len(performed.values) == len(performed.started)
    assert len(performed.ended) == len(performed.values)
    for position, index in enumerate(report.indices):
        assert index not in ended, f"instance {index} ended twice"
        ended[index] = performed.failures.get(position, performed.values[position])


def values(executor: Executor, function, **options) -> list[object]:
    """Return the result of each call, in order."""
    made = calls(function, **options)
    (ended,) = carried_out(executor, made)
    return [ended[index] for index in made.indices]


def add(x, y=1):
    return x + y


def itself(x):
    return x


class ExecutorContract:
    """The contract of an executor.

    A subclass defines a fixture `executor`: an executor with no calls in flight.
    """

    def test_each_call_gets_its_own_arguments(self, executor):
        assert values(executor, add, columns={"x": [1, 2, 3], "y": [10, 20, 30]}) == [11, 22, 33]

    def test_constants_reach_every_call(self, executor):
        assert values(executor, add, constants={"y": 10}, columns={"x": [1, 2]}) == [11, 12]

    def test_a_call_without_arguments(self, executor):
        assert values(executor, lambda: 7, indices=[-1]) == [7]

    def test_many_calls_are_each_heard_of_once(self, executor):
        count = 300 if executor.room() == 1 else 5_000
        assert values(executor, add, columns={"x": range(count)}) == list(range(1, count + 1))

    def test_nodes_are_told_apart(self, executor):
        one = calls(lambda x: x + 1, node=1, columns={"x": [1, 2, 3]})
        two = calls(lambda x: x * 2, node=2, indices=[5, 9], columns={"x": [1, 2]})
        assert carried_out(executor, one, two) == [{0: 2, 1: 3, 2: 4}, {5: 2, 9: 4}]

    @pytest.mark.parametrize("value", [0, "", [], False, None, b"", (), {}, 1.5, "x", {"a": (1,)}])
    def test_values_come_through_unchanged(self, executor, value):
        (result,) = values(executor, itself, columns={"x": [value]})
        assert result == value
        assert type(result) is type(value)

    @pytest.mark.parametrize(
        "name",
        ["priority", "key", "workers", "resources", "retries", "pure", "fifo_timeout", "self"],
    )
    def test_an_argument_may_have_any_name(self, executor, name):
        def arguments(**named):
            return named

        assert values(executor, arguments, columns={name: [3]}) == [{name: 3}]
        assert values(executor, arguments, constants={name: 4}) == [{name: 4}]

    def test_what_a_call_raises_is_its_own_failure(self, executor):
        def invert(x):
            return 1 / x

        one, failure, half = values(executor, invert, columns={"x": [1, 0, 2]})
        assert (one, half) == (1, 0.5)
        assert failure.error == "ZeroDivisionError: division by zero"
        assert "in invert" in failure.traceback
        assert failure.retryable
        assert not failure.skipped

    def test_only_what_retry_on_names_may_be_retried(self, executor):
        def fail(kind):
            raise kind("no")

        first, second = values(
            executor, fail, columns={"kind": [ValueError, KeyError]}, retry_on=(ValueError,)
        )
        assert (first.retryable, second.retryable) == (True, False)

    def test_skip_and_fail_say_so(self, executor):
        def signal(kind):
            raise kind("the reason")

        skipped, failed = values(executor, signal, columns={"kind": [Skip, Fail]})
        assert skipped == Failure(skipped=True, error="the reason")
        assert failed.error == "the reason"
        assert not failed.retryable

    def test_a_task_that_exits_fails_and_nothing_else_does(self, executor):
        def leave(x):
            if x == 1:
                raise SystemExit(3)
            return x

        zero, failure, two = values(executor, leave, columns={"x": [0, 1, 2]})
        assert (zero, two) == (0, 2)
        assert failure.error == "SystemExit: 3"

    def test_deferred_functions_are_applied_where_the_item_is_used(self, executor):
        items = [Deferred(n, (lambda v: v + 1, lambda v: v * 10)) for n in range(3)]
        assert values(executor, itself, columns={"x": items}) == [10, 20, 30]

    def test_a_deferred_function_may_skip_or_fail_its_item(self, executor):
        def choosy(value):
            if value == 1:
                raise Skip("not this one")
            return 1 / value

        items = [Deferred(n, (choosy,)) for n in range(3)]
        failed, skipped, half = values(executor, itself, columns={"x": items})
        assert failed.error == "ZeroDivisionError: division by zero"
        assert skipped.skipped
        assert half == 0.5

    def test_zipped_items_are_plain_tuples(self, executor):
        item = Zipped((1, Deferred(2, (str,)), Zipped((3, None))))
        (result,) = values(executor, itself, columns={"x": [item]})
        assert result == (1, "2", (3, None))
        assert type(result) is tuple

    def test_what_cannot_be_pickled_harms_no_other_call(self, executor):
        def odd(x):
            return threading.Lock() if x == 1 else x

        results = values(executor, odd, columns={"x": [0, 1, 2]})
        assert (results[0], results[2]) == (0, 2)
        arguments = [0, threading.Lock(), 2]
        results = values(executor, itself, node=1, columns={"x": arguments})
        assert (results[0], results[2]) == (0, 2)

    def test_times_are_told(self, executor):
        before = time.time()
        executor.submit(calls(add, columns={"x": [1]}))
        (report,) = executor.wait(LIMIT_SECONDS)
        (started,), (ended,) = report.performed.started, report.performed.ended
        assert before - 1 <= started <= ended <= time.time() + 1
        assert report.worker

    def test_when_nothing_happens_nothing_is_told(self, executor):
        assert list(executor.wait(0.0)) == []
        assert list(executor.wait(0.05)) == []

    def test_there_is_room_at_first(self, executor):
        assert executor.room() > 0

    def test_a_call_that_took_too_long_has_failed(self, executor):
        def late(x):
            time.sleep(x)
            return x

        quick, slow = values(executor, late, columns={"x": [0.0, 0.3]}, timeout=0.2)
        assert quick == 0.0
        assert slow.error == "timed out after 0.2 s"
        assert slow.retryable
