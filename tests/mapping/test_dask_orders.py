"""Whatever the order of events on a cluster, each call ends once, and only culprits are blamed.

One case is left out, since nothing can tell it apart: a worker that is killed from outside while it
runs a single call alone, which is under suspicion already. That call is blamed and tried again.
"""

import time

import pytest
from distributed.comm import CommClosedError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from orchestrator.mapping.dask import event_queue
from orchestrator.mapping.dask.executor import DaskExecutor
from orchestrator.mapping.execution.executor import Ended, Lost
from orchestrator.testing.executors import calls
from tests.support.pretended_cluster import PretendedCluster

FETCH_ERRORS = (OSError, CommClosedError, KeyError, AttributeError, TimeoutError)
LONGEST_END = 60.0
"""Seconds; what the driver looks at every tenth of a second, a hundred steps may not reach."""


def itself(x):
    return x


class Orders(RuleBasedStateMachine):
    """One executor, whose cluster suffers everything between any two steps."""

    @initialize(
        kills=st.frozensets(st.integers(0, 11), max_size=3),
        workers=st.integers(1, 3),
        count=st.integers(0, 6),
        batch=st.integers(1, 4),
    )
    def start(self, kills, workers, count, batch):
        self.kills, self.cluster = kills, PretendedCluster(kills)
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(event_queue, "FETCH_PAUSES", (0.0,) * 6)
        for _ in range(workers):
            self.cluster.add_worker()
        self.executor = DaskExecutor(self.cluster, patience=float("inf"))
        self.submitted, self.cancelled, self.ended = set(), set(), {}
        self.submit(count, batch)

    # -- the driver ------------------------------------------------------------------------------

    @rule(count=st.integers(1, 6), batch=st.integers(1, 4))
    def submit(self, count, batch):
        first = len(self.submitted)
        indices = range(first, first + count)
        self.submitted.update(indices)
        self.executor.submit(calls(itself, indices=indices, columns={"x": indices}, batch=batch))

    @rule()
    def hear(self):
        for event in self.executor.wait(0.0):
            assert isinstance(event, Ended | Lost)
            assert not self.cancelled.intersection(event.indices)
            assert not self.ended.keys() & set(event.indices)
            if isinstance(event, Lost):
                assert event.indices == [event.culprit]
                self.ended[event.culprit] = "blamed"
            else:
                assert not event.performed.failures
                self.ended.update(zip(event.indices, event.performed.values, strict=True))

    @rule(data=st.data())
    def cancel(self, data):
        if left := sorted(self.submitted - self.ended.keys() - self.cancelled):
            gone = data.draw(st.lists(st.sampled_from(left), max_size=3, unique=True))
            self.executor.cancel(0, gone)
            self.cancelled.update(gone)

    # -- Dask's thread -----------------------------------------------------------------------------

    @rule(most=st.integers(1, 12))
    def deliver(self, most):
        self.cluster.deliver(most)

    @precondition(lambda self: self.cluster.fetches)
    @rule(error=st.none() | st.sampled_from(FETCH_ERRORS))
    def fetch(self, error):
        self.cluster.answer_fetch(error and error("of the machinery"))

    # -- the cluster -------------------------------------------------------------------------------

    @precondition(lambda self: self.cluster.there)
    @rule(turns=st.lists(st.integers(0, 2), min_size=4, max_size=24))
    def work(self, turns):
        for turn in turns:
            if workers := list(self.cluster.there.workers):
                self._work_on(workers[turn % len(workers)])

    def _work_on(self, address):
        if address in self.cluster.at_work:
            self.cluster.step(address)
        else:
            self.cluster.begin(address)

    @precondition(lambda self: self.cluster.there)
    @rule()
    def add_worker(self):
        self.cluster.add_worker()

    @precondition(lambda self: self.cluster.there)
    @rule(data=st.data(), kind=st.sampled_from(["dies", "fails", "restart", "lost", "replaced"]))
    def disaster(self, data, kind):
        """A worker dies or cannot run its batch, or the scheduler restarts or is killed."""
        if kind == "dies" and (may_die := self.cluster.may_die()):
            self.cluster.kill_worker(data.draw(st.sampled_from(may_die)))
        elif kind == "fails" and self.cluster.at_work:
            self.cluster.fail(data.draw(st.sampled_from(list(self.cluster.at_work))))
        elif kind == "restart":
            self.cluster.restart()
        elif kind in {"lost", "replaced"}:
            self.cluster.kill_scheduler()
        if kind == "replaced":  # before the driver looks
            self.cluster.lose_connection()
            self.come_back(1)

    @precondition(lambda self: not self.cluster.there and self.cluster.status == "running")
    @rule()
    def notice(self):
        self.cluster.lose_connection()

    @precondition(lambda self: not self.cluster.there and self.cluster.status == "connecting")
    @rule(workers=st.integers(0, 2))
    def come_back(self, workers):
        self.cluster.start_scheduler()
        self.cluster.connect()
        for _ in range(workers):
            self.cluster.add_worker()

    # -- the end -----------------------------------------------------------------------------------

    def teardown(self):
        """From now on all goes well: all that is not cancelled ends."""
        if not hasattr(self, "executor"):
            return
        try:
            self._end_well()
            assert self.ended.keys() >= self.submitted - self.cancelled
            for index, value in self.ended.items():
                assert value == ("blamed" if index in self.kills else index)
        finally:
            self.executor.close()
            self.cluster.close()
            self.patch.undo()

    def _end_well(self):
        until = time.monotonic() + LONGEST_END
        while time.monotonic() < until:
            self.hear()
            if self.ended.keys() >= self.submitted - self.cancelled:
                return
            if not self.cluster.there:
                if self.cluster.status == "running":
                    self.cluster.lose_connection()
                self.come_back(1)
            if not self.cluster.there.workers:
                self.cluster.add_worker()
            for address in list(self.cluster.there.workers):
                self._work_on(address)
            self.cluster.deliver(len(self.cluster.inbox))
            while self.cluster.fetches:
                self.cluster.answer_fetch()


def test_in_every_order_each_call_ends_once_and_only_culprits_are_blamed():
    run_state_machine_as_test(
        Orders, settings=settings(max_examples=40, stateful_step_count=50, deadline=None)
    )


def test_a_scheduler_that_was_replaced_while_nothing_ran_is_joined_again():
    orders = Orders()
    orders.start(kills=frozenset({1}), workers=1, count=0, batch=1)
    orders.cluster.kill_scheduler()
    orders.cluster.lose_connection()
    orders.come_back(1)
    orders.submit(count=3, batch=3)
    orders.teardown()
    assert orders.ended == {0: 0, 1: "blamed", 2: 2}


@pytest.mark.parametrize("error", FETCH_ERRORS)
def test_a_scheduler_killed_between_a_batchs_end_and_its_fetch_fails_no_call(error):
    orders = Orders()
    orders.start(kills=frozenset(), workers=1, count=3, batch=3)
    orders.hear()
    orders.work([0] * 7)
    orders.deliver(12)
    assert len(orders.cluster.fetches) == 1  # the batch has ended, and its results are on their way
    orders.cluster.kill_scheduler()
    orders.fetch(error)
    orders.notice()
    orders.teardown()
    assert orders.ended == {0: 0, 1: 1, 2: 2}
