"""Results of flows: values, errors, reduces, progress."""

import threading
import warnings
from typing import NamedTuple

import pytest

from orchestrator.errors import MachineryError
from orchestrator.mapping import (
    Fail,
    MemoryRecorder,
    TaskFailedError,
    flow,
    task,
)
from orchestrator.records import State
from tests.support.flows import add, as_list, invert, itself, run_of, states

pytestmark = pytest.mark.timeout(60)


class TestErrorsOfResults:
    def test_a_failed_result_is_raised_with_key_and_traceback(self, where):
        run = run_of(lambda: invert(0), where)
        with pytest.raises(TaskFailedError, match=r"(?s)invert: ZeroDivisionError.*in invert"):
            run.result()

    def test_a_partly_failed_map_gives_its_outcomes(self, where):
        run = run_of(lambda: {"parts": invert.expand(x=[1, 0])}, where)
        assert list(run.result()["parts"]) == [1.0]
        assert run.state == "failed"

    def test_a_map_that_could_not_be_is_raised_with_the_reason(self):
        run = run_of(lambda: add.expand(x=invert(0)))
        with pytest.raises(TaskFailedError, match="add: 'invert', which it maps over"):
            run.result()

    def test_what_is_no_reference_is_given_back(self):
        assert run_of(lambda: (1, [itself(2)], {"x": None})).result() == (1, [2], {"x": None})

    def test_an_argument_that_cannot_be_pickled_names_task_and_argument(self, client):
        run = run_of(lambda: itself.expand(x=[1, threading.Lock()]), client)
        assert states(run["itself"]) == ["success", "failed"]
        assert "itself: x cannot be pickled" in run["itself"].failed[0].error

    def test_a_shared_argument_that_cannot_be_pickled_fails_the_task(self, client):
        run = run_of(lambda: add.partial(y=threading.Lock()).expand(x=[1, 2]), client)
        assert states(run["add"]) == ["failed", "failed"]
        assert "y" in run["add"].failed[0].error

    def test_a_result_that_cannot_be_pickled_names_the_task(self, client):
        @task
        def locks(x):
            return threading.Lock() if x else x

        run = run_of(lambda: locks.expand(x=[0, 1]), client)
        assert states(run["locks"]) == ["success", "failed"]
        assert "locks returned a lock that cannot be pickled" in run["locks"].failed[0].error

    def test_an_error_that_cannot_be_pickled_is_told_all_the_same(self, client):
        @task
        def odd():
            error = ValueError("odd one")
            error.lock = threading.Lock()
            raise error

        run = run_of(odd, client)
        assert run["odd"].failed[0].error == "ValueError: odd one"


class TestReduce:
    def test_a_reduce_over_a_chain_of_maps(self, where):
        run = run_of(lambda: as_list(add.expand(x=add.expand(x=add.expand(x=[1, 2])))), where)
        assert run.result() == [4, 5]

    def test_outcomes_tell_everything_on_workers_too(self, where):
        @task(trigger_rule="all_done")
        def look(outcomes):
            (failed,) = outcomes.failed
            return (
                len(outcomes),
                outcomes[-1],
                outcomes[0:2],
                failed.key,
                dict(failed.args),
                [o.key for o in outcomes.items()],
                outcomes.by_key["k2"].value,
            )

        @flow
        def looked_at():
            named = itself.options(key="k{x}").expand(x=[0, 1, 2])
            return look(invert.expand(x=named))

        assert looked_at.run(client=where).result() == (
            2,
            0.5,
            [1.0, 0.5],
            "k0",
            {"x": 0},
            ["k0", "k1", "k2"],
            0.5,
        )

    def test_none_is_a_value(self, where):
        run = run_of(lambda: as_list(itself.expand(x=[None, 1, None])), where)
        assert run.result() == [None, 1, None]

    def test_a_large_value_passes_from_task_to_task(self, where):
        @task
        def large(n):
            return bytes(n)

        @task
        def size(data):
            return len(data)

        @task
        def sizes(many):
            return [len(data) for data in many]

        @flow
        def sized():
            chunks = large.expand(n=[200_000, 300_000])
            return size.expand(data=chunks), sizes(chunks), size(large(100_000))

        each, together, plain = sized.run(client=where).result()
        assert list(each) == together == [200_000, 300_000]
        assert plain == 100_000

    def test_references_may_hide_in_lists_and_dicts(self, where):
        @task
        def show(things):
            return things

        run = run_of(lambda: show({"a": add(1), "b": [add(2), 3]}), where)
        assert run.result() == {"a": 2, "b": [3, 3]}

    def test_single_values_may_be_items_of_a_list(self, where):
        run = run_of(lambda: itself.expand(x=[add(1), 7, add(2)]), where)
        assert list(run.result()) == [2, 7, 3]


class TestProgress:
    def test_it_is_told_to_the_end(self, where):
        told = []
        run_of(lambda: as_list(add.expand(x=[1, 2, 3])), where, observer=told.append)
        last = {progress.name: progress for progress in told[-1]}
        assert last["add"].total == 3
        assert last["add"].counts == {State.SUCCESS: 3}
        assert last["as_list"].counts == {State.SUCCESS: 1}
        assert last["add"].running == 0

    def test_a_map_that_was_never_made_is_one(self):
        told = []
        run_of(lambda: add.expand(x=itself([])), observer=told.append)
        add_progress = next(p for p in told[-1] if p.name == "add")
        assert (add_progress.total, add_progress.counts) == (1, {State.SKIPPED: 1})


class TestMachinery:
    def test_a_recorder_that_fails_ends_the_flow_run(self):
        class Full(MemoryRecorder):
            def record(self, instances):
                raise MachineryError("disk full")

        with pytest.raises(MachineryError, match="disk full"):
            run_of(lambda: itself(1), ledger=Full())

    def test_no_warning_is_given_where_nothing_is_wrong(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            run_of(lambda: as_list(add.partial(y=1).expand(x=[1])))

    def test_a_failure_without_retries_says_so_in_one_line(self):
        @task(retries=3)
        def stop():
            raise Fail("no use")

        (failed,) = run_of(stop)["stop"].failed
        assert (failed.error, failed.tries) == ("no use", 1)


class Pair(NamedTuple):
    """What a flow may return."""

    one: object
    other: object


def test_a_named_tuple_of_references_is_returned_as_one():
    @flow
    def pair():
        return Pair(add(1, 2), 4)

    assert pair.run().result() == Pair(3, 4)
