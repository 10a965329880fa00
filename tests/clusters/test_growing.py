"""Adaptive local clusters follow the work that waits in the driver, and shrink when it is done."""

import os
import time
from types import SimpleNamespace

import pytest

from orchestrator import flow, task
from orchestrator.clusters import Adaptive, Cluster, connect
from orchestrator.mapping.dask.demand import Demand
from tests.support.places import wait_until


@task
def rest(seconds):
    time.sleep(seconds)
    return os.getpid()


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still, unless a test moves it."""
    now = [100.0]
    monkeypatch.setattr(
        "orchestrator.mapping.dask.demand.time", SimpleNamespace(monotonic=lambda: now[0])
    )
    return now


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("calls", "seconds", "threads"),
    [(0, 1.0, 0), (20, 0.2, 2), (6, 1.0, 3), (6, 60.0, 6), (1, 60.0, 1), (1000, 0.001, 1)],
)
def test_work_is_worth_the_threads_it_would_keep_busy(calls, seconds, threads):
    demand = Demand()
    demand.report(1, calls=calls, seconds=seconds, ended=1)
    assert demand.threads() == threads
    demand.forget(1)
    assert demand.threads() == 0


def test_calls_of_which_none_has_ended_are_as_long_as_they_have_lasted(clock):
    demand = Demand()
    demand.report(1, calls=6, seconds=0.0, ended=0)
    assert demand.threads() == 0
    clock[0] += 1.0
    demand.report(1, calls=6, seconds=0.0, ended=0)
    assert demand.threads() == 3
    clock[0] += 60.0
    assert demand.threads() == 6
    demand.report(1, calls=0, seconds=60.0, ended=6)
    clock[0] += 600.0
    demand.report(1, calls=6, seconds=0.1, ended=6)
    assert demand.threads() == 1, "the pause in between is no call's"


def test_short_calls_make_a_cluster_grow_and_idleness_makes_it_shrink():
    """As many as wait in the driver, of which Dask sees three a thread."""
    with connect(Cluster(workers=Adaptive(min=1, max=3), dashboard=False)) as client:

        def workers():
            return len(client.scheduler_info(n_workers=-1)["workers"])

        resting = flow(name="resting")(lambda: rest.expand(seconds=[0.2] * 200))
        ended = resting.run(client=client)
        assert ended.state == "success"
        assert len(set(ended["rest"])) >= 3, "as many workers as there may be took part"
        wait_until(lambda: workers() == 1, "smaller cluster")
