"""A task may start processes of its own on a worker."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest

from orchestrator.clusters import Cluster, connect
from orchestrator.mapping import flow, task


def by_pool(numbers):
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.map(abs, numbers)


def by_executor(numbers):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(abs, numbers))


@pytest.fixture(scope="module")
def local():
    with connect(Cluster(kind="local", workers=1)) as client:
        yield client


@pytest.mark.parametrize("way", [by_pool, by_executor])
def test_a_task_on_a_local_cluster_may_use_a_pool_of_processes(local, way):
    run = flow(lambda: task(way)([-1, -2])).run(client=local)
    assert (run.state, run.result()) == ("success", [1, 2])
