"""Limits over a whole flow run: max_active, pools and rates, whoever calls, on both executors."""

import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import Pool, flow, task
from orchestrator.errors import FlowError
from orchestrator.mapping import MemoryRecorder
from orchestrator.mapping.authoring.limit_groups import Rate
from orchestrator.mapping.authoring.nodes import Scope
from orchestrator.mapping.driver.pacing import Pacer
from orchestrator.mapping.engine.engine import Engine
from orchestrator.mapping.execution.executor import Ended
from orchestrator.mapping.execution.invoke import Performed


def built(define, pools=None):
    """An engine with the calls that a function makes, nothing of which has started."""
    scope = Scope("flow")
    with scope.entered():
        define()
    read = {name: Pool.read("f", name, given) for name, given in (pools or {}).items()}
    engine = Engine(pools=read)
    engine.add(scope.fresh())
    return engine


def started(engine, room=1_000):
    """The names of the nodes that start now, one for each instance."""
    starts = engine.take(room)
    return [engine.nodes[start.node].node.name for start in starts for _ in start.indices], starts


def end(engine, start, count=None):
    indices = list(start.indices)[:count]
    now = [0.0] * len(indices)
    performed = Performed(values=[None] * len(indices))
    performed.started.extend(now)
    performed.ended.extend(now)
    engine.ended(Ended(node=start.node, indices=indices, performed=performed, worker="here"))


@task(pool="api")
def one(x):
    return x


@task(pool="api")
def other(x):
    return x


@task
def unrelated(x):
    return x


def test_a_pool_is_shared_by_all_tasks_that_take_its_slots():
    engine = built(lambda: (one.expand(x=range(9)), other.expand(x=range(9))), {"api": 3})
    names, _ = started(engine)
    assert len(names) == 3


def test_a_full_pool_holds_back_no_other_task():
    engine = built(lambda: (unrelated.expand(x=range(2)), one.expand(x=range(9))), {"api": 1})
    names, _ = started(engine)
    assert Counter(names) == {"one": 1, "unrelated": 2}


def test_calls_that_wait_for_a_pool_are_served_in_turn():
    engine = built(lambda: (one.expand(x=range(9)), other.expand(x=range(9))), {"api": 1})
    order = []
    for _ in range(6):
        names, (start,) = started(engine)
        order += names
        end(engine, start)
    assert set(order[:2]) == {"one", "other"}
    assert order == order[:2] * 3


def test_of_calls_that_wait_the_higher_priority_goes_first():
    engine = built(
        lambda: (one.expand(x=range(2)), other.options(priority=1).expand(x=range(2))), {"api": 1}
    )
    order = []
    for _ in range(4):
        names, (start,) = started(engine)
        order += names
        end(engine, start)
    assert order[1:3] == ["other", "other"] or order[:2] == ["other", "other"]


def test_a_call_blocked_by_its_own_limit_leaves_the_pool_to_others():
    slow = one.options(max_active=1)
    engine = built(lambda: (slow.expand(x=range(9)), other.expand(x=range(9))), {"api": 4})
    names, _ = started(engine)
    assert Counter(names) == {"one": 1, "other": 3}


def test_slots_come_back_from_whatever_ends():
    engine = built(lambda: one.expand(x=range(4)), {"api": 2})
    _, (start,) = started(engine)
    engine.lost(start.node, start.indices[:1], None, "its worker died")
    assert len(started(engine)[0]) == 1
    engine.cancel(start.node, "no longer wanted")
    assert engine.done


@settings(max_examples=100, deadline=None)
@given(
    sizes=st.lists(st.integers(min_value=1, max_value=6), min_size=1, max_size=5),
    slots=st.integers(min_value=1, max_value=4),
    most=st.integers(min_value=1, max_value=4),
    data=st.data(),
)
def test_no_order_of_ends_breaks_a_limit_or_stops_the_flow(sizes, slots, most, data):
    limited = one.options(max_active=most)
    engine = built(
        lambda: [(limited if n % 2 else other).expand(x=range(s)) for n, s in enumerate(sizes)],
        {"api": slots},
    )
    running = []
    while not engine.done:
        _, starts = started(engine, data.draw(st.integers(min_value=1, max_value=5)))
        running += [(s.node, index) for s in starts for index in s.indices]
        assert 1 <= len(running) <= slots
        of_limited = [n for n, _ in running if engine.nodes[n].node.task.settings.max_active]
        assert len(of_limited) <= most
        node, index = running.pop(data.draw(st.integers(0, len(running) - 1)))
        performed = Performed(values=[None])
        performed.started.append(0.0)
        performed.ended.append(0.0)
        engine.ended(Ended(node=node, indices=[index], performed=performed, worker="here"))


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@settings(max_examples=100, deadline=None)
@given(
    rate=st.sampled_from(["1/s", "3/s", "5/min"]),
    steps=st.lists(st.floats(min_value=0.0, max_value=40.0), min_size=1, max_size=30),
)
def test_no_period_has_more_starts_than_a_rate_allows(rate, steps):
    engine = built(lambda: unrelated.options(rate=rate).expand(x=range(60)))
    clock, allowed, at = Clock(), Rate.read(rate), []
    pacer = Pacer(engine, clock=clock)
    for step in steps:
        clock.now += step
        pacer.refresh()
        for start in started(engine)[1]:
            pacer.started(engine.nodes[start.node], len(start.indices))
            at += [clock.now] * len(start.indices)
            end(engine, start)
    assert at
    for begin in at:
        assert sum(begin <= each < begin + allowed.seconds for each in at) <= allowed.count


def test_a_rate_says_when_the_next_start_is_due():
    engine = built(lambda: unrelated.options(rate="2/s").expand(x=range(5)))
    clock = Clock()
    pacer = Pacer(engine, clock=clock)
    pacer.refresh()
    _, starts = started(engine)
    pacer.started(engine.nodes[0], sum(len(start.indices) for start in starts))
    clock.now += 0.25
    pacer.refresh()
    assert pacer.seconds_to_next() == pytest.approx(0.75)


def test_a_resumed_flow_run_waits_as_if_it_had_started_all_it_may():
    engine = built(lambda: unrelated.options(rate="2/s").expand(x=range(5)))
    clock = Clock()
    pacer = Pacer(engine, used_until=clock.now - 0.4, clock=clock)
    pacer.refresh()
    assert not engine.has_ready
    clock.now += 0.6
    pacer.refresh()
    assert len(started(engine)[0]) == 2


def test_what_is_recalled_takes_nothing_of_a_rate():
    limited = unrelated.options(rate="1/h", cache="runs")

    @flow
    def rated():
        return limited.options(rate=None).expand(x=range(20))

    @flow
    def again():
        return limited.expand(x=range(20))

    recorder = MemoryRecorder()
    rated.run(ledger=recorder)
    assert again.run(ledger=recorder).counts == {"cached": 20}


def test_retries_count_as_starts_of_a_rate():
    times = []

    @task(rate="2/s", retries=3)
    def fails(x):
        times.append(time.monotonic())
        raise OSError(x)

    @flow
    def failing():
        return fails.expand(x=[1])

    failing.run()
    assert len(times) == 4
    assert times[2] - times[0] >= 0.9


@task(max_active=1, batch=1)
def alone(x, folder):
    mine = folder / str(time.time_ns())
    mine.touch()
    seen = len(list(folder.iterdir()))
    time.sleep(0.05)
    mine.unlink()
    return seen


@task
async def of_customer(customer, folder):
    return max(await alone.partial(folder=folder).expand(x=[1, 2, 3]))


@flow
def nested(folder):
    return of_customer.partial(folder=folder).expand(customer=range(6))


def test_max_active_holds_over_all_coordinators(where, tmp_path):
    assert set(nested.run(params={"folder": tmp_path}, client=where).result()) == {1}


def test_max_active_per_call_holds_for_each_call_alone():
    limited = unrelated.options(max_active_per_call=2)
    engine = built(lambda: (limited.expand(x=range(5)), limited.expand(x=range(5))))
    assert len(started(engine)[0]) == 4


def test_a_task_defined_in_a_coordinator_is_one_task():
    most = Counter()

    @task
    async def outer(x):
        @task(max_active=1, runs_on="driver")
        def inner(y):
            most["now"] += 1
            most["most"] = max(most["most"], most["now"])
            most["now"] -= 1
            return y

        return list(await inner.expand(y=[x, x]))

    @flow
    def outers():
        return outer.expand(x=range(3))

    assert list(outers.run().result()) == [[0, 0], [1, 1], [2, 2]]
    assert most["most"] == 1


def test_a_coordinator_that_calls_itself_does_not_wait_for_itself():
    @task(max_active=1)
    async def down(depth):
        return 1 + await down(depth - 1) if depth else 0

    @flow
    def deep():
        return down(5)

    assert deep.run().result() == 5


def test_coordinators_that_wait_for_each_other_go_on(caplog):
    @task(max_active=1)
    async def first(x):
        return await second(x - 1) if x else 0

    @task(max_active=1)
    async def second(x):
        return await first(x - 1) if x else 0

    @flow
    def both():
        return first(2), second(2)

    assert both.run().result() == (0, 0)


@pytest.mark.parametrize(
    ("pools", "said"),
    [
        ({"api": 0}, "at least 1"),
        ({"api": True}, "at least 1"),
        ({"api": 2.5}, "at least 1"),
        ({"api": "fast"}, "the rate 'fast' is not"),
        ({"api": Pool()}, "limits nothing"),
        ({"": 1}, "its name"),
        ([("api", 1)], "not a dict"),
    ],
)
def test_a_wrong_pool_is_refused_when_the_flow_is_made(pools, said):
    with pytest.raises(FlowError, match=said):

        @flow(pools=pools)
        def unused():
            return None


def test_a_task_whose_pool_its_flow_does_not_have_is_refused_when_it_is_built():
    @flow(pools={"db": 1})
    def without():
        return one.expand(x=[1])

    with pytest.raises(FlowError, match="no pool 'api', it has db"):
        without.build()


def test_a_pool_with_slots_and_a_rate_runs_to_its_end(where):
    @flow(pools={"api": Pool(slots=2, rate="50/s")})
    def calls():
        return one.expand(x=range(12)), other.expand(x=range(12))

    run = calls.run(client=where)
    assert run.counts == {"success": 24}
