"""Results of earlier flow runs are used again only where a task asks for it, and never wrongly."""

import importlib
import logging
import sys

import pytest

from orchestrator.errors import FlowError
from orchestrator.ledger import Ledger
from orchestrator.mapping import MemoryRecorder, flow, task

CONF = {"factor": 2}
LIMITS = {"highest": 10}


@task
def plain(x):
    return x * CONF["factor"]


@task(cache="runs")
def scaled(x):
    return x * CONF["factor"]


@task(cache="runs")
def bounded(x):
    return min(x, highest())


def highest():
    return LIMITS["highest"]


@pytest.fixture(params=["memory", "ledger"])
def recorder(request, tmp_path):
    if request.param == "memory":
        yield MemoryRecorder()
        return
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        yield ledger.recorder()


def twice(recorder, mapped, change=lambda: None):
    """The states and values of a second flow run, after a change."""

    @flow
    def of_three():
        return mapped.expand(x=[1, 2, 30])

    of_three.run(ledger=recorder)
    change()
    run = of_three.run(ledger=recorder)
    return dict(run.counts), list(run.result())


def test_without_asking_nothing_of_an_earlier_flow_run_is_used(recorder):
    assert twice(recorder, plain) == ({"success": 3}, [2, 4, 60])


def test_where_it_is_asked_for_equal_code_and_arguments_are_used_again(recorder):
    assert twice(recorder, scaled) == ({"cached": 3}, [2, 4, 60])


def test_an_edited_setting_of_the_module_is_not_overlooked(recorder, monkeypatch):
    counts, values = twice(recorder, scaled, lambda: monkeypatch.setitem(CONF, "factor", 100))
    assert (counts, values) == ({"success": 3}, [100, 200, 3000])


def test_nor_is_one_that_a_function_it_calls_uses(recorder, monkeypatch):
    counts, values = twice(recorder, bounded, lambda: monkeypatch.setitem(LIMITS, "highest", 20))
    assert (counts, values) == ({"success": 3}, [1, 2, 20])


def test_nor_is_a_helper_in_another_module(recorder, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "cachehelp.py").write_text("def factor(): return 2\n")
    (tmp_path / "cacheflow.py").write_text(
        "import cachehelp\nfrom orchestrator import task\n"
        "@task(cache='runs')\ndef times(x): return x * cachehelp.factor()\n"
    )

    def edit():
        (tmp_path / "cachehelp.py").write_text("def factor():  # corrected\n    return 3\n")
        del sys.modules["cachehelp"]
        importlib.invalidate_caches()
        importlib.reload(sys.modules["cacheflow"])

    importlib.invalidate_caches()
    times = importlib.import_module("cacheflow").times
    assert twice(recorder, times) == ({"cached": 3}, [2, 4, 60])
    assert twice(recorder, times, edit)[0] == {"success": 3}
    for name in ("cachehelp", "cacheflow"):
        del sys.modules[name]


def test_what_uses_a_value_that_cannot_be_compared_is_called_again(recorder, monkeypatch):
    monkeypatch.setitem(CONF, "lock", sys._getframe())
    assert twice(recorder, scaled)[0] == {"success": 3}


def test_the_old_word_is_refused_with_the_new_ones():
    with pytest.raises(FlowError, match="cache is True; it must be one of False, 'runs', 'never'"):
        plain.options(cache=True)


def test_a_rerun_takes_the_rest_from_the_flow_run_it_reruns(recorder):
    made = []

    @task
    def noted(x):
        made.append(x)
        return x

    @flow
    def mapped():
        return noted.expand(x=[1, 2, 3])

    first = mapped.run(ledger=recorder)
    chosen = {("noted", "1")}
    for _ in range(2):  # what was rerun can be rerun in its turn
        made.clear()
        again = mapped.run(
            ledger=recorder, rerun_of=first.id, again=lambda node, key: (node, key) in chosen
        )
        assert (made, list(again.result())) == ([2], [1, 2, 3])
        first = again


def test_instances_that_run_again_on_resumption_are_reported_by_task(recorder, caplog):
    stopped = []

    def scale_of(factor):
        @task(name="scale")
        def scale(x):
            stopped.append(x)
            return x * factor

        @flow(name="scaling")
        def scaling():
            return scale.expand(x=list(range(6)))

        return scaling

    begun = scale_of(2).run(ledger=recorder, stop=lambda: len(stopped) > 2)
    assert begun.state == "interrupted"
    with caplog.at_level(logging.WARNING, "orchestrator"):
        ended = scale_of(3).run(ledger=recorder, resumed=begun.flow_run)
    assert list(ended.result()) == [0, 3, 6, 9, 12, 15]
    assert "task 'scale': 3 instances that had succeeded before the interruption" in caplog.text
