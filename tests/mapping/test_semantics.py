"""Upstreams, coordinators and stopping: small flows that once ended in the wrong state."""

import pytest

from orchestrator.errors import FlowError
from orchestrator.mapping import MemoryRecorder, Skip, TaskFailedError, flow, task
from orchestrator.mapping.authoring.graph import as_text, graph
from orchestrator.records import State


@task
def itself(x):
    return x


@task
def gate():
    raise Skip("closed today")


@task
def skipping(x):
    if x == "skipped":
        raise Skip("not this one")
    return x


@task
def counted(ok, some):
    return ok, len(some)


@task
def failing():
    raise ValueError("no")


def run_of(function, **options):
    return flow(function).run(**options)


class TestGates:
    def test_a_skipped_gate_holds_back_a_reduce(self):
        run = run_of(lambda: counted(gate(), itself.expand(x=["a", "b"])))
        assert run["counted"].skipped
        assert run.state == "success"

    def test_a_skipped_gate_holds_back_a_map(self):
        run = run_of(lambda: counted.partial(ok=gate()).expand(some=["a", "b"]))
        assert len(run["counted"].skipped) == 2

    def test_a_failed_gate_makes_a_reduce_upstream_failed(self):
        run = run_of(lambda: counted(failing(), itself.expand(x=["a"])))
        assert run["counted"].by_key[""].state is State.UPSTREAM_FAILED

    def test_beside_an_open_gate_skipped_items_are_left_out(self):
        run = run_of(lambda: counted(itself(True), skipping.expand(x=["a", "skipped"])))
        assert run.result() == (True, 1)

    def test_an_open_gate_does_not_stand_in_for_a_success_of_the_map(self):
        run = run_of(lambda: counted(itself(True), skipping.expand(x=["skipped"])))
        assert run["counted"].skipped

    def test_a_rule_of_its_own_decides_over_gates_too(self):
        lenient = counted.options(trigger_rule="all_done")
        run = run_of(lambda: lenient(gate(), itself.expand(x=["a"])))
        assert run.result() == (None, 1)


class TestCoordinators:
    @pytest.mark.parametrize("mapped", [False, True])
    def test_a_failure_that_a_coordinator_handles_does_not_fail_the_run(self, mapped):
        @task
        async def careful(x):
            try:
                return await failing()
            except TaskFailedError:
                return f"plan B of {x}"

        run = run_of(lambda: careful.expand(x=[1]) if mapped else careful(1))
        assert run.state == "success"

    def test_a_failure_that_it_does_not_handle_fails_the_run(self):
        @task
        async def careless():
            return await failing()

        assert run_of(lambda: [careless()]).state == "failed"

    def test_a_retried_coordinator_counts_its_calls_once(self):
        tries = []

        @task(retries=1)
        async def second_time():
            outcomes = await itself.expand(x=[1, 2, 3])
            tries.append(len(outcomes))
            if len(tries) == 1:
                raise OSError("busy")
            return len(outcomes)

        run = run_of(lambda: [second_time()])
        assert run.counts == {"success": 4}
        assert [len(outcomes) for outcomes in run.outcomes("itself")] == [3]

    def test_calls_of_a_retried_coordinators_coordinators_count_once(self):
        tries = []

        @task
        async def inner():
            return len(await itself.expand(x=[1, 2]))

        @task(retries=1)
        async def outer():
            found = await inner()
            tries.append(found)
            if len(tries) == 1:
                raise OSError("busy")
            return found

        assert run_of(lambda: [outer()]).counts == {"success": 4}


class TestEarlyReduces:
    def test_a_reduce_that_starts_early_sees_what_is_pending(self):
        @task(trigger_rule="one_success")
        def first(up):
            return [(outcome.key, outcome.args, str(outcome.state)) for outcome in up.items()]

        run = run_of(lambda: first(itself.expand(x=itself.expand(x=[1, 2, 3]))))
        assert run.result() == [
            ("0", {"x": 1}, "success"),
            ("1", {"x": None}, "pending"),
            ("2", {"x": None}, "pending"),
        ]


class TestStopping:
    def test_stop_is_asked_while_results_are_recalled(self):
        recorder, looks = MemoryRecorder(), []
        run_of(lambda: itself.expand(x=range(500)), ledger=recorder)

        def stop():
            looks.append(None)
            return len(looks) > 3

        run = run_of(lambda: itself.expand(x=range(500)), ledger=recorder, stop=stop)
        assert run.state == "interrupted"
        assert run.counts["pending"] > 400

    def test_progress_is_told_while_results_are_recalled(self):
        recorder, seen = MemoryRecorder(), []
        run_of(lambda: itself.expand(x=range(500)), ledger=recorder)

        def observer(nodes):
            seen.append(sum(sum(node.counts.values()) for node in nodes))

        run_of(lambda: itself.expand(x=range(500)), ledger=recorder, observer=observer)
        assert seen[0] < 500
        assert seen[-1] == 500


class TestOrderWithoutData:
    def test_a_task_runs_after_calls_whose_results_it_does_not_take(self):
        done = []

        @task
        def write(x):
            done.append(x)

        @task
        def read():
            return sorted(done)

        run = run_of(lambda: [read.after(write.expand(x=[1, 2]), write(3))()])
        assert run.result() == [[1, 2, 3]]

    def test_its_rule_counts_them(self):
        def built():
            return (
                itself.after(gate()).options(name="held")(1),
                itself.after(failing()).options(name="failed").expand(x=[1]),
                itself.after(failing()).options(name="anyway", trigger_rule="all_done")(3),
            )

        run = run_of(built)
        states = {
            name: next(iter(run[name].items())).state for name in ("held", "failed", "anyway")
        }
        assert states == {
            "held": State.SKIPPED,
            "failed": State.UPSTREAM_FAILED,
            "anyway": State.SUCCESS,
        }

    def test_it_is_shown_in_the_graph(self):
        scope, _ = flow(lambda: itself.after(gate())(1)).build()
        assert as_text(graph(scope)).splitlines() == ["  1  gate", "  2  itself  after gate"]

    def test_only_calls_can_be_waited_for(self):
        with pytest.raises(
            FlowError, match=r"after\(\) takes the results of calls of tasks, not 1"
        ):
            itself.after(1)


class TestGenerators:
    def test_a_generator_function_is_not_a_task(self):
        def numbers():
            yield 1

        with pytest.raises(FlowError, match="'numbers' is a generator function"):
            task(numbers)

    def test_a_generator_is_not_a_result(self):
        @task
        def numbers():
            return (n for n in range(3))

        outcome = next(iter(run_of(lambda: [numbers()])["numbers"].items()))
        assert "read only once" in outcome.error


class TestLongChains:
    def test_a_chain_of_mapped_tasks_may_be_long(self):
        def chain():
            x = itself.expand(x={"a": 1, "b": 2})
            for _ in range(600):
                x = itself.expand(x=x)
            return x

        run = run_of(chain)
        assert [outcome.key for outcome in run.result().items()] == ["a", "b"]

    def test_names_of_many_calls_of_one_task_are_found_at_once(self):
        scope, _ = flow(lambda: [itself(n) for n in range(5_000)]).build()
        assert scope.nodes[-1].name == "itself_5000"
        assert len({node.name for node in scope.nodes}) == 5_000


class TestRemoved:
    def test_resumed_with_fewer_items_the_others_are_removed(self):
        recorder, broken = MemoryRecorder(), [True]

        @task
        def work(x):
            if x == 0 and broken:
                raise ValueError("x")
            return x

        @flow
        def shrinking(n: int):
            return work.expand(x=list(range(n)))

        first = shrinking.run(params={"n": 5}, ledger=recorder)
        broken.clear()
        again = shrinking.run(params={"n": 2}, ledger=recorder, resumed=first.flow_run)
        states = {key: i.state for (_, _, key), i in recorder.instances.items()}
        assert again.counts == {"success": 2, "removed": 3}
        assert {key for key, state in states.items() if state is State.REMOVED} == set("234")
