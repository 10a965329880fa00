"""Keys of rows and of concatenated maps, and results that are looked up many at once."""

import pandas as pd
import pytest

from orchestrator.errors import FlowError
from orchestrator.mapping import MemoryRecorder, flow, task


@task(cache="runs")
def count(row):
    return int(row.n)


@task(cache="runs")
def itself(x):
    return x


@task(key="{c}")
def load(c):
    return f"loaded {c}"


@task(key="{c}")
def guess(c):
    return f"guessed {c}"


def keys_of(function, name, **options):
    return [outcome.key for outcome in flow(function).run(**options)[name].items()]


class TestRows:
    @pytest.mark.parametrize(
        ("frame", "expected"),
        [
            (pd.DataFrame({"id": ["u", "v"], "n": [1, 2]}), ["u", "v"]),
            (pd.DataFrame({"n": [1, 2]}, index=["a", "b"]), ["a", "b"]),
            (pd.DataFrame({"n": [1, 2]}), ["0", "1"]),
            (pd.DataFrame({"n": [1, 2]}, index=["a", "a"]), ["0", "1"]),
            (pd.DataFrame({"id": ["u", None], "n": [1, 2]}), ["0", "1"]),
        ],
        ids=["id", "index", "count", "equal index", "missing id"],
    )
    def test_rows_are_named_by_their_id_or_index(self, frame, expected):
        assert keys_of(lambda: count.expand(row=frame), "count") == expected

    def test_equal_rows_are_used_again(self):
        recorder = MemoryRecorder()
        for state in ("success", "cached"):
            frame = pd.DataFrame({"id": ["u", "v"], "n": [1, 2]})
            run = flow(lambda f=frame: count.expand(row=f)).run(ledger=recorder)
            assert run.counts == {state: 2}


class TestConcat:
    def test_maps_over_the_same_keys_are_told_apart_by_their_task(self):
        def built():
            return itself.expand(x=load.expand(c=["x", "y"]).concat(guess.expand(c=["x", "y"])))

        assert keys_of(built, "itself") == ["load/x", "load/y", "guess/x", "guess/y"]

    def test_a_map_beside_itself_is_numbered(self):
        def built():
            loaded = load.expand(c=["x"])
            return itself.expand(x=loaded.concat(loaded))

        assert keys_of(built, "itself") == ["load/x", "load_2/x"]

    def test_a_key_of_its_own_decides(self):
        items = [{"id": 1, "n": "p"}, {"id": 1, "n": "q"}]
        assert keys_of(lambda: itself.options(key="{x[n]}").expand(x=items), "itself") == ["p", "q"]

    def test_equal_ids_without_a_key_are_refused(self):
        with pytest.raises(FlowError, match="two items have the key '1'"):
            flow(lambda: itself.expand(x=[{"id": 1}, {"id": 1}])).build()


class Asked(MemoryRecorder):
    def __init__(self):
        super().__init__()
        self.questions = []

    def recall(self, fingerprints):
        self.questions.append(len(fingerprints))
        return super().recall(fingerprints)


class TestLookingUp:
    def test_results_are_looked_up_many_at_once_in_this_process(self):
        recorder = Asked()
        for state in ("success", "cached"):
            recorder.questions.clear()
            run = flow(lambda: itself.expand(x=range(1_000))).run(ledger=recorder)
            assert run.counts == {state: 1_000}
            assert len(recorder.questions) <= 20
