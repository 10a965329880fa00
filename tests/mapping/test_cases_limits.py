"""The cases that define the limits of mapping: how many at once, how long, how often."""

import os
import time
from pathlib import Path

import pytest

from orchestrator.mapping import Fail, flow, task
from orchestrator.records import State
from tests.support.flows import states

LIMIT_SECONDS = 30


class TestLimits:
    @pytest.mark.parametrize("most", [1, 2])
    def test_case_22_never_more_than_max_active_at_once(self, where, most, tmp_path):
        @task(max_active=most, batch=1)
        def busy(x):
            mine = tmp_path / str(x)
            mine.touch()
            at_once = len(list(tmp_path.iterdir()))
            time.sleep(0.005)
            mine.unlink()
            return at_once

        @flow
        def crowd():
            return busy.expand(x=range(20))

        at_once = list(crowd.run(client=where).result())
        assert len(at_once) == 20
        assert max(at_once) <= most

    def test_case_23_a_task_that_kills_its_worker_harms_no_other(self, client):
        @task
        def deadly(x):
            if x == 57:
                os._exit(1)
            return x

        @flow
        def among_others():
            return deadly.options(max_lost=1).expand(x=range(100))

        outcomes = among_others.run(client=client)["deadly"]
        assert [o.value for o in outcomes.items() if o.state is State.SUCCESS] == [
            x for x in range(100) if x != 57
        ]
        (failed,) = outcomes.failed
        assert failed.key == "57"
        assert "worker died" in failed.error

    def test_case_24_a_call_that_hangs_in_c_is_timed_out(self, client):
        @task(timeout=1)
        def perhaps_hang(x):
            return sum(iter(int, 1)) if x == 2 else x

        @flow
        def hanging():
            return perhaps_hang.expand(x=range(6))

        began = time.monotonic()
        outcomes = hanging.run(client=client)["perhaps_hang"]
        assert time.monotonic() - began < 20
        assert list(outcomes) == [0, 1, 3, 4, 5]
        (failed,) = outcomes.failed
        assert "timed out after 1 s" in failed.error

    def test_case_24_in_this_process_a_late_call_has_failed_once_it_returns(self):
        @task(timeout=0.05)
        def late(x):
            time.sleep(x)

        @flow
        def lateness():
            late.expand(x=[0, 0.1])

        assert states(lateness.run()["late"]) == [State.SUCCESS, State.FAILED]

    def test_fail_ends_an_instance_without_retries(self, where, tmp_path: Path):
        @task(retries=5)
        def hopeless(x, folder):
            with (folder / "tries").open("a") as file:
                file.write("x")
            raise Fail("no use")

        @flow
        def once():
            hopeless.partial(folder=tmp_path).expand(x=[1])

        (failed,) = once.run(client=where)["hopeless"].failed
        assert failed.error == "no use"
        assert (tmp_path / "tries").read_text() == "x"
