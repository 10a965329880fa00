"""The Dask executor's rules, apart from any cluster: backlog, pace, gate, and who is to blame."""

import threading
from dataclasses import replace

import pytest
from distributed.protocol import dumps, loads
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.mapping.dask.backlog import ANYWHERE, Backlog, PendingCalls, lane_of, suspects
from orchestrator.mapping.dask.batch_merging import by_node, numbered, numbers
from orchestrator.mapping.dask.batch_sizing import BATCHES_PER_THREAD, MOST_IN_FLIGHT, Pace
from orchestrator.mapping.dask.batches import Running, after_death, after_timeout, put_back
from orchestrator.mapping.dask.cluster import Members
from orchestrator.mapping.dask.gate import SuspectGate
from orchestrator.mapping.dask.messages import (
    BatchLost,
    BatchStuck,
    CallBegan,
    WorkerDescription,
    WorkerLeft,
    WorkerOutOfMemory,
    WorkersJoined,
    read,
    written,
)
from orchestrator.mapping.dask.scheduler import batch_key, number_of, summary_key
from orchestrator.mapping.dask.worker import LEFT, LOADING
from orchestrator.mapping.execution.executor import Withdrawn
from orchestrator.testing.executors import add, calls

LIMIT_SECONDS = 10


def some(count, **options):
    return calls(add, columns={"x": range(count)}, **options)


def running(count, *, position=None, alone=False, **options):
    batch = Running(work=PendingCalls(some(count, **options)), future=None, needs=(), size=0)
    if position is not None:
        batch.note(position, "tcp://a", alone=alone, at=100.0)
    return batch


def positions(works):
    return [index for work in works for index in work.calls.indices]


# -- who is to blame ---------------------------------------------------------------------------

any_batch = st.builds(
    running,
    st.integers(1, 200),
    position=st.one_of(st.none(), st.sampled_from([LOADING, LEFT]), st.integers(0, 250)),
    alone=st.booleans(),
    suspect=st.booleans(),
)


@given(any_batch)
def test_after_a_death_every_call_is_made_again_or_blamed_but_not_both(batch):
    aftermath = after_death(batch)
    blamed = [] if aftermath.culprit is None else [aftermath.culprit]
    assert sorted(positions(aftermath.again) + blamed) == list(batch.calls.indices)


@given(any_batch, st.booleans(), st.booleans())
def test_after_a_timeout_every_call_is_made_again_or_blamed_but_not_both(batch, alone, moved):
    if batch.in_a_call:
        batch.ending = batch.position - moved
    aftermath = after_timeout(batch, alone=alone)
    blamed = [] if aftermath.culprit is None else [aftermath.culprit]
    again = positions(aftermath.again)
    assert sorted(again + blamed) == list(batch.calls.indices)


@given(any_batch)
def test_nobody_is_blamed_of_a_death_who_was_not_alone(batch):
    if not (batch.alone and batch.calls.suspect):
        assert after_death(batch).culprit is None


def test_calls_of_an_ordinary_batch_become_suspects_in_small_parts():
    (work,) = after_death(running(80)).again
    assert work.calls.suspect
    assert work.size == 10


def test_the_call_that_ran_alone_is_to_blame_and_those_before_it_are_innocent():
    aftermath = after_death(running(10, position=4, alone=True, suspect=True))
    assert aftermath.culprit == 4
    assert [(positions([work]), work.calls.suspect) for work in aftermath.again] == [
        ([0, 1, 2, 3], False),
        ([5, 6, 7, 8, 9], True),
    ]


def test_in_a_long_batch_the_calls_from_the_last_told_one_on_remain_suspects():
    aftermath = after_death(running(100, position=40, alone=True, suspect=True))
    assert aftermath.culprit is None
    innocent, suspected = aftermath.again
    assert positions([innocent]) == list(range(40))
    assert positions([suspected]) == list(range(40, 100))
    assert suspected.calls.suspect


def test_a_batch_that_has_left_is_innocent_of_a_death():
    assert after_death(running(1, position=LEFT, alone=True, suspect=True)).culprit is None


def test_a_call_dies_of_its_own_arguments_only_when_it_is_alone():
    assert after_death(running(1, position=LOADING, alone=True, suspect=True)).culprit == 0
    (work,) = after_death(running(5, position=LOADING, alone=True, suspect=True)).again
    assert work.size == 1


def test_what_never_begins_does_not_come_back_for_ever():
    batch, returns = running(3, suspect=True), 0
    while (aftermath := put_back(batch)).again:
        (batch.work,), returns = aftermath.again, returns + 1
        assert returns < 100
    assert aftermath.unclear


def test_a_call_that_ended_while_its_worker_was_being_ended_is_not_blamed():
    batch = running(5, position=2, timeout=1.0)
    batch.ending = 2
    assert after_timeout(batch, alone=True).culprit == 2
    batch.note(3, "tcp://a", alone=False, at=101.0)
    assert after_timeout(batch, alone=True).culprit is None


def test_a_deadline_is_that_of_the_call_that_runs():
    assert running(3, timeout=1.0).deadline is None
    assert running(3, position=LOADING, timeout=1.0).deadline is None
    assert running(3, position=3, timeout=1.0).deadline is None
    assert running(3, position=1).deadline is None
    assert 101.0 < running(3, position=1, timeout=1.0).deadline < 102.0


# -- backlog and pace --------------------------------------------------------------------------


def everywhere(lane):
    return True


def test_each_call_is_taken_once_and_in_order():
    backlog, pace, taken = Backlog(), Pace(threads=2), []
    backlog.add(PendingCalls(some(100, batch=7)))
    while (work := backlog.take(pace, everywhere)) is not None:
        taken += positions([work])
        backlog.ended(ANYWHERE)
    assert taken == list(range(100))
    assert len(backlog) == 0


def test_higher_priority_is_taken_first():
    backlog, pace = Backlog(), Pace(threads=2)
    for node, priority in ((1, 0), (2, 5), (3, 0)):
        backlog.add(PendingCalls(some(1, node=node, priority=priority)))
    taken = [backlog.take(pace, everywhere).calls.node for _ in range(3)]
    assert taken == [2, 1, 3]


def test_calls_that_wait_for_a_resource_do_not_stand_in_the_way():
    backlog, pace = Backlog(), Pace(threads=1)
    backlog.add(PendingCalls(some(50, node=1, resources=(("GPU", 1),), priority=9)))
    backlog.add(PendingCalls(some(1, node=2)))
    nodes = [backlog.take(pace, everywhere).calls.node for _ in range(BATCHES_PER_THREAD + 1)]
    assert nodes == [1] * BATCHES_PER_THREAD + [2]
    assert backlog.take(pace, lambda lane: lane == ANYWHERE) is None


@given(st.sets(st.integers(0, 49)), st.integers(1, 9))
def test_what_is_removed_is_never_taken(gone, size):
    backlog, pace, taken = Backlog(), Pace(threads=1), []
    backlog.add(PendingCalls(some(50, batch=size)))
    taken += positions([backlog.take(pace, everywhere)])
    backlog.remove(gone)
    assert len(backlog) == len(set(range(size, 50)) - gone)
    backlog.ended(ANYWHERE)
    while (work := backlog.take(pace, everywhere)) is not None:
        taken += positions([work])
        backlog.ended(ANYWHERE)
    assert taken == [n for n in range(50) if n < size or n not in gone]


def of_nodes(count, calls_each=3, **options):
    """Calls of as many nodes of one name, as coordinators make them."""
    return [
        numbered(replace(some(calls_each, node=node, **options), name="evaluate"))
        for node in range(count)
    ]


def backlog_of(many, seconds=0.01):
    """With these calls waiting, and their like known to take so long."""
    backlog, pace = Backlog(), Pace(threads=1)
    pace.learn(many[0], seconds * len(many[0].indices))
    for each in many:
        backlog.add(PendingCalls(each))
    return backlog, pace


def test_calls_of_several_nodes_that_differ_in_arguments_alone_share_a_batch():
    many = of_nodes(10, constants={"y": 1})
    backlog, pace = backlog_of(many)
    first, second = (backlog.take(pace, everywhere).calls for _ in range(2))
    assert [len(first.indices), len(second.indices)] == [15, 6]


@given(st.integers(1, 12), st.integers(1, 9))
def test_a_short_map_is_torn_apart_only_where_it_alone_is_too_long(calls_each, size):
    """What its calls share is then loaded by one worker."""
    backlog, pace = backlog_of(of_nodes(10, calls_each), seconds=0.5 / size)
    while (work := backlog.take(pace, everywhere)) is not None:
        backlog.ended(ANYWHERE)
        batch = Withdrawn(node=work.calls.node, indices=work.calls.indices)
        _, *others = (len(of_one.indices) for of_one in by_node(batch))
        assert set(others) <= {calls_each}


@pytest.mark.parametrize(
    "options",
    [
        {"constants": {"y": [1]}},
        {"constants": {"y": 1.0}},
        {"batch": 3},
        {"suspect": True},
        {"retry_on": (OSError,)},
    ],
)
def test_calls_that_differ_otherwise_do_not(options):
    one = of_nodes(1, **options)[0]
    other = of_nodes(2, **({"constants": {"y": 1}} if "constants" in options else {}))[1]
    backlog, pace = backlog_of([one, other])
    assert len(backlog.take(pace, everywhere).calls.indices) <= 3


@given(st.lists(st.tuples(st.integers(0, 2**22), st.integers(-1, 10**9)), min_size=1))
def test_what_an_event_says_of_several_nodes_is_told_apart(instances):
    indices = [number for node, index in instances for number in numbers(node, [index])]
    told = list(by_node(Withdrawn(node=-1, indices=indices)))
    assert len({event.node for event in told}) == len(told)
    again = [(event.node, index) for event in told for index in event.indices]
    assert sorted(again) == sorted(instances)


def test_suspects_are_taken_one_by_one_when_they_are_few():
    assert suspects(some(16)).size == 1
    assert suspects(some(160)).size == 20


@given(st.integers(1, 1_000), st.floats(1e-7, 1e4), st.integers(1, 10**6), st.integers(1, 500))
def test_batches_and_what_is_in_flight_stay_within_bounds(count, seconds, waiting, threads):
    pace, made = Pace(threads=threads), some(count)
    assert pace.batch(made, waiting) == 1
    pace.learn(made, seconds)
    size = pace.batch(made, waiting)
    assert 1 <= size <= max(1, 8 * count)
    assert size == 1 or size * seconds / count <= 0.5 + 1e-6
    least = 2 * pace.most_batches()
    assert least <= pace.most_calls() <= max(least, MOST_IN_FLIGHT)


def test_towards_the_end_batches_get_smaller():
    pace, made = Pace(threads=2), some(1_000)
    pace.learn(made, 1.0)
    ends = [pace.batch(made, waiting) for waiting in (5_000, 1_000, 400, 100, 10)]
    assert ends == sorted(ends, reverse=True)
    assert ends[0] == 500
    assert ends[-1] < 50


# -- members, keys, gate -----------------------------------------------------------------------


def worker(address, name, **resources):
    return WorkerDescription(
        address=address, name=name, threads=1, resources=resources, nanny=True, memory_limit=0
    )


@pytest.mark.parametrize(
    "message",
    [
        WorkersJoined((worker("tcp://a:1", "a", GPU=1.0), worker("tcp://b:1", "b"))),
        WorkerLeft("tcp://a:1"),
        WorkerOutOfMemory("tcp://a:1"),
        CallBegan(3, 7, True, "tcp://a:1"),
        BatchLost(3),
        BatchStuck(3),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_is_the_same_after_dask_has_carried_it(message):
    assert read(loads(dumps(written(message)))) == message


def test_members_are_known_by_address_name_and_host():
    members = Members()
    members.joined([worker("tcp://10.0.0.5:1234", "alice", GPU=1.0)])
    for named in ("tcp://10.0.0.5:1234", "alice", "10.0.0.5"):
        assert members.refusal(((), (named,))) is None
    assert "'bob'" in members.refusal(((), ("bob",)))
    assert members.refusal(((("GPU", 1.0),), ())) is None
    assert "2 GPU" in members.refusal(((("GPU", 2.0),), ()))


def test_a_lane_is_not_refused_because_its_worker_is_away_but_is_stranded_in_the_end():
    members, lane = Members(), lane_of(some(1, resources=(("GPU", 1.0),)).placement)
    members.joined([worker("tcp://a:1", "a", GPU=1.0), worker("tcp://b:1", "b")])
    members.left("tcp://a:1")
    assert members.refusal(lane) is None
    assert not members.can_take(lane)
    assert members.stranded([lane, ANYWHERE], patience=60)[0] == {}
    over, _ = members.stranded([lane, ANYWHERE], patience=0)
    assert list(over) == [lane]
    assert "no worker offers 1 GPU" in over[lane]


@pytest.mark.parametrize("name", ["add", "a-b-c", "ä/ö [2]", "x-abc-7"])
def test_keys_tell_their_number(name):
    key = batch_key(name, "abc", 12)
    assert number_of(key, "abc") == number_of(summary_key(key), "abc") == 12
    for other in (f"{key}-value-3", "add", "add-abc-x", ("add-abc-1", 2), 7, "-abc-1"):
        assert number_of(other, "abc") is None
    assert number_of(key, "abd") is None


def test_a_suspect_runs_while_nothing_else_does():
    gate, events, inside = SuspectGate(), [], threading.Event()
    suspect_waits = threading.Event()

    def ordinary():
        with gate.passing():
            inside.set()
            assert suspect_waits.wait(LIMIT_SECONDS)
            events.append("ordinary ends")

    def suspect():
        assert inside.wait(LIMIT_SECONDS)
        suspect_waits.set()
        with gate.alone() as alone:
            events.append(f"suspect alone: {alone}")

    threads = [threading.Thread(target=ordinary), threading.Thread(target=suspect)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT_SECONDS)
    with gate.passing():
        events.append("next")
    assert events == ["ordinary ends", "suspect alone: True", "next"]
