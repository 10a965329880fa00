"""Chosen instances run again, and what depends on them; their siblings are recalled."""

import pytest

from orchestrator.mapping import MemoryRecorder, flow, task
from tests.support import counting


@pytest.fixture(autouse=True)
def nothing_has_run():
    counting.ran.clear()


def ran_again(some_flow, *chosen):
    """What runs in a second flow run in which these (node, key) are chosen; all of it when none."""
    recorder = MemoryRecorder()
    assert some_flow.run(ledger=recorder).state == "success"
    counting.ran.clear()
    again = some_flow.run(
        ledger=recorder, again=lambda node, key: (node.partition("@")[0], key) in chosen
    )
    assert again.state == "success"
    return dict(counting.ran)


@task(cache="runs")
def double(x):
    counting.ran[f"double {x}"] += 1
    return 2 * x


@task(cache="runs")
def show(x):
    counting.ran[f"show {x}"] += 1


@task(trigger_rule="all_done", cache="runs")
def total(values):
    counting.ran["total"] += 1
    return sum(values)


@task(cache="runs")
def listed():
    counting.ran["listed"] += 1
    return [1, 2, 3]


@task(cache="runs")
def with_total(x, total):
    counting.ran[f"with_total {x} {total}"] += 1


@flow
def chain():
    doubled = double.expand(x=[1, 2, 3])
    show.expand(x=doubled)


def test_only_the_chosen_instance_and_its_own_next_stage_run():
    assert ran_again(chain, ("double", "1")) == {"double 2": 1, "show 4": 1}


def test_what_comes_before_the_chosen_instance_does_not_run():
    assert ran_again(chain, ("show", "0")) == {"show 2": 1}


def test_nothing_that_is_recorded_runs_when_nothing_is_chosen():
    assert ran_again(chain) == {}


def test_what_maps_over_something_else_with_a_changed_reduce_runs_though_its_value_is_equal():
    @flow
    def reduced():
        summed = total(double.expand(x=[1, 2]))
        with_total.partial(total=summed).expand(x=[7, 8])

    assert ran_again(reduced, ("double", "0")) == {
        "double 1": 1,
        "total": 1,
        "with_total 7 6": 1,
        "with_total 8 6": 1,
    }


def test_a_plain_call_whose_value_is_not_stored_does_not_make_its_siblings_run():
    @flow
    def from_a_list():
        double.expand(x=listed())

    assert ran_again(from_a_list, ("double", "2")) == {"listed": 1, "double 3": 1}


def test_a_chosen_plain_call_takes_all_that_follows_with_it():
    @flow
    def from_a_list():
        show.expand(x=double.expand(x=listed()))

    shown = {f"show {2 * x}": 1 for x in (1, 2, 3)}
    doubled = {f"double {x}": 1 for x in (1, 2, 3)}
    assert ran_again(from_a_list, ("listed", "")) == {"listed": 1, **doubled, **shown}


def test_instances_of_a_concatenation_follow_their_own_origin():
    @flow
    def joined():
        show.expand(x=double.expand(x=[1, 2]).concat(double.expand(x=[5])))

    assert ran_again(joined, ("double_2", "0")) == {"double 5": 1, "show 10": 1}


def test_a_list_item_that_is_a_whole_map_counts_as_a_dependency():
    @flow
    def listed_whole():
        total.expand(values=[double.expand(x=[1, 2]), [9]])

    assert ran_again(listed_whole, ("double", "0")) == {"double 1": 1, "total": 2}


@task
async def customer(name, xs):
    doubled = await double.expand(x=xs)
    return f"{name} {sum(doubled)}"


@flow
def nested():
    show.expand(x=customer.expand_kwargs([{"name": "a", "xs": [1, 2]}, {"name": "b", "xs": [3]}]))


def test_inside_a_coordinator_only_the_chosen_instance_runs_and_what_follows_the_coordinator():
    assert ran_again(nested, ("double", "0/1")) == {"double 2": 1, "show a 6": 1}


def test_a_chosen_coordinator_takes_all_it_calls_with_it():
    assert ran_again(nested, ("customer", "0")) == {"double 1": 1, "double 2": 1, "show a 6": 1}


@task(cache="runs")
def fragile(x):
    if x in counting.broken:
        raise ValueError(x)
    return x


def test_a_chosen_instance_that_fails_leaves_its_recorded_siblings_alone():
    @flow
    def fragile_chain():
        show.expand(x=fragile.expand(x=[1, 2]))

    recorder = MemoryRecorder()
    fragile_chain.run(ledger=recorder)
    counting.broken.add(2)
    run = fragile_chain.run(ledger=recorder, again=lambda *one: one == ("fragile", "1"))
    assert dict(run.counts) == {"cached": 2, "failed": 1, "upstream_failed": 1}


def test_what_ran_again_is_recalled_the_next_time():
    recorder = MemoryRecorder()
    chain.run(ledger=recorder)
    chain.run(ledger=recorder, again=lambda _node, _key: True)
    assert dict(chain.run(ledger=recorder).counts) == {"cached": 6}
