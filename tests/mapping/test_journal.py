"""The record of a flow run: in bulk, complete, in short; what is used again, what is gone."""

import pytest

from orchestrator.mapping import Fail, MemoryRecorder, Skip, flow, task
from orchestrator.records import FileRun, State


class Listening(MemoryRecorder):
    """Remembers how it was called."""

    def __init__(self):
        super().__init__()
        self.calls = []
        self.asked = 0

    def record(self, instances):
        self.calls.append(len(instances))
        super().record(instances)

    def recall(self, fingerprints):
        self.asked += len(fingerprints)
        return super().recall(fingerprints)


@pytest.fixture
def recorder():
    return Listening()


@task(cache="runs")
def itself(x):
    return x


@task(cache="runs")
def invert(x):
    return 1 / x


def recorded(recorder, run):
    """What was recorded of a flow run, by node and key."""
    return {
        (node, key): instance
        for (of, node, key), instance in recorder.instances.items()
        if of == run.id
    }


def run_of(recorder, write_down, **options):
    return flow(name="written")(write_down).run(ledger=recorder, **options)


class TestRecords:
    def test_instances_are_recorded_in_bulk(self, recorder):
        run_of(recorder, lambda: itself.expand(x=range(3_000)))
        assert sum(recorder.calls) == 3_000
        assert len(recorder.calls) < 20

    def test_every_end_is_recorded_with_its_reason(self, recorder):
        @task
        def various(x):
            if x == "skip":
                raise Skip("not today")
            if x == "fail":
                raise Fail("never")
            return x

        @flow
        def all_ends():
            ends = various.options(key="{x}").expand(x=["fine", "skip", "fail"])
            itself.expand(x=ends)
            itself.expand(x=itself(["late"]))

        run = all_ends.run(ledger=recorder)
        found = recorded(recorder, run)
        assert len(found) == sum(run.counts.values())
        states = {key: found["various", key].state for key in ("fine", "skip", "fail")}
        assert states == {"fine": State.SUCCESS, "skip": State.SKIPPED, "fail": State.FAILED}
        assert found["various", "skip"].error == "not today"
        assert "Fail: never" in found["various", "fail"].error
        assert found["itself", "fail"].state is State.UPSTREAM_FAILED
        assert found["itself", "fail"].tries == 0
        assert found["itself", "fail"].started is None

    def test_a_record_tells_where_when_and_of_what(self, recorder):
        run = run_of(recorder, lambda: itself.options(key="<{x}>").expand(x=[7]))
        one = recorded(recorder, run)["itself", "<7>"]
        assert (one.index, one.tries, one.worker, one.value) == (0, 1, "inline", 7)
        assert one.arguments == "x=7"
        assert run.flow_run.started <= one.started <= one.ended <= run.flow_run.ended

    def test_a_map_that_was_never_made_is_one_record(self, recorder):
        run = run_of(recorder, lambda: itself.expand(x=invert(0)))
        one = recorded(recorder, run)["itself", ""]
        assert (one.state, one.index) == (State.UPSTREAM_FAILED, -1)
        assert "'invert', which it maps over" in one.error

    def test_arguments_are_short_however_large_they_are(self, recorder):
        class Large:
            id = "large one"

            def __repr__(self):
                raise AssertionError("nobody asks for it")

        items = ["x" * 10_000, list(range(10_000)), Large(), {"a": {"b": [1] * 100}}]
        run = run_of(recorder, lambda: itself.expand(x=items))
        shorts = [one.arguments for one in recorded(recorder, run).values()]
        assert all(len(short) <= 200 for short in shorts)
        assert "x=Large('large one')" in shorts

    def test_several_arguments_are_named(self, recorder):
        @task
        def both(x, y):
            return x, y

        run = run_of(recorder, lambda: both.partial(x=1).expand(y=["a"]))
        assert recorded(recorder, run)["both", "0"].arguments == "y='a'"

    def test_flow_runs_are_recorded_with_parameters_and_counts(self, recorder):
        @flow
        def counted(n, odd):
            return itself.expand(x=range(n))

        origin = FileRun(file="/flows.py", flow="counted", digest="d", params={"n": "2"})
        run = counted.run(params={"n": 2, "odd": object()}, ledger=recorder, origin=origin)
        flow_run = recorder.flow_runs[run.id]
        assert flow_run.params == {"n": 2, "odd": "<object>"}
        assert flow_run.counts == {"success": 2}
        assert flow_run.origin == origin
        assert flow_run.state == "success"


class TestUsedAgain:
    def test_what_was_recorded_is_cached_in_the_next_run(self, recorder):
        @flow
        def mapped(items):
            return itself.expand(x=items)

        mapped.run(params={"items": [1, 2]}, ledger=recorder)
        again = mapped.run(params={"items": [2, 3]}, ledger=recorder)
        assert [str(o.state) for o in again.result().items()] == ["cached", "success"]
        assert list(again.result()) == [2, 3]

    def test_what_follows_goes_on_with_cached_values(self, recorder):
        @task
        def summed(values):
            return sum(values)

        @flow
        def reduced():
            return summed(itself.expand(x=itself.expand(x=[1, 2])))

        assert reduced.run(ledger=recorder).result() == 3
        again = reduced.run(ledger=recorder)
        assert again.result() == 3
        assert again.counts == {"cached": 4, "success": 1}

    def test_failures_are_tried_again(self, recorder):
        @flow
        def partly():
            return invert.expand(x=[0, 1])

        partly.run(ledger=recorder)
        again = partly.run(ledger=recorder)
        assert [str(o.state) for o in again["invert"].items()] == ["failed", "cached"]

    def test_nothing_is_used_again_where_the_task_forbids_it(self, recorder):
        fresh = itself.options(cache=False)
        for _ in range(2):
            run = run_of(recorder, lambda: fresh.expand(x=[1]))
        assert run.counts == {"success": 1}
        assert recorder.asked == 0

    def test_a_task_may_say_what_its_result_depends_on(self, recorder):
        rounded = itself.options(cache=lambda x: str(round(x)))
        run_of(recorder, lambda: rounded.expand(x=[1.1]))
        run = run_of(recorder, lambda: rounded.expand(x=[1.2, 2.1]))
        assert list(run.result()) == [1.1, 2.1]

    def test_it_may_say_that_nothing_is_to_be_used_again(self, recorder):
        never = itself.options(cache=lambda x: None)
        for _ in range(2):
            run = run_of(recorder, lambda: never.expand(x=[1]))
        assert run.counts == {"success": 1}

    def test_plain_calls_and_coordinators_always_run(self, recorder):
        ran = []

        @task
        async def coordinates(x):
            ran.append(x)
            return list(await itself.expand(x=[x]))

        for _ in range(2):
            run = run_of(recorder, lambda: (itself(1), coordinates.expand(x=[5])))
        assert ran == [5, 5]
        assert run.counts == {"success": 2, "cached": 1}


class TestRemoved:
    def test_what_vanished_is_recorded_once_and_forgotten_then(self, recorder):
        @flow
        def listed(names):
            itself.options(key="{x}").expand(x=names)

        listed.run(params={"names": ["a", "b"]}, ledger=recorder)
        second = listed.run(params={"names": ["a"]}, ledger=recorder)
        third = listed.run(params={"names": ["a"]}, ledger=recorder)
        assert second.counts == {"cached": 1, "removed": 1}
        assert third.counts == {"cached": 1}
        assert recorded(recorder, second)["itself", "b"].state is State.REMOVED

    def test_an_interrupted_run_removes_nothing(self, recorder):
        @flow
        def listed(names):
            itself.options(key="{x}").expand(x=names)

        listed.run(params={"names": ["a", "b"]}, ledger=recorder)
        stopped = listed.run(params={"names": ["a"]}, ledger=recorder, stop=lambda: True)
        assert stopped.state == "interrupted"
        assert "removed" not in stopped.counts

    def test_a_map_that_was_never_made_removes_nothing(self, recorder):
        """Its source failed: nobody knows what would have been in the list."""

        @task
        def names(fail):
            return ["a"] if not fail else 1 / 0

        @flow
        def listed(fail):
            itself.options(key="{x}").expand(x=names(fail))

        listed.run(params={"fail": False}, ledger=recorder)
        second = listed.run(params={"fail": True}, ledger=recorder)
        assert State.REMOVED not in second.counts

    def test_what_a_failed_coordinator_did_not_call_is_not_removed(self, recorder):
        @task
        async def tune(customer, fail):
            if customer == fail:
                raise ValueError("no")
            return list(await itself.options(key="m{x}").expand(x=[1]))

        @flow
        def tuned(fail, customers):
            tune.options(key="{customer}").partial(fail=fail).expand(customer=customers)

        tuned.run(params={"fail": "", "customers": ["a", "b", "c"]}, ledger=recorder)
        second = tuned.run(params={"fail": "b", "customers": ["a", "b"]}, ledger=recorder)
        assert second.counts["removed"] == 2
        gone = {name for name, i in recorded(recorder, second).items() if i.state == "removed"}
        assert gone == {("tune", "c"), ("itself@tune", "c/m1")}
