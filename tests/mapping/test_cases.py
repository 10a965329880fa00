"""The cases that define mapping, each in this process and on a cluster of worker processes."""

import time

import pytest

from orchestrator.errors import FlowError
from orchestrator.ledger import Ledger
from orchestrator.mapping import MemoryRecorder, Skip, flow, task
from orchestrator.mapping.authoring.product import Product
from orchestrator.mapping.authoring.sequences import Items
from orchestrator.records import State
from tests.support.flows import as_list, itself, states

LIMIT_SECONDS = 30


@task
def add(x, y):
    return x + y


@task
def add_one(x):
    return x + 1


@task
def pair(x, y):
    return (x, y)


@task
def total(numbers):
    return sum(numbers)


@task
def give(value):
    return value


class TestExpansion:
    def test_case_1_a_partial_argument_is_shared(self, where):
        @flow
        def constants():
            return add.partial(y=10).expand(x=[1, 2, 3])

        assert list(constants.run(client=where).result()) == [11, 12, 13]

    def test_case_2_the_last_keyword_is_fastest(self, where):
        @flow
        def product():
            return (
                pair.expand(x=[2, 4, 8], y=[5, 10]),
                pair.expand(y=[5, 10], x=[2, 4, 8]),
            )

        y_fastest, x_fastest = product.run(client=where).result()
        assert list(y_fastest) == [(2, 5), (2, 10), (4, 5), (4, 10), (8, 5), (8, 10)]
        assert list(x_fastest) == [(2, 5), (4, 5), (8, 5), (2, 10), (4, 10), (8, 10)]

    def test_case_3_a_dict_gives_pairs_and_names_keys(self, where):
        @flow
        def pairs():
            return pair.expand(x=[1, 2], y={"a": "x", "b": "y"})

        outcomes = pairs.run(client=where).result()
        assert list(outcomes) == [
            (1, ("a", "x")),
            (1, ("b", "y")),
            (2, ("a", "x")),
            (2, ("b", "y")),
        ]
        assert [o.key for o in outcomes.items()] == ["0/a", "0/b", "1/a", "1/b"]

    @pytest.mark.parametrize(
        "items", [[1, "one", 1.5, (1,), {"a": 1}, [2]], [0, "", [], False, None]]
    )
    def test_case_4_mixed_and_falsy_values_come_through_unchanged(self, where, items):
        @flow
        def unchanged():
            return itself.expand(x=items)

        result = list(unchanged.run(client=where).result())
        assert result == items
        assert [type(value) for value in result] == [type(item) for item in items]

    def test_case_5_one_upstream_for_both_arguments(self, where):
        @flow
        def squared():
            numbers = give([1, 2])
            return pair.expand(x=numbers, y=numbers)

        assert list(squared.run(client=where).result()) == [(1, 1), (1, 2), (2, 1), (2, 2)]

    def test_case_6_maps_chain_and_reduce(self, where):
        @flow
        def chained():
            once = add_one.expand(x=[1, 2, 3])
            return add_one.expand(x=once), total(once)

        twice, summed = chained.run(client=where).result()
        assert list(twice) == [3, 4, 5]
        assert summed == 9

    def test_case_6_a_map_without_a_reduce_runs(self, where):
        @flow
        def alone():
            add_one.expand(x=[1, 2, 3])

        run = alone.run(client=where)
        assert list(run["add_one"]) == [2, 3, 4]
        assert run.state == "success"

    def test_case_7_expand_kwargs_gives_one_instance_a_dict(self, where):
        @task
        def both(a, b):
            return (a, b)

        @flow
        def dicts():
            return (
                add.expand_kwargs([{"x": 1, "y": 2}, {"x": 3, "y": 4}]),
                both.partial(a=1).expand_kwargs([{"b": "x"}, {"b": None}]),
            )

        sums, pairs = dicts.run(client=where).result()
        assert list(sums) == [3, 7]
        assert list(pairs) == [(1, "x"), (1, None)]


class TestLazySequences:
    @pytest.mark.parametrize(
        ("signal", "last"),
        [(None, State.SUCCESS), (ValueError, State.FAILED), (Skip, State.SKIPPED)],
    )
    def test_case_8_map_is_applied_where_the_item_is_consumed(self, where, signal, last):
        @task
        def show(value):
            return value

        def double(letter):
            if letter == "c" and signal is not None:
                raise signal("not this one")
            return {"value": letter * 2}

        @flow
        def mapped():
            return show.expand_kwargs(give(["a", "b", "c"]).map(double))

        outcomes = mapped.run(client=where)["show"]
        assert states(outcomes) == [State.SUCCESS, State.SUCCESS, last]
        assert list(outcomes)[:2] == ["aa", "bb"]

    def test_case_9_zip_is_as_long_as_the_shortest_or_is_filled(self, where):
        @flow
        def zipped():
            three, four = give([1, 2, 3]), give([1, 2, 3, 4])
            return (
                itself.expand(x=three.zip(four)),
                itself.expand(x=three.zip(four, fillvalue=None)),
            )

        shortest, filled = zipped.run(client=where).result()
        assert list(shortest) == [(1, 1), (2, 2), (3, 3)]
        assert list(filled) == [(1, 1), (2, 2), (3, 3), (None, 4)]

    def test_case_9_a_strict_zip_names_the_lengths(self, where):
        @flow
        def strict():
            return itself.expand(x=give([1, 2, 3]).zip([1, 2, 3, 4], strict=True))

        run = strict.run(client=where)
        assert run.state == "failed"
        with pytest.raises(Exception, match="lengths: 3 and 4"):
            run.result()

    def test_case_10_concat_is_flat(self, where):
        @flow
        def joined():
            return itself.expand(x=give(["a", "b", "c"]).concat([1, 2], {"k": "v"}))

        assert list(joined.run(client=where).result()) == ["a", "b", "c", 1, 2, ("k", "v")]

    def test_case_10_concat_is_indexed_from_both_ends(self):
        joined = Items(["a", "b", "c"]).concat([1, 2])
        assert len(joined) == 5
        assert joined[-1] == 2
        with pytest.raises(IndexError):
            joined[5]


class TestEmptyAndFailed:
    @pytest.mark.parametrize(
        ("rule", "state", "expected"),
        [(None, "success", None), ("none_failed", "success", []), ("all_done", "success", [])],
    )
    def test_case_11_an_empty_map_is_skipped_and_the_reduce_goes_by_its_rule(
        self, where, rule, state, expected
    ):
        reduce = as_list.options(trigger_rule=rule)

        @flow
        def empty():
            return reduce(add_one.expand(x=add_one.expand(x=give([]))))

        run = empty.run(client=where)
        assert run.state == state
        assert run.result() == expected
        assert run.counts[State.SKIPPED] == (3 if expected is None else 2)

    def test_case_12_one_failure_of_three(self, where):
        @task
        def invert(x):
            return 1 / x

        @task(trigger_rule="all_done")
        def look(outcomes):
            return [(o.key, o.state, o.error) for o in outcomes.items()]

        @flow
        def partly():
            inverted = invert.expand(x=[1, 0, 2])
            return as_list.options(trigger_rule="all_success")(inverted), look(inverted)

        run = partly.run(client=where)
        assert states(run["invert"]) == [State.SUCCESS, State.FAILED, State.SUCCESS]
        assert states(run["as_list"]) == [State.UPSTREAM_FAILED]
        assert list(run["look"]) == [
            [
                ("0", State.SUCCESS, None),
                ("1", State.FAILED, "ZeroDivisionError: division by zero"),
                ("2", State.SUCCESS, None),
            ]
        ]

    def test_case_13_an_item_without_a_value_stays_missing_under_its_key(self, where):
        @task
        def but_zero(x):
            if x == 0:
                raise ValueError("zero")
            return x * 10

        @flow
        def gap():
            return add_one.options(trigger_rule="all_done").expand(x=but_zero.expand(x=[0, 1, 2]))

        by_key = gap.run(client=where)["add_one"].by_key
        assert by_key["0"].state is State.UPSTREAM_FAILED
        assert (by_key["1"].value, by_key["2"].value) == (11, 21)


class TestOrder:
    def test_case_14_a_reduce_sees_item_order(self, where):
        @task(batch=1)
        def late(x):
            time.sleep((3 - x) * 0.05)
            return x

        @flow
        def reversed_ends():
            return as_list(late.expand(x=[0, 1, 2])), as_list(late.expand(x=[3]))

        assert reversed_ends.run(client=where).result() == ([0, 1, 2], [3])

    def test_case_15_an_item_goes_on_while_others_have_not_ended(self, client, tmp_path):
        """Item 0's first stage ends only once item 1's second stage has begun."""
        signal = tmp_path / "begun"

        @task(batch=1)
        def first(x):
            limit = time.monotonic() + LIMIT_SECONDS
            while x == 0 and not signal.exists():
                if time.monotonic() > limit:
                    raise TimeoutError("item 1 did not go on")
                time.sleep(0.005)
            return x

        @task(batch=1)
        def second(x):
            if x == 1:
                signal.touch()
            return x

        @flow
        def stages():
            return second.expand(x=first.expand(x=[0, 1]))

        assert list(stages.run(client=client).result()) == [0, 1]

    def test_case_15_in_this_process_an_item_goes_through_all_stages_first(self):
        seen = []

        @task
        def first(x):
            seen.append(f"first {x}")
            return x

        @task
        def second(x):
            seen.append(f"second {x}")

        @flow
        def stages():
            second.expand(x=first.expand(x=[0, 1]))

        stages.run()
        assert seen == ["first 0", "second 0", "first 1", "second 1"]

    def test_case_16_maps_nest_three_deep(self, where):
        @task
        def leaf(a, b, c):
            return f"{a}{b}{c}"

        @task
        async def inner(a, b):
            return list(await leaf.partial(a=a, b=b).expand(c={"x": 1, "y": 2}))

        @task
        async def outer(a):
            return list(await inner.partial(a=a).expand(b=[0, 1]))

        @flow
        def nested():
            return outer.options(key="{a}").expand(a=["p", "q"])

        run = nested.run(client=where)
        pairs = [[f"{a}{b}('x', 1)", f"{a}{b}('y', 2)"] for a in "pq" for b in "01"]
        assert list(run.result()) == [pairs[:2], pairs[2:]]
        keys = [o.key for outcomes in run.outcomes("leaf") for o in outcomes.items()]
        assert sorted(keys) == [f"{a}/{b}/{c}" for a in "pq" for b in "01" for c in "xy"]


@pytest.fixture(params=["memory", "ledger"])
def recorder(request, tmp_path):
    if request.param == "memory":
        yield MemoryRecorder()
        return
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        yield ledger.recorder()


class TestHistory:
    def test_case_17_only_new_items_run(self, where, recorder, tmp_path):
        @task(key="{name}", cache="runs")
        def work(name, folder):
            with (folder / name).open("a") as file:
                file.write("ran\n")
            return name.upper()

        @flow
        def customers(names):
            return work.partial(folder=tmp_path).expand(name=names)

        customers.run(params={"names": ["a", "b", "c"]}, client=where, ledger=recorder)
        again = customers.run(params={"names": ["z", "a", "b", "c"]}, client=where, ledger=recorder)
        assert list(again.result()) == ["Z", "A", "B", "C"]
        assert states(again.result()) == [State.SUCCESS] + [State.CACHED] * 3
        ran = {name: (tmp_path / name).read_text().count("ran") for name in "abcz"}
        assert ran == {"a": 1, "b": 1, "c": 1, "z": 1}

    def test_case_18_items_that_are_gone_are_removed(self, where, recorder):
        @task(key="{name}")
        def work(name):
            return name

        @flow
        def customers(names):
            return as_list(work.expand(name=names))

        customers.run(params={"names": list("abcde")}, client=where, ledger=recorder)
        fewer = customers.run(params={"names": list("ace")}, client=where, ledger=recorder)
        assert fewer.state == "success"
        assert fewer.result() == ["a", "c", "e"]
        assert fewer.counts[State.REMOVED] == 2
        assert recorder.last_keys("customers", "work") == {"a", "c", "e"}

    def test_case_18_what_is_removed_is_seen_in_history(self, where):
        recorder = MemoryRecorder()

        @task(key="{name}")
        def work(name):
            return name

        @flow
        def customers(names):
            work.expand(name=names)

        customers.run(params={"names": ["a", "b"]}, client=where, ledger=recorder)
        fewer = customers.run(params={"names": ["a"]}, client=where, ledger=recorder)
        assert recorder.instances[fewer.id, "work", "b"].state is State.REMOVED


class TestMisuse:
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            (add.expand, "needs at least one argument"),
            (lambda: add_one.expand(x=1), "'x': cannot map over int"),
            (lambda: add_one.expand(x="hi"), "'x': cannot map over str"),
            (lambda: add_one.expand(x={1, 2}), "'x': cannot map over set"),
            (lambda: add_one.expand(z=[1]), "no argument 'z'"),
            (lambda: add.partial(x=1).expand(x=[1], y=[2]), "'x', which partial"),
            (lambda: add.partial(x=1).partial(x=2), "'x', which partial"),
        ],
    )
    @pytest.mark.filterwarnings("ignore:.*never expanded:UserWarning")  # the mistake came first
    def test_case_19_each_mistake_has_its_own_error_before_anything_runs(
        self, where, wrong, message
    ):
        ran = []

        @task(runs_on="driver")
        def noticed():
            ran.append(1)

        @flow
        def mistaken():
            noticed()
            wrong()

        with pytest.raises(FlowError, match=message):
            mistaken.run(client=where)
        assert ran == []

    def test_case_20_a_producer_that_gives_a_str_fails_the_map(self, where):
        @flow
        def stringy():
            return add_one.expand(x=give("hi"))

        run = stringy.run(client=where)
        assert states(run["give"]) == [State.SUCCESS]
        assert run.state == "failed"
        with pytest.raises(Exception, match="cannot map over str"):
            run.result()

    def test_case_21_a_product_over_the_limit_is_refused_with_both_numbers(self, where):
        @flow(max_map_length=100)
        def too_long():
            add.expand(x=range(20), y=range(6))

        with pytest.raises(FlowError, match=r"120 .* 100"):
            too_long.run(client=where)

    def test_case_21_the_limit_holds_for_lengths_known_at_run_time(self, where):
        @flow(max_map_length=100)
        def too_long():
            return add.expand(x=give(list(range(20))), y=range(6))

        run = too_long.run(client=where)
        with pytest.raises(Exception, match=r"120 .* 100"):
            run.result()

    def test_case_21_a_billion_items_are_counted_at_once(self):
        product = Product({name: Items(range(1000)) for name in "abc"})
        began = time.perf_counter()
        assert len(product) == 10**9
        assert product[10**9 - 1] == {"a": 999, "b": 999, "c": 999}
        assert time.perf_counter() - began < 0.01
