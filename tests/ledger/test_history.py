"""The lives of customers and models: periods, tombstones, and what differs from a snapshot."""

import dataclasses
import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.ledger import Changes, Difference, FieldChange, Ledger
from orchestrator.records import Customer, Rejected, Step
from tests.support.ledger_records import model, snapshot

PAUSED = Customer(id="acme", active=False)
MOVED = Customer(id="acme", data="s3://elsewhere")


def lived(ledger, *snapshots):
    """Apply snapshots one second apart; what the last one changed in the customers."""
    for second, each in enumerate(snapshots):
        changes = ledger.lives.apply(dataclasses.replace(each, fetched=100.0 + second))
    return changes.customers


def events(ledger, key="acme", kind="customer"):
    return [period.event for period in ledger.lives.history(kind, key)]


def live_keys(ledger, at=1e12):
    return {period.key for period in ledger.lives.live_at(at)}


def test_a_first_snapshot_adds_everything(ledger):
    changes = ledger.lives.apply(snapshot("a", "b", models=[model("tree")]))
    assert changes == Changes(
        customers=Difference(added=("a", "b")), models=Difference(added=("tree",))
    )


def test_the_same_snapshot_again_changes_and_writes_nothing(ledger):
    lived(ledger, snapshot("acme"))
    assert lived(ledger, snapshot("acme")) == Difference(unchanged=("acme",))
    assert events(ledger) == ["added"]


def test_a_changed_field_is_told_with_old_and_new(ledger):
    assert lived(ledger, snapshot("acme"), snapshot(MOVED)) == Difference(
        changed=(FieldChange(key="acme", field="data", old=None, new="s3://elsewhere"),)
    )
    assert events(ledger) == ["added", "changed"]


def test_a_changed_grid_of_a_model_is_told(ledger):
    ledger.lives.apply(snapshot(models=[model(grid=({"C": (1, 2)},))]))
    changes = ledger.lives.apply(snapshot(models=[model(grid=({"C": (1, 2, 3)},))], at=2.0))
    assert changes.models.changed == (
        FieldChange(key="tree", field="grid", old=[{"C": [1, 2]}], new=[{"C": [1, 2, 3]}]),
    )


def test_a_number_of_another_type_is_a_change_and_nan_is_none(ledger):
    odd = {"C": float("nan")}
    ledger.lives.apply(snapshot(models=[model(cost=1, params=odd)]))
    changes = ledger.lives.apply(snapshot(models=[model(cost=1.0, params=odd)], at=2.0))
    assert [change.field for change in changes.models.changed] == ["cost"]


def test_the_order_of_rows_and_of_keys_is_no_change(ledger):
    one, other = model(params={"a": 1, "b": 2}), model(params={"b": 2, "a": 1})
    ledger.lives.apply(snapshot("a", "b", models=[one]))
    changes = ledger.lives.apply(snapshot("b", "a", models=[other], at=2.0))
    assert set(changes.customers.unchanged) == {"a", "b"}
    assert changes.models.unchanged == ("tree",)


def test_pausing_and_resuming_are_no_removal(ledger):
    assert lived(ledger, snapshot("acme"), snapshot(PAUSED)) == Difference(paused=("acme",))
    assert live_keys(ledger) == {"acme"}
    assert lived(ledger, snapshot("acme")) == Difference(resumed=("acme",))
    assert events(ledger) == ["added", "paused", "resumed"]


def test_who_is_paused_and_changed_at_once_is_told_as_both(ledger):
    moved_and_paused = dataclasses.replace(MOVED, active=False)
    difference = lived(ledger, snapshot("acme"), snapshot(moved_and_paused))
    assert difference.paused == ("acme",)
    assert [change.field for change in difference.changed] == ["data"]


def test_a_removal_ends_the_life_and_keeps_the_row(ledger):
    assert lived(ledger, snapshot(MOVED), snapshot()) == Difference(removed=("acme",))
    life = ledger.lives.history("customer", "acme")
    assert [(p.event, p.state, p.start, p.end) for p in life] == [
        ("added", "active", 100.0, 101.0),
        ("removed", "removed", 101.0, None),
    ]
    assert life[-1].row == MOVED


def test_removing_twice_makes_one_tombstone(ledger):
    assert lived(ledger, snapshot("acme"), snapshot(), snapshot("b")) == Difference(added=("b",))
    assert events(ledger) == ["added", "removed"]


def test_restoring_opens_a_new_period_and_finds_the_old_history(ledger):
    difference = lived(ledger, snapshot("acme"), snapshot(), snapshot(MOVED))
    assert difference.restored == ("acme",)
    assert [change.field for change in difference.changed] == ["data"]
    assert events(ledger) == ["added", "removed", "restored"]


def test_a_row_set_aside_as_bad_is_not_removed(ledger):
    difference = lived(ledger, snapshot(MOVED, "b"), snapshot("b", bad=["acme"]))
    assert difference == Difference(unchanged=("b",), kept=("acme",))
    assert ledger.lives.history("customer", "acme")[-1].row == MOVED


def test_a_bad_row_never_seen_before_or_removed_stays_away(ledger):
    difference = lived(ledger, snapshot("acme"), snapshot(), snapshot(bad=["acme", "new"]))
    assert difference == Difference()
    assert live_keys(ledger) == set()


def test_a_bad_model_does_not_keep_a_customer_of_the_same_name(ledger):
    bad_model = Rejected(kind="model", row=1, id="acme", reason="no estimator")
    gone = dataclasses.replace(snapshot(), rejected=(bad_model,))
    assert lived(ledger, snapshot("acme"), gone).removed == ("acme",)


def test_a_preview_tells_the_same_and_writes_nothing(ledger):
    lived(ledger, snapshot("a", "b"))
    following = snapshot("b", "c", at=200.0)
    previewed = ledger.lives.preview(following)
    assert live_keys(ledger) == {"a", "b"}
    assert ledger.lives.apply(following) == previewed


def test_who_is_live_now_does_not_depend_on_the_clock(ledger):
    ledger.lives.apply(snapshot("acme", at=2e12))  # a clock that was ahead and was corrected
    assert [period.key for period in ledger.lives.live()] == ["acme"]


def test_who_was_live_at_a_moment(ledger):
    lived(ledger, snapshot("a"), snapshot("a", "b"), snapshot("b"))
    at = {t: live_keys(ledger, t) for t in (99.0, 100.0, 101.5, 102.0)}
    assert at == {99.0: set(), 100.0: {"a"}, 101.5: {"a", "b"}, 102.0: {"b"}}


def test_a_clock_set_back_makes_no_period_end_before_it_began(ledger):
    ledger.lives.apply(snapshot("acme", at=1000.0))
    ledger.lives.apply(snapshot(at=500.0))
    first, tombstone = ledger.lives.history("customer", "acme")
    assert first.end == tombstone.start == 1000.0


def test_a_life_never_lived_is_empty(ledger):
    assert ledger.lives.history("customer", "nobody") == []


@pytest.mark.parametrize("key", ["a/b:c@d", "' OR 1=1 --", "🛫", "مرحبا", "x" * 300, "../.."])
def test_any_id_has_a_life(ledger, key):
    lived(ledger, snapshot(key), snapshot())
    assert events(ledger, key) == ["added", "removed"]


def test_infinite_numbers_come_back_as_they_were(ledger):
    spec = model(grid=({"max_leaf": (float("inf"), 1e300, None, "auto", 2**60)},))
    ledger.lives.apply(snapshot(models=[spec]))
    assert ledger.lives.history("model", "tree")[0].row == spec


def test_ten_thousand_customers_are_compared_in_seconds(tmp_path):
    many = [Customer(id=f"c{n}", data={"path": f"s3://b/{n}"}, tags=("t",)) for n in range(10_000)]
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.lives.apply(snapshot(*many))
        began = time.process_time()
        changes = ledger.lives.apply(snapshot(*many[100:], "new", at=2.0))
        assert time.process_time() - began < 4.0, "CPU: how busy the machine is does not count"
    assert len(changes.customers.removed) == 100
    assert len(changes.customers.unchanged) == 9_900


CUSTOMERS = st.dictionaries(
    st.sampled_from("abcd"), st.tuples(st.booleans(), st.integers(0, 1)), max_size=4
)
BAD = st.sets(st.sampled_from("abcd"), max_size=2)


@given(steps=st.lists(st.tuples(CUSTOMERS, BAD, st.integers(-2, 5)), min_size=1, max_size=8))
@settings(max_examples=60, deadline=None)
def test_any_sequence_of_snapshots_makes_sound_lives(tmp_path_factory, steps):
    """Against a model of two dicts: who is live, and who has a tombstone."""
    live, tombstones, clock = {}, dict.fromkeys("abcd", 0), 100.0
    with Ledger.open(tmp_path_factory.mktemp("lives") / "ledger.db") as ledger:
        for number, (listed, set_aside, seconds) in enumerate(steps):
            bad = set_aside - listed.keys()
            clock += seconds
            rows = [Customer(id=k, active=a, data=d) for k, (a, d) in listed.items()]
            taken = snapshot(*rows, bad=bad, at=clock, name=str(number))
            assert ledger.lives.preview(taken) == ledger.lives.apply(taken)

            kept = {key: row for key, row in live.items() if key in bad}
            for key in live.keys() - listed.keys() - bad:
                tombstones[key] += 1
            live = kept | {row.id: row for row in rows}
            assert {p.key: p.row for p in ledger.lives.live_at(1e12)} == live
        for key, expected in tombstones.items():
            life = ledger.lives.history("customer", key)
            assert [p.state for p in life].count("removed") == expected
            assert_sound(life)


def assert_sound(life):
    """Each period ends when the next begins, the last is open, and each differs from the next."""
    for period, following in itertools.pairwise(life):
        assert period.start <= period.end == following.start
        assert (period.state, period.row) != (following.state, following.row)
    assert all(period.end is None for period in life[-1:])


def test_a_pipeline_comes_back_with_its_steps(ledger):
    steps = (Step(name="scale", estimator="pkg:Scaler"), Step(name="fit", estimator="pkg:Tree"))
    spec = dataclasses.replace(model(), steps=steps)
    ledger.lives.apply(snapshot(models=[spec]))
    assert ledger.lives.history("model", "tree")[0].row == spec
