"""What tasks print, log and warn of: heard, named, bounded; and what they can ask of themselves."""
# ruff: noqa: T201 - printing is what these tasks do

import logging
import sys
import threading
import warnings
from contextlib import redirect_stdout
from io import StringIO

import pytest
from distributed import Client
from hypothesis import given
from hypothesis import strategies as st

from orchestrator import context, flow, task
from orchestrator.errors import FlowError, UsageError
from orchestrator.ledger import Ledger
from orchestrator.mapping import MemoryRecorder
from orchestrator.mapping.execution.attempt_log import BoundedText
from orchestrator.records import Logs

log = logging.getLogger("a.project")


@task(retries=1, retry_delay=0)
def talk(x):
    print("printed", x)
    print("on stderr", file=sys.stderr, end="")
    log.info("logged %s", x)
    log.debug("not this")
    context.logger.warning("attempt %s of %s", context.attempt, context.key)
    thread = threading.Thread(target=print, args=["from a thread"])
    thread.start()
    thread.join()
    if x == "bad":
        raise ValueError("first line\nsecond line")


SAID = """printed {0}
on stderr
INFO a.project: logged {0}
WARNING orchestrator.task: attempt {1} of {0}
from a thread
"""


def logs_of(client=None, *, written=talk, items=("good", "bad"), **options):
    """What is kept of a task mapped over some items, by key and attempt."""
    recorder = MemoryRecorder()
    run = flow(name="talking")(lambda: written.options(key="{x}").expand(x=list(items)))
    ended = run.run(client=client, ledger=recorder, **options)
    return {(log.key, log.attempt): log.text for log in recorder.logs.values()}, ended


@pytest.fixture(scope="module")
def client():
    """Two calls at once in one worker process."""
    with Client(
        n_workers=1, threads_per_worker=2, processes=True, dashboard_address=":0"
    ) as client:
        yield client


class TestKept:
    def test_of_attempts_that_failed_all_is_kept_under_key_and_attempt(self):
        kept, run = logs_of()
        assert kept == {
            ("bad", 1): SAID.format("bad", 1),
            ("bad", 2): SAID.format("bad", 2),
        }
        assert run.unkept_logs == 1

    def test_of_all_attempts_where_that_is_asked_for(self):
        kept, run = logs_of(logs=Logs(keep="all"))
        assert kept["good", 1] == SAID.format("good", 1)
        assert (len(kept), run.unkept_logs) == (3, 0)

    def test_of_none(self):
        kept, run = logs_of(logs=Logs(keep="none"))
        assert (kept, run.unkept_logs) == ({}, 3)

    def test_on_workers_as_well_where_several_calls_run_in_one_process(self, client):
        items = [f"item-{n}" for n in range(40)]
        kept, _ = logs_of(client, items=items, logs=Logs(keep="all"))
        assert kept == {(key, 1): SAID.format(key, 1) for key in items}

    def test_what_is_shown_comes_with_the_instances_name_and_nothing_raw(self, client, capfd):
        logs_of(client, items=["one"])
        assert "printed" not in "".join(capfd.readouterr())
        seen = []
        logs_of(client, items=["one"], on_log=seen.append)
        [one] = seen
        assert (one.node, one.key, one.attempt) == ("talk", "one", 1)
        assert one.text == SAID.format("one", 1)
        assert "printed" not in "".join(capfd.readouterr())

    def test_a_warning_is_heard_once_by_each_instance(self):
        @task
        def warn(x):
            for _ in range(3):
                warnings.warn("careful", UserWarning, stacklevel=1)

        with warnings.catch_warnings():
            warnings.resetwarnings()  # as in a process that pytest has not set up
            kept, _ = logs_of(written=warn, items=["a", "b"], logs=Logs(keep="all"))
        assert [text.count("UserWarning: careful") for text in kept.values()] == [1, 1]

    def test_a_coordinator_and_a_task_on_the_driver_are_heard_too(self):
        @task(runs_on="driver")
        def here(x):
            print("here", x)

        @task
        async def lead(x):
            print("before", context.key)
            await here(x)
            print("after")

        seen = []
        logs_of(written=lead, items=["a"], on_log=seen.append)
        assert {(log.node, log.key): log.text for log in seen} == {
            ("here@lead", "a"): "here a\n",
            ("lead", "a"): "before a\nafter\n",
        }

    def test_secrets_are_not_kept(self, monkeypatch):
        from orchestrator import redaction

        monkeypatch.setattr(redaction, "_names", {"s3cret": "TOKEN"})

        @task
        def leak(x):
            print("it is s3cret")

        kept, _ = logs_of(written=leak, items=["a"], logs=Logs(keep="all"))
        assert kept["a", 1] == "it is ${TOKEN}\n"

    def test_what_a_task_redirects_is_its_own(self):
        @task
        def redirect(x):
            with redirect_stdout(StringIO()) as own:
                print("own")
            print("not", own.getvalue(), end="")

        kept, _ = logs_of(written=redirect, items=["a"], logs=Logs(keep="all"))
        assert kept["a", 1] == "not own\n"

    def test_the_process_is_left_as_it_was(self):
        def state():
            root, hook = logging.getLogger(), sys.breakpointhook
            changed = sys.stdout, sys.stderr, root.level, list(root.handlers), hook
            return *changed, warnings.showwarning, list(warnings.filters), threading.Thread.start

        before = state()
        logs_of()
        assert state() == before

    def test_without_a_ledger_tasks_in_this_process_print_as_ever(self, capsys):
        flow(name="talking")(lambda: talk("good")).run()
        assert capsys.readouterr().out.startswith("printed good\n")


class TestBounds:
    def test_of_too_much_the_beginning_and_the_end_are_kept(self):
        @task
        def chatter(x):
            for number in range(10_000):
                print("line", number)

        kept, _ = logs_of(written=chatter, items=["a"], logs=Logs(keep="all", bytes=1_000))
        first, *_, last = kept["a", 1].splitlines()
        assert (first, last) == ("line 0", "line 9999")
        assert "bytes left out" in kept["a", 1]
        assert len(kept["a", 1]) <= 1_100

    @given(st.lists(st.text(max_size=50), max_size=40), st.integers(min_value=1, max_value=400))
    def test_a_bound_holds_whatever_is_said(self, pieces, limit):
        output = BoundedText(limit)
        for piece in pieces:
            output.add(piece)
        text, said = output.text(), "".join(pieces)
        assert text.endswith("\n")
        if len(said.encode("utf-8", "backslashreplace")) > limit:
            assert "bytes left out" in text
        elif "\r" not in said:
            assert text.removesuffix("\n") == said.removesuffix("\n")
        assert len(text.encode()) <= 3 * limit + 60  # a character cut in two is three bytes

    def test_of_a_progress_bar_its_last_state_is_kept(self):
        output = BoundedText(1_000)
        output.add("10 %\r20 %\r30 %\ndone\r\n")
        assert output.text() == "30 %\ndone\n"


class TestContext:
    def test_a_task_knows_its_names(self, client):
        @task
        def ask(x):
            return context.key, context.node, context.flow_run, context.attempt

        run = flow(name="asking")(lambda: ask.expand(x={"a": 1})).run(client=client)
        assert list(run["ask"]) == [("a", "ask", run.id, 1)]

    @pytest.mark.parametrize("where", ["inline", "cluster"])
    def test_a_scratch_folder_is_its_own_and_gone_with_the_attempt(self, where, request):
        client = request.getfixturevalue("client") if where == "cluster" else None

        @task
        def write(x):
            (context.scratch / "file").write_text(str(x))
            return context.scratch, [each.name for each in context.scratch.iterdir()]

        outcomes = flow(name="f")(lambda: write.expand(x=[1, 2])).run(client=client)["write"]
        assert [names for _, names in outcomes] == [["file"], ["file"]]
        assert len({folder for folder, _ in outcomes}) == 2
        assert not any(folder.exists() for folder, _ in outcomes)

    def test_outside_a_task_it_says_so(self):
        with pytest.raises(UsageError, match=r"context\.key is known only while a task runs"):
            _ = context.key

    def test_a_test_gives_a_function_what_it_asks_for(self):
        with context.stand_in("acme", attempt=2):
            assert (context.key, context.attempt) == ("acme", 2)
            folder = context.scratch
            assert folder.is_dir()
        assert not folder.exists()


def test_the_ledger_keeps_and_forgets_logs(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        run = flow(name="talking")(lambda: talk.options(key="{x}").expand(x=["good", "bad"]))
        ended = run.run(ledger=ledger.recorder())
        kept = ledger.logs.of("latest", key_pattern="b*")
        assert [(log.flow_run, log.node, log.key, log.attempt) for log in kept] == [
            (ended.id, "talk", "bad", 1),
            (ended.id, "talk", "bad", 2),
        ]
        assert kept[1].text == SAID.format("bad", 2)
        ledger.forgetting.forget("bad", record="f")
        assert ledger.logs.of(ended.id) == []


def test_a_flow_says_itself_what_is_kept_unless_run_is_told_otherwise():
    @flow(logs={"keep": "all"})
    def talking():
        talk.options(key="{x}").expand(x=["good"])

    kept = MemoryRecorder()
    talking.run(ledger=kept)
    assert len(kept.logs) == 1
    kept = MemoryRecorder()
    talking.run(ledger=kept, logs=Logs(keep="failed"))
    assert not kept.logs


@pytest.mark.parametrize(
    "logs", [{"keep": "some"}, {"bytes": 0}, {"kep": "all"}, "all", Logs(bytes=True)]
)
def test_wrong_logs_of_a_flow_are_refused_where_they_are_written(logs):
    with pytest.raises(FlowError, match="keep is one of failed, all, none"):
        flow(logs=logs)(lambda: None)
