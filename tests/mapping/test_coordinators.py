"""Coordinators, and flow runs that are stopped while they run."""

import asyncio
import os
import signal
import time
import uuid

import pytest
from distributed import Event

from orchestrator.mapping import (
    FirstEnded,
    MemoryRecorder,
    Skip,
    TaskFailedError,
    flow,
    task,
)
from tests.support.flows import add, as_list, invert, itself, run_of, states

pytestmark = pytest.mark.timeout(60)


class TestStopping:
    def test_what_has_ended_is_kept_and_nothing_more_starts(self):
        ended = []
        recorder = MemoryRecorder()

        @task
        def note(x):
            ended.append(x)
            return x

        run = run_of(
            lambda: as_list(note.expand(x=range(10))),
            ledger=recorder,
            stop=lambda: len(ended) >= 3,
        )
        assert run.state == "interrupted"
        assert ended == [0, 1, 2]
        assert states(run["note"])[:4] == ["success"] * 3 + ["pending"]
        assert run.counts == {"success": 3, "pending": 8}
        assert len(recorder.instances) == 3
        assert recorder.flow_runs[run.id].state == "interrupted"

    def test_a_second_run_goes_on_where_the_first_was_stopped(self, where):
        recorder, looked = MemoryRecorder(), []

        @flow
        def ten():
            return itself.options(cache="runs").expand(x=range(10))

        def after_some():
            looked.append(1)
            return len(looked) > 3

        ten.run(client=where, ledger=recorder, stop=after_some)
        kept = len(recorder.instances)
        run = ten.run(client=where, ledger=recorder)
        assert run.state == "success"
        assert run.counts.get("cached", 0) == kept

    def test_coordinators_are_given_up(self):
        stopping = []

        @task
        def last(x):
            stopping.append(x)

        @task
        async def loop():
            while True:
                await last(1)

        run = run_of(loop, stop=lambda: bool(stopping))
        assert run.state == "interrupted"

    def test_an_interrupt_is_passed_on_and_recorded(self):
        recorder = MemoryRecorder()

        @task
        def interrupted():
            os.kill(os.getpid(), signal.SIGINT)  # a person's, not the task's own
            time.sleep(10)

        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                run_of(interrupted, ledger=recorder)
        finally:
            signal.signal(signal.SIGINT, before)
        (flow_run,) = recorder.flow_runs.values()
        assert flow_run.state == "interrupted"


class Foreign:
    def __await__(self):
        yield 1


class TestCoordinators:
    def test_a_plain_call_gives_its_value_and_a_map_its_outcomes(self, where):
        @task
        async def adaptive(n):
            start = await add(n, 10)
            first = await add.expand(x=[start, start + 1])
            return [start, list(first), [o.key for o in first.items()]]

        run = run_of(lambda: adaptive.expand(n={"p": 1}.values()), where)
        assert list(run.result()) == [[11, [12, 13], ["0/0", "0/1"]]]

    def test_calls_of_a_map_that_grows_share_its_name(self, where):
        grown = add.options(key=lambda x, y: f"{x}+{y}", grows=True)

        @task
        async def window():
            under_way = [grown.partial(y=1).expand(x=[x]) for x in (1, 2)]
            first = await under_way.pop(0)
            under_way.append(grown.partial(y=10).expand(x=[*first]))
            return [list(await call) for call in under_way]

        run = run_of(window, where)
        assert run.result() == [[3], [12]]
        keys = [outcome.key for each in run.outcomes("add@window") for outcome in each.items()]
        assert keys == ["1+1", "2+1", "2+10"]

    def test_a_failure_is_raised_where_it_is_awaited(self, where):
        @task
        async def careful():
            try:
                await invert(0)
            except TaskFailedError as error:
                return error.error
            return "no error"

        @task
        async def careless():
            return await invert(0)

        run = run_of(lambda: (careful(), careless()), where)
        assert list(run["careful"]) == ["ZeroDivisionError: division by zero"]
        (failed,) = run["careless"].failed
        assert "invert@careless: ZeroDivisionError: division by zero" in failed.error
        assert run.state == "failed"

    def test_a_skip_passes_through(self):
        @task
        def never():
            raise Skip("not today")

        @task
        async def waits():
            return await never()

        run = run_of(waits)
        assert states(run["waits"]) == ["skipped"]

    def test_partly_failed_maps_are_given_as_they_are(self, where):
        @task
        async def tolerant():
            outcomes = await invert.expand(x=[1, 0, 2])
            return len(outcomes), len(outcomes.failed)

        assert run_of(tolerant, where).result() == (2, 1)

    @pytest.mark.parametrize(
        "foreign", [lambda: asyncio.sleep(0), lambda: asyncio.sleep(1), Foreign]
    )
    def test_awaiting_anything_else_is_a_clear_error(self, where, foreign):
        @task
        async def confused():
            await foreign()

        run = run_of(confused, where)
        (failed,) = run["confused"].failed
        assert "TypeError" in failed.error or "RuntimeError" in failed.error

    def test_a_foreign_awaitable_may_be_survived(self):
        @task
        async def survivor():
            try:
                await Foreign()
            except TypeError as error:
                return str(error)

        result = run_of(survivor).result()
        assert "'survivor' awaited int" in result
        assert "not run by asyncio" in result

    def test_what_was_not_awaited_ends_before_the_coordinator(self):
        @task
        async def forgetful():
            itself.expand(x=[1, 2])
            return "done"

        run = run_of(lambda: as_list(forgetful.expand_kwargs([{}])))
        assert run.result() == ["done"]
        assert states(run.outcomes("itself")[0]) == ["success"] * 2

    def test_a_mistake_inside_fails_the_coordinator_alone(self, where):
        @task
        async def mistaken(x):
            if x == 1:
                return await add.expand(z=[1])
            if x == 2:
                return await add.expand(x=add(leaked[0]))
            return await add(x)

        leaked = []
        run_of(lambda: leaked.append(itself(1)))
        outcomes = run_of(lambda: mistaken.expand(x=[0, 1, 2]), where)["mistaken"]
        assert states(outcomes) == ["success", "failed", "failed"]
        assert "no argument 'z'" in outcomes.failed[0].error
        assert "another flow" in outcomes.failed[1].error

    def test_references_may_be_passed_on_and_awaited_twice(self):
        @task
        async def passing():
            numbers = add.expand(x=[1, 2])
            summed = as_list(numbers)
            return await summed, list(await numbers), await summed

        assert run_of(passing).result() == ([2, 3], [2, 3], [2, 3])

    def test_many_children_at_once_are_awaited_one_after_the_other(self, where):
        @task
        async def gather():
            children = [add(n) for n in range(5)]
            return [await child for child in children]

        assert run_of(gather, where).result() == [1, 2, 3, 4, 5]

    def test_thousands_that_have_ended_are_awaited_in_a_row(self):
        @task
        async def gather():
            children = [itself(n) for n in range(2_000)]
            await children[-1]
            return sum([await child for child in children])

        assert run_of(gather).result() == sum(range(2_000))

    def test_of_several_the_first_that_ended_is_given_though_it_was_begun_last(self, client):
        may_end = f"may end {uuid.uuid4()}"

        @task
        def slow():
            return Event(may_end).wait(30)

        @task
        async def racing():
            under_way, order = [slow(), itself("quick")], []
            while under_way:
                ended = await FirstEnded(under_way)
                under_way.remove(ended)
                order.append(await ended)
                Event(may_end, client).set()
            return order

        assert run_of(racing, client).result() == ["quick", True]

    def test_what_is_called_begins_before_the_next_call_is_looked_for(self):
        seen = []

        @task
        def note(x):
            seen.append(f"made {x}")
            return x

        @task
        async def asking():
            known = [note("first"), note("second")]
            for n, call in enumerate(known):
                await call
                seen.append(f"asks {n}")
                note(f"after {n}")

        run_of(asking)
        assert seen[2:] == ["asks 0", "made after 0", "asks 1", "made after 1"]

    def test_many_first_ones_are_each_given_once(self, where):
        """Several end at once, and each time another one is begun."""

        @task
        async def keeping_three_under_way():
            waiting, under_way, seen = list(range(60)), [], []
            while waiting or under_way:
                while waiting and len(under_way) < 3:
                    under_way.append(itself(waiting.pop()))
                ended = await FirstEnded(under_way)
                under_way.remove(ended)
                seen.append(await ended)
            return sorted(seen)

        assert run_of(keeping_three_under_way, where).result() == list(range(60))

    def test_the_first_of_nothing_or_of_foreign_calls_is_a_mistake(self):
        leaked = []
        run_of(lambda: leaked.append(itself(1)))
        for nonsense in ([], [3], leaked):

            @task
            async def mistaken(some=nonsense):
                return await FirstEnded(some)

            outcome = run_of(mistaken).outcomes("mistaken")[0]
            assert "awaited the first of none" in next(iter(outcome.items())).error

    def test_a_coordinator_is_tried_again_like_any_task(self):
        tries = []

        @task(retries=1)
        async def flaky():
            tries.append(1)
            await itself(1)
            if len(tries) == 1:
                raise OSError("busy")
            return "done"

        run = run_of(flaky)
        assert run.result() == "done"
        assert len(tries) == 2

    def test_a_map_follows_each_coordinator_as_it_ends(self):
        seen = []

        @task
        def note(x):
            seen.append(x)
            return x

        @task
        async def tune(customer):
            await note(customer)
            return customer.upper()

        run_of(lambda: note.expand(x=tune.expand(customer=["a", "b"])))
        assert seen == ["a", "A", "b", "B"]

    def test_children_of_coordinators_that_share_keys_stay_apart(self):
        """Two coordinators over the same customers, and the flow itself, call one task."""
        recorder = MemoryRecorder()

        @task
        async def left(customer):
            return list(await itself.expand(x=["l"]))

        @task
        async def right(customer):
            return list(await itself.expand(x=["r"]))

        @flow
        def both():
            customers = {"acme": 1}
            return left.expand(customer=customers), right.expand(customer=customers), itself("f")

        run = both.run(ledger=recorder)
        recorded = [i for i in recorder.instances.values() if i.flow_run == run.id]
        assert len(recorded) == sum(run.counts.values()) == 5
