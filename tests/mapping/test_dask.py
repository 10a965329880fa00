"""The Dask executor on real worker processes: batches, large values, deaths, hangs."""

import importlib.util
import sys
import threading
import time
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from distributed import worker_client

from orchestrator.errors import MachineryError
from orchestrator.mapping.dask.executor import DaskExecutor
from orchestrator.mapping.dask.serialization import KeptValue
from orchestrator.mapping.execution.deferred import DeferredExecutor
from orchestrator.mapping.execution.inline import InlineExecutor
from orchestrator.mapping.execution.invoke import Deferred, Zipped
from orchestrator.testing.executors import ExecutorContract, add, calls, carried_out, itself, values
from tests.support.dask_clusters import (
    PATIENCE_SECONDS,
    cluster,
    executing,
    large,
    returned,
    slow_double,
)
from tests.support.places import wait_until


def on_scheduler(client, question):
    return client.run_on_scheduler(question)


class TestInline(ExecutorContract):
    @pytest.fixture
    def executor(self):
        return InlineExecutor()


class TestDask(ExecutorContract):
    @pytest.fixture
    def executor(self, client):
        with executing(client) as opened:
            yield opened


class TestDeferred(ExecutorContract):
    @pytest.fixture
    def executor(self, client):
        with executing(client) as opened:
            yield DeferredExecutor(lambda: opened)


# -- what cannot travel ------------------------------------------------------------------------


def test_an_argument_that_cannot_be_pickled_is_named(executor):
    _, failure = values(executor, add, columns={"x": [1, threading.Lock()], "y": [1, 1]})
    assert "node-0: x cannot be pickled" in failure.error
    assert "open inside the task" in failure.error
    assert not failure.retryable


def test_a_constant_that_cannot_be_pickled_is_named(executor):
    failures = values(executor, add, constants={"y": threading.Lock()}, columns={"x": [1, 2]})
    assert all("node-0: y cannot be pickled" in failure.error for failure in failures)


def test_a_function_that_cannot_be_pickled_is_named(executor):
    lock = threading.Lock()
    (failure,) = values(executor, lambda: lock)
    assert "node-0: the function cannot be pickled" in failure.error


def test_a_result_that_cannot_be_pickled_is_named(executor):
    (failure,) = values(executor, threading.Lock)
    assert "node-0 returned a lock that cannot be pickled" in failure.error


class Unreadable:
    """Can be pickled, but not unpickled here."""

    def __reduce__(self):
        return int, ("no number",)


def test_a_result_that_cannot_be_unpickled_here_harms_no_other(executor):
    one, failure = values(executor, lambda x: x or Unreadable(), columns={"x": [1, 0]})
    assert one == 1
    assert "node-0's result cannot be unpickled here: ValueError: invalid" in failure.error


def test_a_module_the_workers_lack_is_named(executor, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    double = importlib.import_module("only_here").double
    failures = values(executor, double, columns={"x": [1, 2]})
    assert len(failures) == 2
    for failure in failures:
        assert "node-0 cannot be unpickled on worker tcp://127.0.0.1" in failure.error
        assert "No module named 'only_here'" in failure.error
        assert "install it on the workers too" in failure.error


def test_functions_and_classes_of_a_script_travel_by_value(executor, tmp_path):
    script = tmp_path / "my_flow.py"
    script.write_text(
        "class Point:\n"
        "    def __init__(self, x):\n"
        "        self.x = x\n"
        "def helper(x):\n"
        "    return Point(2 * x)\n"
        "def point(x):\n"
        "    return helper(x)\n"
        "def coordinate(point):\n"
        "    return point.x\n"
    )
    spec = importlib.util.spec_from_file_location("my_flow", script)
    module = importlib.util.module_from_spec(spec)
    sys.modules["my_flow"] = module
    try:
        spec.loader.exec_module(module)
        (point,) = values(executor, module.point, columns={"x": [3]})
        assert type(point) is module.Point
        assert values(executor, module.coordinate, node=1, columns={"point": [point]}) == [6]
    finally:
        del sys.modules["my_flow"]


# -- large values ------------------------------------------------------------------------------


def test_large_values_stay_on_the_cluster_and_small_ones_do_not(executor):
    mixed = values(executor, lambda n: large(n) if n % 2 else n, columns={"n": range(6)})
    assert [type(value) is KeptValue for value in mixed] == [False, True] * 3
    assert mixed[::2] == [0, 2, 4]
    assert mixed[3].fetch()[0] == 3


def test_a_kept_value_is_used_wherever_it_stands(executor):
    one, two = values(executor, large, columns={"n": [1, 2]})

    def total(*, plain, zipped, nested, deferred, constant):
        return plain.sum() + zipped[1].sum() + nested["a"][0][0].sum() + deferred + constant.sum()

    (result,) = values(
        executor,
        total,
        node=1,
        constants={"constant": one},
        columns={
            "plain": [one],
            "zipped": [Zipped((0, two))],
            "nested": [{"a": [(one,)]}],
            "deferred": [Deferred(two, (np.sum,))],
        },
    )
    assert result == 7 * 100_000


def test_a_kept_value_moves_from_worker_to_worker(executor, client):
    kept = values(executor, large, columns={"n": range(4)})
    here = [str(address) for address in client.nthreads()]
    for node, address in enumerate(here, start=1):
        (result,) = values(
            executor,
            lambda values: [int(value[0]) for value in values],
            node=node,
            columns={"values": [kept]},
            workers=(address,),
        )
        assert result == [0, 1, 2, 3]


def tasks_of(dask_scheduler):
    return list(dask_scheduler.tasks)


def test_kept_values_go_when_nobody_holds_them(executor, client):
    others = set(on_scheduler(client, tasks_of))  # whoever else uses this cluster holds them
    kept = values(executor, large, columns={"n": range(3)})
    assert set(on_scheduler(client, tasks_of)) - others
    del kept
    executor.close()
    gone_by = time.monotonic() + PATIENCE_SECONDS
    while set(on_scheduler(client, tasks_of)) - others:
        assert time.monotonic() < gone_by


def test_a_kept_value_survives_its_worker(on_mortal, mortal):
    (kept,) = values(on_mortal, large, columns={"n": [5]})
    mortal.restart_workers(list(mortal.who_has([kept.future])[kept.future.key]))
    assert kept.fetch()[0] == 5
    assert values(on_mortal, np.max, node=1, columns={"a": [kept]}) == [5]


def test_a_kept_value_outlives_its_executor_while_it_is_held(client):
    with executing(client) as on:
        (kept,) = values(on, large, columns={"n": [5]})
    assert kept.fetch()[0] == 5


def test_a_kept_value_that_is_gone_is_an_error_of_the_machinery(executor, client):
    (kept,) = values(executor, large, columns={"n": [5]})
    client.cancel([kept.future])
    with pytest.raises(MachineryError, match="kept on the cluster cannot be brought here"):
        kept.fetch()


def test_a_task_may_use_the_cluster_itself(executor):
    def total(x):
        with worker_client() as inner:
            return inner.submit(sum, [x, 1]).result()

    assert values(executor, total, columns={"x": range(6)}) == [1, 2, 3, 4, 5, 6]


def test_large_constants_are_sent_once_and_large_arguments_in_pieces(executor):
    constant = np.arange(3_000_000)  # 24 MB: over Dask's limit for a warning
    columns = {"x": [np.full(400_000, n) for n in range(12)]}  # 38 MB
    sums = values(
        executor, lambda x, y: int(x[0] + y[-1]), constants={"y": constant}, columns=columns
    )
    assert sums == [2_999_999 + n for n in range(12)]


# -- batches -----------------------------------------------------------------------------------


def sizes(executor, function, count, **options):
    """The sizes of batches, in the order they ended."""
    made, sent, ended, seen = None, 0, 0, []
    while ended < count:
        room = min(executor.room(), count - sent)
        if room:
            made = calls(function, indices=range(sent, sent + room), **options)
            executor.submit(made)
            sent += room
        for event in executor.wait(PATIENCE_SECONDS):
            seen.append(len(event.indices))
            ended += len(event.indices)
    return seen


def test_short_calls_share_batches_and_the_first_are_alone(executor):
    seen = sizes(executor, lambda: None, 20_000)
    assert seen[:2] == [1, 1]
    assert max(seen) > 500
    assert len(seen) < 200


def test_long_calls_are_alone(executor):
    assert set(sizes(executor, lambda: time.sleep(0.4), 8)) == {1}


def heard(executor, count):
    """The events of so many instances."""
    events = []
    while sum(len(event.indices) for event in events) < count:
        more = executor.wait(PATIENCE_SECONDS)
        assert more, f"nothing in {PATIENCE_SECONDS:g} s after {events}"
        events += more
    return events


def test_batch_sets_the_size(executor):
    executor.submit(calls(lambda: None, indices=range(42), batch=5))
    assert sorted(len(event.indices) for event in heard(executor, 42)) == [2] + [5] * 8


def of_nodes(count, function):
    """Three calls each of as many nodes of one name, as coordinators make them."""
    return [
        replace(calls(function, node=node, columns={"x": range(3)}), name="evaluate")
        for node in range(count)
    ]


def test_calls_of_many_nodes_share_batches_and_are_told_apart(executor):
    many, events = of_nodes(200, times_ten), []
    for each in many:
        executor.submit(each)
    while sum(len(event.indices) for event in events) < 600:
        events += executor.wait(PATIENCE_SECONDS)
    found = {}
    for event in events:
        found.setdefault(event.node, {}).update(returned([event]))
    assert found == {node: {0: 0, 1: 10, 2: 20} for node in range(200)}


def test_of_a_shared_batch_one_nodes_calls_can_be_cancelled(executor):
    many = of_nodes(30, slow_double)
    for each in many:
        executor.submit(each)
    executor.cancel(7, [0, 1, 2])
    executor.cancel(9, [1])
    told = {(event.node, index) for event in heard(executor, 86) for index in event.indices}
    assert told == {(n, i) for n in range(30) for i in range(3)} - {(7, 0), (7, 1), (7, 2), (9, 1)}


def times_ten(x):
    return 10 * x


def test_results_stay_on_the_cluster_from_a_size_on_that_can_be_chosen(executor):
    (kept,) = values(executor, large, columns={"n": [1]})
    (brought,) = values(executor, large, columns={"n": [1]}, kept_from=10**7)
    assert isinstance(kept, KeptValue)
    assert (brought == large(1)).all()


def test_what_is_in_flight_is_bounded(executor):
    sizes(executor, lambda: None, 5_000)
    assert 1_000 < executor.room() <= 20_000
    sizes(executor, lambda: time.sleep(0.5), 4)
    assert 4 <= executor.room() <= 40


def in_order(executor, client, folder, made, count):
    """The nodes of calls in the order they began, on one worker that had all of them to choose."""
    (address, *_) = client.nthreads()

    def hold():
        while not (folder / "go on").exists():
            time.sleep(0.01)

    def has_all(dask_worker):
        return len([t for t in dask_worker.state.tasks.values() if t.state == "ready"]) >= count

    executor.submit(calls(hold, node=99, workers=(address,)))
    for some in made:
        executor.submit(replace(some, placement=replace(some.placement, workers=(address,))))
    wait_until(lambda: client.run(has_all, workers=[address])[address], "calls at their worker")
    (folder / "go on").touch()
    ended = sorted(heard(executor, count + 1), key=lambda event: event.performed.started[0])
    return [event.node for event in ended[1:]]


def test_higher_priority_goes_first(executor, client, tmp_path):
    made = [
        calls(add, node=node, constants={"x": 1}, priority=priority)
        for node, priority in ((2, -1), (3, 5), (4, 0))
    ]
    assert in_order(executor, client, tmp_path, made, 3) == [3, 4, 2]


def test_of_equal_priority_what_came_first_goes_first(executor, client, tmp_path):
    made = [calls(itself, node=node, constants={"x": node}, batch=1) for node in range(1, 6)]
    assert in_order(executor, client, tmp_path, made, 5) == [1, 2, 3, 4, 5]


def test_a_hundred_thousand_calls_take_little_time_each(executor):
    start = time.process_time()
    (ended,) = carried_out(executor, calls(add, columns={"x": range(100_000)}))
    assert len(ended) == 100_000
    assert (time.process_time() - start) / 100_000 < 0.03e-3


# -- places ------------------------------------------------------------------------------------


def test_a_resource_nobody_has_is_named(executor):
    (failure,) = values(executor, add, columns={"x": [1]}, resources=(("GPU", 1),))
    assert "no worker offers 1 GPU" in failure.error
    assert "with no resources" in failure.error


def test_a_worker_that_does_not_exist_is_named(executor):
    (failure,) = values(executor, add, columns={"x": [1]}, workers=("alice",))
    assert "no worker offers one of the workers 'alice'" in failure.error


def test_calls_run_where_they_are_told(executor, client):
    for number, (address, worker) in enumerate(client.scheduler_info()["workers"].items()):
        for node, where in enumerate((address, str(worker["name"]))):
            executor.submit(
                calls(add, node=2 * number + node, columns={"x": range(5)}, workers=(where,))
            )
            assert {report.worker for report in heard(executor, 5)} == {address}


def test_resources_are_used():
    with cluster(workers=1, threads=4, resources={"GPU": 2}) as client, executing(client) as on:
        spans = values(
            on,
            lambda x: (time.time(), time.sleep(0.1), time.time()),
            columns={"x": range(6)},
            resources=(("GPU", 1.0),),
            batch=1,
        )
    at_once = [sum(a[0] <= b[0] < a[2] for a in spans) for b in spans]
    assert max(at_once) == 2


def test_workers_that_come_later_are_used():
    with cluster(workers=0) as client, executing(client) as on:
        on.submit(calls(add, columns={"x": range(4)}))
        assert list(on.wait(0.2)) == []
        client.cluster.scale(1)
        seen = [event.performed.values for event in heard(on, 4)]
        assert sorted(chain.from_iterable(seen)) == [1, 2, 3, 4]


def test_a_cluster_without_workers_is_given_up_in_time():
    with cluster(workers=0) as client, executing(client, patience=0.5) as on:
        on.submit(calls(add, columns={"x": range(4)}))
        with pytest.raises(MachineryError, match=r"had no worker for 0\.5 s") as raised:
            on.wait(PATIENCE_SECONDS)
    assert "set `cluster.patience` to more seconds" in str(raised.value)
    assert "start workers for the scheduler" in str(raised.value)


# -- giving up ---------------------------------------------------------------------------------


def test_of_cancelled_calls_nothing_is_heard(executor):
    executor.submit(calls(lambda x: time.sleep(0.2) or x, columns={"x": range(6)}, batch=2))
    executor.cancel(0, [1, 2, 3, 5])
    assert sorted(index for event in heard(executor, 2) for index in event.indices) == [0, 4]
    assert list(executor.wait(0.3)) == []


def test_what_has_not_begun_is_withdrawn_and_what_runs_goes_on(executor, tmp_path):
    def work(x):
        (tmp_path / str(x)).touch()
        while not (tmp_path / "go on").exists():
            time.sleep(0.01)
        return x

    executor.submit(calls(work, columns={"x": range(20)}, batch=1))
    limit = time.monotonic() + PATIENCE_SECONDS
    while len(begun := list(tmp_path.iterdir())) < 2:
        assert time.monotonic() < limit
        executor.wait(0.05)
    executor.withdraw()
    withdrawn = [index for event in heard(executor, 18) for index in event.indices]
    assert sorted([*withdrawn, *(int(each.name) for each in begun)]) == list(range(20))
    (tmp_path / "go on").touch()
    ended = [index for event in heard(executor, 2) for index in event.indices]
    assert sorted(ended) == sorted(int(each.name) for each in begun)


def test_closing_leaves_the_cluster_as_it_was(client):
    others = set(on_scheduler(client, tasks_of))
    with executing(client) as on:
        on.submit(calls(lambda x: time.sleep(0.2), columns={"x": range(50)}))
        on.wait(PATIENCE_SECONDS)
    gone_by = time.monotonic() + PATIENCE_SECONDS
    while set(on_scheduler(client, tasks_of)) - others:
        assert time.monotonic() < gone_by
    names = on_scheduler(client, lambda dask_scheduler: list(dask_scheduler.plugins))
    assert on._listener._topic not in names
    assert client.submit(sum, [1, 2]).result() == 3


def test_two_executors_share_a_client(client):
    with executing(client) as one, executing(client) as two:
        one.submit(calls(add, columns={"x": [1]}))
        two.submit(calls(add, columns={"x": [5]}))
        assert heard(one, 1)[0].performed.values == [2]
        assert heard(two, 1)[0].performed.values == [6]


def test_a_closed_client_is_an_error_of_the_machinery():
    with cluster(workers=1) as client:
        on = DaskExecutor(client)
        on.submit(calls(lambda: time.sleep(1.5)))
        threading.Timer(0.3, client.close).start()
        with pytest.raises(MachineryError):
            on.wait(PATIENCE_SECONDS)
        with pytest.raises(MachineryError):
            on.submit(calls(add, columns={"x": [1]}))
        on.close()
