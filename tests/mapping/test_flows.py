"""Flows: mistakes when they are written down, names of nodes, options of items."""

import threading

import pytest

from orchestrator.errors import FlowError
from orchestrator.mapping import (
    flow,
    task,
)
from tests.support.flows import add, as_list, itself, run_of

pytestmark = pytest.mark.timeout(60)


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

    def test_a_parameter_may_be_called_like_an_option_of_run(self):
        def called_like_it(client, ledger):
            return itself(client + ledger)

        assert flow(called_like_it).run(params={"client": 1, "ledger": 2}).result() == 3

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

        plain, mapped, kwargs = named.run(client=where).result()
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
