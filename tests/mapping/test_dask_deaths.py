"""The Dask executor when workers die, calls hang, or the scheduler is lost."""

import ctypes
import os
import random
import re
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from distributed import Client, LocalCluster

from orchestrator.clusters import Cluster, connect
from orchestrator.errors import MachineryError
from orchestrator.mapping.dask.executor import DaskExecutor
from orchestrator.mapping.execution.executor import Ended, Lost
from orchestrator.mapping.execution.invoke import Failure
from orchestrator.testing.executors import calls, carried_out, itself, values
from tests.support.dask_clusters import (
    PATIENCE_SECONDS,
    cluster,
    executing,
    large,
    returned,
    slow_double,
)
from tests.support.places import dask_cluster, environment_of


def test_the_culprit_of_a_shared_batch_is_found_with_its_node(on_mortal):
    many = [
        replace(calls(kill_the_bad, node=node, columns={"x": xs}), name="evaluate")
        for node, xs in enumerate([(1, 2), (3, "bad"), (4, 5)])
    ]
    for each in many:
        on_mortal.submit(each)
    ended, blamed = {}, None
    while len(ended) < 5 or blamed is None:
        for event in on_mortal.wait(PATIENCE_SECONDS):
            if isinstance(event, Lost):
                blamed = event.node, event.culprit
            else:
                ended |= {(event.node, index): value for index, value in returned([event])}
    assert blamed == (1, 1)
    assert ended == {(0, 0): 1, (0, 1): 2, (1, 0): 3, (2, 0): 4, (2, 1): 5}


def kill_the_bad(x):
    if x == "bad":
        os.kill(os.getpid(), signal.SIGKILL)
    return x


# -- deaths ------------------------------------------------------------------------------------


def kill_if(x, bad):
    """Ends its process when `x` is one of the bad; the others take a moment."""
    if x in bad:
        os._exit(1)
    time.sleep(0.001)
    return x


def with_losses(executor, made, most=3):
    """Values by index, and how often each instance was blamed, driven as the engine does it."""
    ended, blamed, given_up = {}, {}, set()
    executor.submit(made)
    while len(ended) + len(given_up) < len(made.indices):
        events = executor.wait(PATIENCE_SECONDS)
        assert events, f"nothing in time; {len(ended)} ended, {blamed}"
        for event in events:
            if isinstance(event, Ended):
                ended.update(zip(event.indices, event.performed.values, strict=True))
                continue
            assert isinstance(event, Lost)
            assert event.indices == [event.culprit]
            blamed[event.culprit] = blamed.get(event.culprit, 0) + 1
            if blamed[event.culprit] > most:
                given_up.add(event.culprit)
                continue
            again = made.without(set(made.indices) - {event.culprit})
            executor.submit(
                calls(
                    made.function,
                    indices=again.indices,
                    constants=made.constants,
                    columns=again.columns,
                    suspect=True,
                )
            )
    return ended, blamed


def test_only_the_call_that_kills_its_worker_is_blamed(on_mortal):
    made = calls(kill_if, constants={"bad": [41]}, columns={"x": range(100)})
    ended, blamed = with_losses(on_mortal, made, most=1)
    assert blamed == {41: 2}
    assert ended == {x: x for x in range(100) if x != 41}


def test_several_killers_in_a_long_batch_are_found(on_mortal):
    bad = [100, 101, 900]
    made = calls(kill_if, constants={"bad": bad}, columns={"x": range(1_000)}, batch=500)
    ended, blamed = with_losses(on_mortal, made, most=0)
    assert blamed == dict.fromkeys(bad, 1)
    assert ended == {x: x for x in range(1_000) if x not in bad}


def test_whatever_workers_die_each_call_ends_once(mortal):
    """Processes are killed from outside, at any time; large values of the first stage are lost."""
    rows, chance = 1_500, random.Random(1)  # noqa: S311 - when to kill is no secret
    mortal.wait_for_workers(2)
    with executing(mortal) as on, killing(mortal, chance, times=4):
        (made,) = carried_out(
            on,
            calls(
                lambda x: time.sleep(0.002) or (large(x) if x % 50 == 0 else x),
                columns={"x": range(rows)},
            ),
        )
        items = [made[x] for x in range(rows)]
        (used,) = carried_out(on, calls(lambda x: int(np.max(x)), node=1, columns={"x": items}))
    assert used == {x: x for x in range(rows)}


@contextmanager
def killing(client, chance, times):
    """Kills a worker process now and then."""
    stop = threading.Event()

    def kill():
        for _ in range(times):
            if stop.wait(chance.uniform(0.2, 1.0)):
                return
            pids = [n.pid for n in client.cluster.workers.values() if n.pid]
            if pids:
                os.kill(chance.choice(pids), signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class Bomb:
    """Ends the process that unpickles it."""

    def __reduce__(self):
        return os._exit, (1,)


def test_an_argument_that_kills_when_unpickled_is_found(on_mortal):
    made = calls(itself, columns={"x": [0, Bomb(), 2]}, batch=3)
    ended, blamed = with_losses(on_mortal, made, most=0)
    assert blamed == {1: 1}
    assert ended == {0: 0, 2: 2}


# -- hangs -------------------------------------------------------------------------------------


def hang_if(x, bad):
    """Never returns when `x` is bad, and lets no other thread of its process run meanwhile."""
    if x == bad:
        ctypes.PyDLL(None).sleep(1000)
    return x


def test_a_call_that_hangs_is_ended_with_its_worker(on_mortal):
    results = values(
        on_mortal, hang_if, constants={"bad": 7}, columns={"x": range(20)}, timeout=1.0, batch=5
    )
    assert results[7] == Failure(retryable=True, error="timed out after 1 s", cause="timed_out")
    assert results[:7] + results[8:] == [x for x in range(20) if x != 7]


def test_a_hang_in_a_long_batch_is_found(on_mortal):
    results = values(
        on_mortal, hang_if, constants={"bad": 70}, columns={"x": range(200)}, timeout=0.5, batch=100
    )
    assert results[70].error == "timed out after 0.5 s"
    assert results[:70] + results[71:] == [x for x in range(200) if x != 70]


def test_a_timeout_is_per_call_and_not_per_batch(executor):
    results = values(
        executor,
        lambda x: time.sleep(0.1) or x,
        columns={"x": range(12)},
        timeout=0.5,
        batch=12,
    )
    assert results == list(range(12))


def test_without_a_nanny_a_hang_is_told_so():
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            processes=False,
            dashboard_address="127.0.0.1:0",
        ) as local,
        Client(local) as client,
        executing(client) as on,
    ):
        on.submit(calls(lambda: time.sleep(2.5), timeout=0.2))
        (report,) = on.wait(PATIENCE_SECONDS)
    assert "timed out after 0.2 s; worker" in report.performed.failures[0].error
    assert "has no nanny" in report.performed.failures[0].error


def test_a_lost_scheduler_is_an_error_of_the_machinery():
    with cluster(workers=1) as client:
        on = DaskExecutor(client)
        on.submit(calls(lambda: time.sleep(1.5)))
        threading.Timer(0.3, client.cluster.close).start()
        start = time.monotonic()
        with pytest.raises(MachineryError, match="run the flow again on a working cluster"):
            on.wait(PATIENCE_SECONDS)
        assert time.monotonic() - start < PATIENCE_SECONDS
        on.close()


@pytest.fixture
def remote(tmp_path):
    """A scheduler and a worker of their own, started from the command line, and a client."""
    with (
        dask_cluster(environment_of(tmp_path)) as started,
        Client(started.address, timeout=PATIENCE_SECONDS) as client,
    ):
        client.wait_for_workers(1, timeout=PATIENCE_SECONDS)
        yield started, client


@pytest.mark.slow
def test_a_remote_scheduler_that_comes_back_is_given_again_what_it_had(remote):
    started, client = remote
    made = calls(slow_double, columns={"x": range(60)})
    with executing(client) as on:
        on.submit(made)
        first = on.wait(PATIENCE_SECONDS)
        started.scheduler.kill()
        started.start_again()
        ended = dict(returned(first))
        while len(ended) < 60:
            events = on.wait(PATIENCE_SECONDS)
            assert events
            assert not ended.keys() & dict(returned(events)).keys()
            ended.update(returned(events))
    assert ended == {x: 2 * x for x in range(60)}


def test_a_remote_scheduler_that_does_not_come_back_is_given_up_in_time(tmp_path):
    with dask_cluster(environment_of(tmp_path)) as started:
        connect_to = Cluster(kind="remote", address=started.address, reconnect_timeout=1.0)
        with connect(connect_to) as client:
            client.wait_for_workers(1, timeout=PATIENCE_SECONDS)
            with executing(client) as on:
                on.submit(calls(slow_double, columns={"x": range(60)}))
                started.scheduler.kill()
                with pytest.raises(MachineryError, match="was lost and did not come back in time"):
                    on_until_broken(on)


def on_until_broken(executor):
    while executor.wait(PATIENCE_SECONDS):
        pass


def use_memory(x, bad):
    """The bad one takes more than its worker may have; it keeps it for a while."""
    held = bytearray(600 * 2**20) if x in bad else b""
    if held:
        held[::4096] = b"x" * len(held[::4096])  # a page is there once it is written
    time.sleep(5.0 if held else 0.01)
    return x


@pytest.mark.slow
def test_a_call_that_takes_too_much_memory_is_told_the_limit():
    with cluster(workers=1, memory_limit="500 MiB") as client, executing(client) as on:
        on.submit(calls(use_memory, constants={"bad": [1]}, columns={"x": [0, 1, 2]}, batch=1))
        lost = next(
            e
            for e in chain.from_iterable(iter(lambda: on.wait(PATIENCE_SECONDS), ()))
            if lost_one(e)
        )
    assert lost.culprit == 1
    assert re.search("used more memory than it may, 500.00 MiB", lost.reason)


def lost_one(event):
    return isinstance(event, Lost)
