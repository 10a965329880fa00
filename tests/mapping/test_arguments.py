"""Arguments made of results, wherever they stand, and arguments of an instance's own."""

import threading
from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest

from orchestrator.errors import FlowError
from orchestrator.mapping import Skip, flow, task
from orchestrator.mapping.execution.own_arguments import COPIED_UP_TO, own
from orchestrator.records import State

Pair = namedtuple("Pair", ["left", "right"])


@dataclass(frozen=True)
class Held:
    value: Any
    others: tuple[Any, ...] = ()


@task
def answer():
    return 41


@task
def itself(x):
    return x


@task
def table():
    return {"rows": [1, 2], "deep": {"er": "here"}}


@task
def failing_at_two(x):
    if x == 2:
        raise ValueError("two")
    return x * 10


def run_of(function, **options):
    return flow(function).run(**options)


HIDDEN = {
    "list": (lambda r: [r, 1], [41, 1]),
    "tuple": (lambda r: (r, 1), (41, 1)),
    "dict": (lambda r: {"k": r}, {"k": 41}),
    "nested": (lambda r: {"k": [(r, {"m": r})]}, {"k": [(41, {"m": 41})]}),
    "named tuple": (lambda r: Pair(r, 2), Pair(41, 2)),
    "dataclass": (lambda r: Held(r, (r,)), Held(41, (41,))),
}


@pytest.mark.parametrize(("hide", "expected"), HIDDEN.values(), ids=HIDDEN)
class TestHiddenReferences:
    def test_in_an_argument_they_are_resolved(self, hide, expected):
        assert run_of(lambda: itself(hide(answer()))).result() == expected

    def test_in_a_constant_they_are_resolved(self, hide, expected):
        @task
        def second(x, y):
            return y

        run = run_of(lambda: second.partial(y=hide(answer())).expand(x=[0]))
        assert list(run.result()) == [expected]

    def test_in_an_item_they_are_resolved(self, hide, expected):
        assert list(run_of(lambda: itself.expand(x=[hide(answer()), 7])).result()) == [expected, 7]

    def test_in_an_item_of_expand_kwargs_they_are_resolved(self, hide, expected):
        run = run_of(lambda: itself.expand_kwargs([{"x": hide(answer())}]))
        assert list(run.result()) == [expected]


class TestWhereTheyCannotBe:
    @pytest.mark.parametrize(
        ("hide", "where"),
        [(lambda r: {r}, "a member of a set"), (lambda r: [{r: 1}], "the key of a dict")],
    )
    def test_they_are_refused_by_the_arguments_name(self, hide, where):
        with pytest.raises(FlowError, match=rf"task 'itself', argument 'x': .*{where}"):
            flow(lambda: itself(hide(answer()))).build()

    def test_in_an_object_they_fail_the_instance(self):
        class Box:
            def __init__(self, content):
                self.content = content

        outcome = run_of(lambda: itself(Box(answer())))["itself"].by_key[""]
        assert outcome.state is State.FAILED
        assert "hidden inside an argument" in outcome.error

    def test_a_dict_over_references_keeps_its_keys(self):
        run = run_of(lambda: itself.expand(x={"a": answer(), "b": 1}))
        assert [o.key for o in run["itself"].items()] == ["a", "b"]


class TestPlainArguments:
    def test_a_map_of_results_is_a_list(self):
        run = run_of(lambda: itself(itself.expand(x=[1, 2]).map(lambda x: x + 1)))
        assert run.result() == [2, 3]

    def test_what_a_function_skips_is_left_out(self):
        def odd(x):
            if x % 2 == 0:
                raise Skip("even")
            return x

        assert run_of(lambda: itself(itself.expand(x=[1, 2, 3]).map(odd))).result() == [1, 3]

    def test_zip_and_concat_of_results_are_lists(self):
        def built():
            one, two = itself.expand(x=[1, 2]), itself.options(name="two").expand(x=["a", "b"])
            return itself.options(name="zipped")(one.zip(two)), itself.options(name="joined")(
                one.concat(two)
            )

        assert run_of(built).result() == ([(1, "a"), (2, "b")], [1, 2, "a", "b"])

    def test_items_without_a_value_are_left_out(self):
        last = itself.options(trigger_rule="all_done")
        run = run_of(lambda: last(failing_at_two.expand(x=[1, 2, 3]).map(lambda x: x)))
        assert run.result() == [10, 30]

    def test_a_key_gives_the_one_instance(self):
        run = run_of(lambda: itself(failing_at_two.options(key="n{x}").expand(x=[1, 2])["n1"]))
        assert run.result() == 10

    def test_a_key_whose_instance_failed_has_no_value(self):
        run = run_of(lambda: itself(failing_at_two.options(key="n{x}").expand(x=[1, 2])["n2"]))
        assert run["itself"].by_key[""].state is State.UPSTREAM_FAILED

    def test_a_key_that_no_instance_has_fails_the_task(self):
        run = run_of(lambda: itself(itself.expand(x={"a": 1})["b"]))
        assert "no instance with the key 'b'" in run["itself_2"].by_key[""].error

    def test_a_key_of_a_plain_call_gives_an_entry(self):
        run = run_of(lambda: itself({"rows": table()["rows"], "er": table()["deep"]["er"]}))
        assert run.result() == {"rows": [1, 2], "er": "here"}

    def test_to_map_over_an_entry_is_refused(self):
        with pytest.raises(FlowError, match=r"argument 'x': .*return it from a task"):
            flow(lambda: itself.expand(x=table()["rows"])).build()


class TestOwnArguments:
    def test_a_constant_that_a_task_changes_is_its_own(self):
        @task
        def add(x, options):
            options["sum"] += x
            return options["sum"]

        given = {"sum": 0}
        run = run_of(lambda: add.partial(options=given).expand(x=[1, 2, 3]))
        assert list(run.result()) == [1, 2, 3]
        assert given == {"sum": 0}

    def test_a_result_that_a_task_changes_is_its_own(self):
        @task
        def more(rows):
            rows.append(3)
            return rows

        def built():
            rows = itself([1, 2])
            return more(rows), more(rows), rows

        assert run_of(built).result() == ([1, 2, 3], [1, 2, 3], [1, 2])

    def test_outcomes_that_a_reduce_changes_are_its_own(self):
        @task
        def emptied(lists):
            for one in lists:
                one.clear()
            return [len(one) for one in lists]

        run = run_of(lambda: emptied(itself.expand(x=[[1], [2]])))
        assert run.result() == [0, 0]
        assert list(run["itself"]) == [[1], [2]]

    def test_a_retry_is_given_what_the_first_attempt_was(self):
        @task(retries=1)
        def once(x):
            x.append(1)
            if len(x) == 1 and not seen:
                seen.append(x)
                raise OSError("busy")
            return x

        seen: list[Any] = []
        assert run_of(lambda: once([])).result() == [1]

    @pytest.mark.parametrize("value", [[1, [2]], {"a": {1}}, (1, [2]), Held([1]), bytearray(b"x")])
    def test_a_copy_is_equal_and_another(self, value):
        copied = own(value)
        assert copied == value
        assert copied is not value

    @pytest.mark.parametrize("value", [1, "a", None, (1, "a"), Held(1, (2,)), frozenset({1})])
    def test_what_cannot_change_is_shared(self, value):
        assert own(value) is value

    def test_one_object_stays_one_object(self):
        shared: list[Any] = []
        shared.append(shared)
        first, second = own([shared, shared])
        assert first is second
        assert first[0] is first

    def test_a_frame_is_copied_when_it_is_written_to(self):
        frame = pd.DataFrame({"a": range(10)})
        copied = own(frame)
        assert np.shares_memory(copied["a"].to_numpy(), frame["a"].to_numpy())
        copied.loc[0, "a"] = 99
        assert frame.loc[0, "a"] == 0

    def test_a_small_array_is_copied_and_a_large_one_can_only_be_read(self):
        small, large = np.zeros(3), np.zeros(COPIED_UP_TO)
        own(small)[0] = 1
        assert small[0] == 0
        assert np.shares_memory(own(large), large)
        with pytest.raises(ValueError, match="read-only"):
            own(large)[0] = 1
        large[0] = 1  # still the owner's to write

    def test_what_cannot_be_copied_is_handed_on(self):
        lock = threading.Lock()
        assert own({"lock": lock})["lock"] is lock
