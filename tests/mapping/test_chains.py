"""Long chains of mapped tasks: no recursion, and work in proportion to their instances."""

import sys

import pytest

from orchestrator import flow, task
from orchestrator.errors import FlowError


@task
def step(x, y=0):
    return x


@task(key="{x}")
def named(x):
    return x


@task(key=lambda x: 1 / 0)
def nameless(x):
    return x


class Calls:
    """Counts the calls of Python functions that a flow run makes."""

    def __init__(self):
        self.made = 0

    def __call__(self, _frame, event, _argument):
        self.made += event == "call"

    def of(self, written):
        self.made = 0
        before = sys.getprofile()
        sys.setprofile(self)
        try:
            run = written.run()
        finally:
            sys.setprofile(before)
        assert run.state == "success"
        return self.made


def zipped(items, stages):
    last = step.expand(x=items)
    for _ in range(stages):
        last = step.expand_kwargs(last.zip(last).map(lambda pair: {"x": pair[0]}))


def crossed(items, stages):
    last = step.expand(x=items)
    for _ in range(stages):
        last = step.expand(x=last, y=[0])


def concatenated(items, stages):
    last = step.expand(x=items)
    for _ in range(stages):
        last = step.expand(x=last.concat([]))


def straight(items, stages):
    last = step.expand(x=items)
    for _ in range(stages):
        last = step.expand(x=last)


def lastingly_named(items, stages):
    last = named.expand(x=list(items))
    for _ in range(stages):
        last = named.expand(x=last)


ITEMS = {"a": 1, "b": 2}


@pytest.mark.parametrize("chain", [zipped, crossed, concatenated, straight])
def test_named_items_keep_their_keys_through_a_long_chain(chain):
    run = flow(name="long")(lambda: chain(ITEMS, 200)).run()
    assert run.state == "success"
    keys = [outcome.key for outcome in run["step_201"].items()]
    assert [key[0] for key in keys] == ["a", "b"]


def test_a_thousand_functions_may_be_mapped_one_after_the_other():
    def long():
        last = step.expand(x=[1, 2])
        plus = last
        for _ in range(1_500):
            plus = plus.map(lambda x: x + 1)
        step.expand(x=plus)

    run = flow(name="long")(long).run()
    assert [*run["step_2"]] == [1_501, 1_502]


def test_a_zip_in_a_zip_too_often_is_not_called_a_cycle():
    def deep():
        last = step.expand(x=[1, 2])
        for _ in range(3_000):
            last = last.zip([1, 2])
        step.expand(x=last)

    with pytest.raises(FlowError, match="a zip of a zip"):
        flow(name="deep")(deep).run()


def test_instances_without_a_key_end_a_long_chain_as_failures():
    def failing():
        last = nameless.expand(x=[1, 2])
        for _ in range(200):
            last = named.expand(x=last)

    run = flow(name="failing")(failing).run()
    assert run.counts == {"failed": 2, "upstream_failed": 400}
    assert len({o.key for o in run["named_200"].items()}) == 2


@pytest.mark.parametrize("chain", [straight, lastingly_named])
@pytest.mark.parametrize(("items", "stages"), [(5, 20), (100, 2)])
def test_four_times_the_instances_are_about_four_times_the_work(chain, items, stages):
    longer, wider = (items, 4 * stages), (4 * items, stages)
    calls = Calls()
    one = calls.of(flow(name="one")(lambda: chain(range(items), stages)))
    for n, m in (longer, wider):
        more = calls.of(flow(name="more")(lambda n=n, m=m: chain(range(n), m)))
        assert more < 5 * one


@task(key="own-{x[id]}")
def renamed(x):
    return x


@task
def last_of_all(x):
    return x["id"]


@flow
def renamed_below_a_concat():
    both = step.expand(x=[{"id": "a"}, {"id": "b"}]).concat([{"id": "c"}])
    last_of_all.expand(x=renamed.expand(x=both))


def test_a_tasks_own_keys_go_before_the_names_of_its_items():
    ended = renamed_below_a_concat.run()
    keys = [outcome.key for outcome in ended["last_of_all"].items()]
    assert keys == ["own-a", "own-b", "own-c"]
