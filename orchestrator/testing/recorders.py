"""The contract of every `Recorder`; a test class for one inherits `RecorderContract`."""

import threading
from collections.abc import Iterable

import pytest

from orchestrator.mapping.driver.recorder import Recorder
from orchestrator.records import FlowRun, InstanceRecord, State


def flow_run(run_id="run-1", *, flow="train", started=100.0, ended=None, **fields) -> FlowRun:
    """Return a flow run of `train`."""
    return FlowRun(id=run_id, flow=flow, started=started, ended=ended, **fields)


def instance(key="a", *, of="run-1", node="add", state=State.SUCCESS, **fields) -> InstanceRecord:
    """Return the record of an ended instance of the node `add`."""
    return InstanceRecord(
        **{"flow_run": of, "node": node, "key": key, "index": 0, "state": state} | fields
    )


def ran(recorder: Recorder, run_id: str, keys: Iterable[str], *, at: float) -> None:
    """Record one ended flow run of `train` whose node `add` had these keys."""
    recorder.begin(flow_run(run_id, started=at))
    recorder.record([instance(key, of=run_id) for key in keys])
    recorder.finish(flow_run(run_id, started=at, ended=at + 1, state="success"))


class RecorderContract:
    """The contract of a recorder.

    A subclass defines a fixture `recorder`: an empty recorder.
    """

    @pytest.fixture
    def begun(self, recorder):
        recorder.begin(flow_run())
        return recorder

    @pytest.mark.parametrize("value", [0, None, "", [], False, {"x": (1, 2)}, float("inf"), b"\0"])
    def test_a_recorded_success_is_recalled_by_its_fingerprint(self, begun, value):
        begun.record([instance(fingerprint="f", value=value)])
        assert begun.recall(["f", "unknown"]) == {"f": value}

    def test_it_is_recalled_in_a_later_flow_run(self, begun):
        begun.record([instance(fingerprint="f", value=7)])
        begun.finish(flow_run(ended=101.0, state="success"))
        begun.begin(flow_run("run-2", started=200.0))
        assert begun.recall(["f"]) == {"f": 7}

    @pytest.mark.parametrize("state", [s for s in State if s is not State.SUCCESS])
    def test_only_a_success_is_recalled(self, begun, state):
        begun.record([instance(state=state, fingerprint="f", value=1)])
        assert begun.recall(["f"]) == {}

    def test_without_a_fingerprint_nothing_is_recalled(self, begun):
        begun.record([instance(value=1)])
        assert begun.recall(["f"]) == {}

    def test_an_empty_recorder_recalls_nothing(self, recorder):
        assert recorder.recall(["f"]) == {}
        assert recorder.recall([]) == {}

    def test_the_later_record_of_an_instance_wins(self, begun):
        begun.record([instance(fingerprint="f", value=1)])
        begun.record([instance(fingerprint="f", value=2)])
        assert begun.recall(["f"]) == {"f": 2}

    def test_a_removed_instance_is_no_last_key(self, begun):
        begun.record([instance("a"), instance("b")])
        begun.record([instance("b", state=State.REMOVED)])
        begun.finish(flow_run(ended=101.0, state="success"))
        assert begun.last_keys("train", "add") == {"a"}

    def test_many_are_recalled_at_once(self, begun):
        begun.record([instance(str(n), fingerprint=f"f{n}", value=n) for n in range(12_000)])
        wanted = [f"f{n}" for n in range(1, 20_000)]
        assert begun.recall(wanted) == {f"f{n}": n for n in range(1, 12_000)}

    def test_a_value_that_cannot_be_pickled_does_no_harm(self, begun):
        begun.record([instance("a", fingerprint="f", value=threading.Lock())])
        begun.record([instance("b", fingerprint="g", value=1)])
        assert begun.recall(["g"]) == {"g": 1}

    @pytest.mark.parametrize("text", ["a\0b", "\udc80", "🛫 م", "' OR 1=1 --", "../" * 100])
    def test_any_text_is_recorded(self, begun, text):
        begun.record([instance(text, arguments=text, error=text, state=State.FAILED)])
        begun.finish(flow_run(ended=101.0, state="failed", params={"x": text}))

    def test_recording_nothing_is_fine(self, begun):
        begun.record([])

    def test_last_keys_are_those_of_the_last_ended_flow_run(self, recorder):
        ran(recorder, "run-1", "abc", at=100.0)
        ran(recorder, "run-2", "bcd", at=200.0)
        recorder.begin(flow_run("run-3", started=300.0))
        recorder.record([instance("z", of="run-3")])
        assert recorder.last_keys("train", "add") == {"b", "c", "d"}

    def test_last_keys_of_another_flow_or_node_are_none(self, recorder):
        ran(recorder, "run-1", "abc", at=100.0)
        assert recorder.last_keys("other", "add") == frozenset()
        assert recorder.last_keys("train", "other") == frozenset()

    def test_a_resumed_flow_run_keeps_what_it_had_recorded(self, begun):
        begun.record([instance("a", fingerprint="f", value=1)])
        begun.begin(flow_run())
        begun.record([instance("b")])
        begun.finish(flow_run(ended=101.0, state="success"))
        assert begun.last_keys("train", "add") == {"a", "b"}
        assert begun.recall(["f"]) == {"f": 1}
