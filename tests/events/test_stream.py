"""The stream of events: observers get everything in order, and none of them harms the sender."""

import logging
import re
import threading
from pathlib import Path

import pytest

from orchestrator.events import FlowRunBegan, FlowRunEnded, GuardRefused, Stream, observing

BEGAN = FlowRunBegan(experiment="flights", flow_run="f1", resumed=False)
REFUSED = GuardRefused(experiment="flights", guard="emptied", reason="the list is empty")
ENDED = FlowRunEnded(
    experiment="flights", flow_run="f1", state="success", counts={"success": 2}, seconds=1.0
)


def test_every_observer_gets_every_record_in_order():
    first, second = [], []
    with observing([first.append, second.append]) as stream:
        for event in (BEGAN, REFUSED, ENDED):
            stream.emit(event)
    assert first == second == [BEGAN, REFUSED, ENDED]


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_an_observer_that_raises_is_reported_once_and_others_continue(error, caplog):
    got, calls = [], []

    def failing(event):
        calls.append(event)
        raise error("no network")

    with caplog.at_level(logging.WARNING), observing([failing, got.append]) as stream:
        for _ in range(3):
            stream.emit(BEGAN)
    assert got == [BEGAN] * 3
    assert calls == [BEGAN]
    assert len(caplog.records) == 1
    assert re.search("observer failing raised .*no network.*nothing more", caplog.text)


def test_an_observer_that_hangs_holds_nobody_up_and_is_reported_once(caplog):
    free = threading.Event()
    got = []
    stream = Stream(
        [("hanging", lambda _: free.wait(60)), ("quick", got.append)],
        most_waiting=2,
        last_seconds=0.1,
    )
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            stream.emit(BEGAN)
        for _ in range(3):
            stream._desks[0].take(BEGAN)
        stream.close()
    free.set()
    assert got == [BEGAN] * 2
    assert len(caplog.records) == 1
    assert re.search("observer hanging .*nothing more", caplog.text)


def test_without_observers_no_thread_is_started():
    before = threading.active_count()
    with observing() as stream:
        stream.emit(BEGAN)
        assert threading.active_count() == before


def test_an_installed_observer_is_used_and_one_that_cannot_be_loaded_is_reported(
    tmp_path, monkeypatch, caplog
):
    (tmp_path / "observers_of_ours.py").write_text(
        "from pathlib import Path\n"
        "def notify(event):\n"
        f"    Path({str(tmp_path / 'seen')!r}).write_text(type(event).__name__)\n"
    )
    info = tmp_path / "ours-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[orchestrator.observers]\nnotify = observers_of_ours:notify\n"
        "broken = observers_of_ours:gone\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with observing() as stream:
        stream.emit(ENDED)
    assert (tmp_path / "seen").read_text() == "FlowRunEnded"
    assert "the observer 'broken' (observers_of_ours:gone) cannot be loaded" in caplog.text


def test_the_hook_of_the_documentation_notes_what_happens(tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "observers.md").read_text()
    names: dict[str, object] = {}
    exec(re.search(r"```python\n(.*?)```", page, re.DOTALL)[1], names)  # noqa: S102 - our own page
    monkeypatch.chdir(tmp_path)
    with observing([names["notify"]]) as stream:
        stream.emit(BEGAN)
        stream.emit(ENDED)
    assert (tmp_path / "notifications.txt").read_text() == f"{ENDED}\n"
