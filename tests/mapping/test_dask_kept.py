"""Values that stay on the cluster: classes that raise when they come here, and lost schedulers."""

import os
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import ClassVar

import numpy as np
import pytest

from orchestrator.clusters import Cluster, connect
from orchestrator.errors import MachineryError
from orchestrator.ledger import Ledger
from orchestrator.mapping import TaskFailedError, flow, task
from tests.support.places import dask_cluster, environment_of

SAID = "no such release\n  of the second line"
ERRORS = [ValueError(SAID), OSError(SAID), SystemExit(SAID), KeyboardInterrupt(SAID)]


class Awkward:
    """Large, and cannot be unpickled in one process."""

    def __init__(self, error, driver):
        self.error, self.driver, self.ballast = error, driver, bytes(200_000)

    def __setstate__(self, state):
        if os.getpid() == state["driver"]:
            raise state["error"]
        self.__dict__.update(state)


@task
def made(error, driver):
    return Awkward(error, driver)


@task(runs_on="driver")
def length_here(value):
    return len(value.ballast)


@task
async def length_coordinated(value):
    return len(value.ballast)


@task
async def awaited(error, driver):
    return len((await made(error, driver)).ballast)


@flow
def followed(error, driver):
    return length_here(made(error, driver))


@flow
def counted(error, driver):
    return length_here.expand(value=made(error, driver))


@flow
def mapped(consumer, error, drivers):
    return consumer.expand(value=made.partial(error=error).expand(driver=drivers))


@flow
def awaiting(error, drivers):
    return awaited.partial(error=error).expand(driver=drivers)


def ends(outcomes):
    """Values and errors, in order."""
    return [outcome.error or outcome.value for outcome in outcomes.items()]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
class TestWhatRaisesWhereItIsUnpickledHere:
    def told(self, error):
        return f"{type(error).__name__}: {SAID}"

    def test_is_the_failure_of_the_task_on_the_driver_that_takes_it(self, client, error):
        run = followed.run(params={"error": error, "driver": os.getpid()}, client=client)
        assert run.state == "failed"
        assert ends(run["length_here"]) == [self.told(error)]

    def test_is_the_failure_of_the_map_that_counts_its_items(self, client, error):
        run = counted.run(params={"error": error, "driver": os.getpid()}, client=client)
        assert run.state == "failed"
        with pytest.raises(TaskFailedError, match="no such release\n  of the second line"):
            run.result()

    @pytest.mark.parametrize("consumer", [length_here, length_coordinated], ids=lambda t: t.name)
    def test_is_the_failure_of_who_takes_it_there_and_of_no_sibling(self, client, error, consumer):
        drivers = [0, os.getpid(), 0]
        run = mapped.run(
            params={"consumer": consumer, "error": error, "drivers": drivers}, client=client
        )
        assert ends(run.result()) == [200_000, self.told(error), 200_000]

    def test_is_the_failure_of_the_coordinator_that_awaits_it(self, client, error):
        run = awaiting.run(params={"error": error, "drivers": [0, os.getpid()]}, client=client)
        assert ends(run.result()) == [200_000, self.told(error)]


@contextmanager
def restarted_when_it_dies(cluster):
    """Somebody starts the scheduler and its workers again, once."""

    def restart():
        cluster.scheduler.process.wait()
        cluster.start_again()

    thread = Thread(target=restart)
    thread.start()
    yield
    thread.join()


@task
def listed():
    return [bytes(100_000), bytes(3)]


@task
def length(value):
    return len(value)


@flow
def lengths():
    return length.expand(value=listed())


def test_a_list_that_is_too_large_to_go_to_the_driver_is_mapped_over(client):
    assert ends(lengths.run(client=client).result()) == [100_000, 3]


@task
def large(n):
    return np.full(100_000, n)


@task
def total(value, marker, cluster):
    """Ends the scheduler the first time, when all the values it takes are on the cluster alone."""
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(cluster, 9)
    return int(value.sum())


@flow
def totals(marker, cluster):
    return total.partial(marker=marker, cluster=cluster).expand(value=large.expand(n=range(6)))


def test_a_flow_run_whose_values_are_lost_with_their_scheduler_is_resumed(tmp_path):
    given = {"marker": str(tmp_path / "struck")}
    with (
        dask_cluster(environment_of(tmp_path)) as cluster,
        Ledger.open(f"sqlite:///{tmp_path}/ledger.db") as ledger,
    ):
        given["cluster"] = cluster.scheduler.process.pid
        with connect(Cluster(kind="remote", address=cluster.address)) as client:
            client.wait_for_workers(2)
            with (
                restarted_when_it_dies(cluster),
                pytest.raises(MachineryError, match="kept on the cluster is gone") as raised,
            ):
                totals.run(params=given, client=client, ledger=ledger.recorder())
        assert raised.value.exit_code == 4
        left = ledger.flow_runs.last_unfinished()
        assert left.state == "interrupted"
        with connect(Cluster(kind="remote", address=cluster.address)) as client:
            client.wait_for_workers(2)
            run = totals.run(params=given, client=client, ledger=ledger.recorder(), resumed=left)
    assert (run.id, run.state) == (left.id, "success")
    assert ends(run.result()) == [100_000 * n for n in range(6)]


@task(runs_on="driver", retries=2, retry_on=(ConnectionError,))
def length_when_reached(value):
    return len(value.ballast)


@flow
def taken_on_the_driver(error, driver):
    length_when_reached(made(error, driver))


def test_what_a_value_raises_here_is_tried_again_only_where_the_task_asks(client):
    run = taken_on_the_driver.run(
        params={"error": ValueError(SAID), "driver": os.getpid()}, client=client
    )
    (failed,) = run["length_when_reached"].failed
    assert failed.tries == 1


@flow
def mapped_as_a_value(error, driver):
    length_here(made(error, driver).map(str))


def test_what_a_value_raises_while_it_is_mapped_over_fails_its_instance(client):
    run = mapped_as_a_value.run(
        params={"error": ValueError(SAID), "driver": os.getpid()}, client=client
    )
    (failed,) = run["length_here"].failed
    assert SAID in failed.error


class Noted:
    """Notes when it comes to the driver."""

    here: ClassVar[list] = []

    def __init__(self, driver):
        self.driver, self.ballast = driver, bytes(200_000)

    def __setstate__(self, state):
        self.__dict__.update(state)
        if os.getpid() == self.driver:
            self.here.append(self)


@task
def noted(driver):
    return [Noted(driver), Noted(driver)]


@task
def weight(value):
    return len(value.ballast)


@flow
def weighed_often(driver):
    values = noted(driver)
    return [weight.expand(value=values) for _ in range(10)]


def test_a_large_list_comes_here_once_for_all_that_are_mapped_over_it(client):
    Noted.here.clear()
    run = weighed_often.run(params={"driver": os.getpid()}, client=client)
    assert [ends(outcomes) for outcomes in run.result()] == [[200_000, 200_000]] * 10
    assert len(Noted.here) == 2
