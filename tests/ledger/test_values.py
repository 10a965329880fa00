"""Values of instances: which are kept for reuse, which are not, and none that does harm."""

import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pytest

from orchestrator.ledger import Ledger
from tests.support.ledger_records import flow_run, instance, result

QUARTER_MEGABYTE = 256 * 1024


@pytest.fixture
def recorder(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        recorder = ledger.recorder()
        recorder.begin(flow_run())
        yield recorder


def recalled(recorder, value):
    """What comes back of a value recorded under the fingerprint `f`; a missing one raises."""
    recorder.record([instance(fingerprint="f", value=value)])
    return recorder.recall(["f"])["f"]


class Unwilling:
    """Cannot be pickled, in a way no library foresees."""

    def __reduce__(self):
        raise SystemError("no")


class Forgetful:
    """Can be pickled, but not brought back."""

    def __reduce__(self):
        return int, ("no number",)


def test_records_and_arrays_come_back(recorder):
    assert recalled(recorder, [result()]) == [result()]
    assert recalled(recorder, np.arange(3)).tolist() == [0, 1, 2]


def test_a_closure_comes_back(recorder):
    offset = 2
    assert recalled(recorder, lambda x: x + offset)(1) == 3


def noise(n):
    """Bytes that cannot be compressed."""
    return np.random.default_rng(0).bytes(n)


KINDS = [noise, lambda n: np.frombuffer(noise(n), dtype=np.uint8), lambda n: [noise(n)]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_too_large_is_not_kept(recorder, kind):
    with pytest.raises(KeyError):
        recalled(recorder, kind(QUARTER_MEGABYTE + 64))


@pytest.mark.parametrize("kind", [bytes, np.zeros, lambda n: "x" * n])
def test_a_large_value_is_kept_if_it_can_be_compressed_but_not_however_large(recorder, kind):
    value = kind(QUARTER_MEGABYTE + 1)
    assert list(recalled(recorder, value)) == list(value)
    recorder.record([instance(fingerprint="huge", value=kind(20 * QUARTER_MEGABYTE))])
    assert recorder.recall(["huge"]) == {}


def test_thousands_of_trials_come_back(recorder):
    many = tuple(
        replace(result(), trial=replace(result().trial, number=n, params={"C": n / 7}))
        for n in range(2_000)
    )
    assert recalled(recorder, many) == many


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_of_some_size_is_kept(recorder, kind):
    value = kind(QUARTER_MEGABYTE // 16)
    assert list(recalled(recorder, value)) == list(value)


@pytest.mark.parametrize("value", [Unwilling(), Forgetful()])
def test_a_value_that_cannot_be_kept_or_brought_back_is_made_again(recorder, value):
    with pytest.raises(KeyError):
        recalled(recorder, value)


def test_a_class_of_a_script_comes_back_in_another_process(tmp_path):
    """By value, as cloudpickle does: the other process has another `__main__`."""
    program = textwrap.dedent(
        """
        import sys
        from dataclasses import dataclass
        from orchestrator.ledger import Ledger
        from orchestrator.records import FlowRun, InstanceRecord, State

        @dataclass
        class Point:
            x: int

        with Ledger.open(sys.argv[1]) as ledger:
            recorder = ledger.recorder()
            recorder.begin(FlowRun(id="r", flow="f"))
            recorder.record([InstanceRecord(flow_run="r", node="n", key="k", index=0,
                                            state=State.SUCCESS, fingerprint="f", value=Point(7))])
        """
    )
    subprocess.run([sys.executable, "-c", program, tmp_path / "ledger.db"], check=True, timeout=60)
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        assert ledger.recorder().recall(["f"])["f"].x == 7
