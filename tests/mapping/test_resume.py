"""A flow run that goes on: the same id, and nothing repeated that had succeeded."""

from collections import Counter

import pytest

from orchestrator.ledger import Ledger
from orchestrator.mapping import flow, task
from orchestrator.mapping.driver.recorder import MemoryRecorder
from orchestrator.records import State


@pytest.fixture(params=["memory", "ledger"])
def recorder(request, tmp_path):
    if request.param == "memory":
        yield MemoryRecorder()
        return
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        yield ledger.recorder()


class Calls:
    """Counts calls, and says stop after so many."""

    def __init__(self):
        self.made, self.most = Counter(), 0

    def note(self, what):
        self.made[what] += 1

    def stop_after(self, most):
        self.most = most
        return lambda: sum(self.made.values()) >= self.most


@pytest.fixture
def calls(monkeypatch):
    calls = Calls()
    # Not in a closure, where it would be part of the tasks' code.
    monkeypatch.setitem(globals(), "made", calls)
    return calls


made = None


@task
def fetched(size):
    made.note("fetched")
    return [*range(size)]


@task
def squared(x):
    made.note(("squared", x))
    if x == 7 and made.made["squared", 7] == 1:
        raise ValueError("the first time it fails")
    return x * x


@task(cache=False)
def looked_up(x):
    made.note(("looked_up", x))
    return made.made["looked_up", x]


@task(cache=lambda x: x if x % 2 else None)
def looked_up_when_even(x):
    made.note(("looked_up", x))
    return made.made["looked_up", x]


@task
def total(numbers):
    return sum(numbers)


@flow
def squares(size: int = 10):
    return total(squared.expand(x=fetched(size)))


@flow
def look_ups():
    return looked_up.expand(x=range(10))


@flow
def some_look_ups():
    return looked_up_when_even.expand(x=range(10))


@task
async def in_two_rounds(start):
    first = await squared.expand(x=[start, start + 1])
    second = await squared.expand(x=[value + 10 for value in first])
    return sum(second)


@flow
def rounds():
    return in_two_rounds.expand(start=[100, 200, 300])


def test_it_goes_on_under_its_id_and_repeats_nothing(recorder, calls):
    begun = squares.run(ledger=recorder, stop=calls.stop_after(5))
    assert begun.state == "interrupted"
    ended = squares.run(ledger=recorder, resumed=begun.flow_run)
    assert (ended.id, ended.flow_run.started) == (begun.id, begun.flow_run.started)
    assert set((calls.made - Counter({("squared", 7): 1})).values()) == {1}
    assert ended.state == "failed"
    assert ended.counts == {"success": 10, "failed": 1, "upstream_failed": 1}


def test_what_failed_is_tried_again(recorder, calls):
    begun = squares.run(ledger=recorder)
    assert begun.state == "failed"
    ended = squares.run(ledger=recorder, resumed=begun.flow_run)
    assert ended.state == "success"
    assert ended.result() == sum(x * x for x in range(10))
    assert calls.made.total() == 12, "one call more than there are: the one that had failed"
    assert ended.counts == {"success": 12}


def test_a_new_flow_run_is_another_one(recorder, calls):
    begun = squares.run(ledger=recorder, stop=calls.stop_after(5))
    ended = squares.run(ledger=recorder)
    assert ended.id != begun.id
    assert "cached" not in ended.counts
    assert calls.made["fetched"] == 2


def test_what_is_never_cached_is_not_repeated_either(recorder, calls):
    begun = look_ups.run(ledger=recorder, stop=calls.stop_after(6))
    ended = look_ups.run(ledger=recorder, resumed=begun.flow_run)
    assert list(ended["looked_up"]) == [1] * 10
    assert list(look_ups.run(ledger=recorder)["looked_up"]) == [2] * 10


def test_what_is_cached_in_part_is_not_repeated_either(recorder, calls):
    begun = some_look_ups.run(ledger=recorder, stop=calls.stop_after(6))
    ended = some_look_ups.run(ledger=recorder, resumed=begun.flow_run)
    assert list(ended["looked_up_when_even"]) == [1] * 10
    assert list(some_look_ups.run(ledger=recorder)["looked_up_when_even"]) == [2, 1] * 5


def test_coordinators_run_from_the_start_and_are_given_what_is_recorded(recorder, calls):
    begun = rounds.run(ledger=recorder, stop=calls.stop_after(7))
    ended = rounds.run(ledger=recorder, resumed=begun.flow_run)
    assert ended.state == "success"
    assert set(calls.made.values()) == {1}
    assert list(ended["in_two_rounds"]) == [
        sum((x * x + 10) ** 2 for x in (start, start + 1)) for start in (100, 200, 300)
    ]


def test_all_of_it_once_more_means_once_more(recorder, calls):
    """A flow run that uses nothing recorded earlier is resumed: what it did itself counts."""
    squares.run(ledger=recorder)
    calls.made.clear()
    everything = {"again": lambda _node, _key: True}
    begun = squares.run(ledger=recorder, stop=calls.stop_after(6), **everything)
    ended = squares.run(ledger=recorder, resumed=begun.flow_run, **everything)
    assert ended.counts == {"success": 10, "failed": 1, "upstream_failed": 1}
    assert set(calls.made.values()) == {1}


@task
def drawn():
    made.note("drawn")
    return made.made["drawn"]


@task
async def player(name):
    first = await drawn()
    return name, first, await squared(x=1)


@flow
def lottery():
    return player.expand(name=["a", "b", "c"])


def test_equal_calls_of_several_coordinators_keep_their_own_results(recorder, calls):
    begun = lottery.run(ledger=recorder, stop=calls.stop_after(3))
    ended = lottery.run(ledger=recorder, resumed=begun.flow_run)
    assert sorted(number for _, number, _ in ended["player"]) == [1, 2, 3]
    assert calls.made["drawn"] == 3


def test_instances_keep_what_was_recorded_of_their_first_life(tmp_path, calls):
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        begun = squares.run(ledger=ledger.recorder(), stop=calls.stop_after(5))
        before = ledger.flow_runs.instances(begun.id, state=State.SUCCESS)
        squares.run(ledger=ledger.recorder(), resumed=begun.flow_run)
        after = ledger.flow_runs.instances(begun.id, state=State.SUCCESS)
        assert {(i.key, i.started) for i in before} <= {(i.key, i.started) for i in after}


def test_what_only_a_resumption_or_rerun_needs_is_gone_after_the_next_success(tmp_path, calls):
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        run = look_ups.run(ledger=ledger.recorder())
        names = [each.fingerprint for each in ledger.flow_runs.instances(run.id)]
        assert len(ledger.recorder().known(names)) == len(names)
        look_ups.run(ledger=ledger.recorder())
        assert ledger.recorder().known(names) == frozenset()


def test_an_interrupted_flow_run_repeats_nothing_after_a_newer_one_has_ended_well(recorder, calls):
    begun = look_ups.run(ledger=recorder, stop=calls.stop_after(4))
    assert begun.state == "interrupted"
    assert look_ups.run(ledger=recorder).state == "success"
    calls.made.clear()
    ended = look_ups.run(ledger=recorder, resumed=begun.flow_run)
    assert (ended.id, ended.state) == (begun.id, "success")
    assert calls.made.total() == 6


@task(trigger_rule="all_done")
def reduced(outcomes):
    made.note("reduced")
    return sum(outcomes), [(o.key, o.error) for o in outcomes.failed]


@task
def squared_from_two(x):
    made.note(("squared_from_two", x))
    if x < 2:
        raise ValueError("too small")
    return x * x


@task
def last(value):
    made.note("last")
    if made.made["last"] == 1:
        raise OSError("the disk is full")
    return value


@flow
def with_reduce(size: int = 5):
    return last(reduced(squared_from_two.expand(x=fetched(size).map(lambda x: x + 1))))


def test_a_reduce_that_succeeded_is_not_repeated(recorder, calls):
    """Though what has failed before it is tried again: it fails in the same way."""
    begun = with_reduce.run(ledger=recorder)
    ended = with_reduce.run(ledger=recorder, resumed=begun.flow_run)
    assert (begun.state, ended.state) == ("failed", "success")
    assert ended.result() == (4 + 9 + 16 + 25, [("0", "ValueError: too small")])
    assert calls.made["reduced"] == 1
    assert calls.made["squared_from_two", 1] == 2


def test_a_reduce_is_made_again_in_a_new_flow_run(recorder, calls):
    with_reduce.run(ledger=recorder)
    with_reduce.run(ledger=recorder)
    assert calls.made["reduced"] == 2


@task(trigger_rule="all_done")
def reduced_to_keys(outcomes):
    made.note("keys")
    return [outcome.key for outcome in outcomes.items() if outcome.value is not None]


@flow
def to_keys():
    return last(reduced_to_keys(squared.expand(x=range(6, 9))))


def test_a_reduce_whose_items_end_otherwise_is_made_again(recorder, calls):
    begun = to_keys.run(ledger=recorder)
    ended = to_keys.run(ledger=recorder, resumed=begun.flow_run)
    assert ended.result() == ["0", "1", "2"]
    assert calls.made["keys"] == 2


@flow
def to_keys_of(values):
    return last(reduced_to_keys(looked_at.expand(x=values)))


@task
def looked_at(x):
    return 1


def test_a_reduce_over_other_items_is_made_again_though_their_values_are_equal(recorder, calls):
    begun = to_keys_of.run(params={"values": ["a", "b"]}, ledger=recorder)
    ended = to_keys_of.run(params={"values": ["c", "d"]}, ledger=recorder, resumed=begun.flow_run)
    assert ended.state == "success"
    assert calls.made["keys"] == 2


@task
async def in_rounds_with_a_reduce(start):
    first = await squared.expand(x=[start, start + 1])
    return await last(await total(first) + await reduced_sum(squared.expand(x=[start + 2])))


@task
def reduced_sum(numbers):
    made.note("reduced")
    return sum(numbers)


@flow
def reduces_of_coordinators():
    return in_rounds_with_a_reduce.expand(start=[100])


def test_a_coordinators_reduces_are_not_repeated_either(recorder, calls):
    begun = reduces_of_coordinators.run(ledger=recorder)
    ended = reduces_of_coordinators.run(ledger=recorder, resumed=begun.flow_run)
    assert (begun.state, ended.state) == ("failed", "success")
    assert calls.made == Counter(
        {"last": 2, "reduced": 1} | {("squared", x): 1 for x in (100, 101, 102)}
    )


@task(cache="never")
def remembered(numbers):
    made.note("remembered")


@flow
def remembering():
    return last(remembered(squared.expand(x=[1])))


def test_what_leaves_something_in_the_drivers_memory_is_made_again(recorder, calls):
    begun = remembering.run(ledger=recorder)
    remembering.run(ledger=recorder, resumed=begun.flow_run)
    assert calls.made["remembered"] == 2


class Unpicklable(list):
    def __reduce_ex__(self, protocol):
        raise TypeError("it has no pickle")


@task
def without_a_pickle(numbers):
    made.note("without_a_pickle")
    return Unpicklable(numbers)


@task
def listed(numbers):
    made.note("listed")
    return [*numbers]


@flow
def without_pickles():
    return last(listed(without_a_pickle(squared.expand(x=[1, 2]))))


def test_what_cannot_be_stored_is_made_again_and_so_is_what_is_made_of_it(tmp_path, calls):
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        begun = without_pickles.run(ledger=ledger.recorder())
        ended = without_pickles.run(ledger=ledger.recorder(), resumed=begun.flow_run)
    assert ended.result() == [1, 4]
    assert (calls.made["without_a_pickle"], calls.made["listed"]) == (2, 2)


@task
def found(x):
    made.note(("found", x))
    if x == 0 and made.made["found", 0] == 1:
        raise ValueError("the first time it is not found")
    return x


@task(key=lambda x: f"k{x}")
def keyed(x):
    return x


@flow
def keyed_by_what_is_found():
    keyed.expand(x=found.expand(x=[0, 1, 2]))


def test_what_failed_before_and_succeeds_now_is_counted_once(recorder, calls):
    first = keyed_by_what_is_found.run(ledger=recorder)
    assert first.flow_run.counts == {"success": 4, "failed": 1, "upstream_failed": 1}
    resumed = keyed_by_what_is_found.run(ledger=recorder, resumed=first.flow_run)
    assert resumed.flow_run.counts == {"success": 6}
