"""Snapshots: stored once, every fetch noted, read again as they were."""

import dataclasses

import pytest

from orchestrator.errors import UsageError
from orchestrator.ledger import Fetch
from orchestrator.records import Customer
from tests.support.ledger_records import model, snapshot


def stored(ledger):
    with ledger._database.read() as connection:
        query = "SELECT count(*) FROM ledger_snapshots"
        return connection.exec_driver_sql(query).scalar_one()


def test_there_is_no_latest_before_the_first(ledger):
    assert ledger.snapshots.latest() is None
    assert ledger.snapshots.list() == []


def test_a_snapshot_comes_back_as_it_was(ledger):
    rich = Customer(
        id="acme/🛫",
        data={"path": "s3://bucket/a", "rows": 12, "ratio": 0.5, "flags": [True, None]},
        tags=("eu", "big"),
        grids={"tree": ({"max_depth": (1, None), "C": (float("inf"), 1.0)},)},
    )
    taken = snapshot(rich, "b", models=[model(grid=({"C": (1, 0.1)},), cost=2.5)], bad=["c"])
    ledger.snapshots.save(taken)
    assert ledger.snapshots.get(taken.id) == taken
    assert ledger.snapshots.latest() == taken


def test_equal_content_is_stored_once_and_each_fetch_is_noted(ledger):
    ledger.snapshots.save(snapshot("a", at=1.0, name="same"))
    ledger.snapshots.save(snapshot("a", at=2.0, name="same", bad=["b"]))
    assert stored(ledger) == 1
    assert ledger.snapshots.list() == [
        Fetch(
            snapshot="same",
            source="registry.yaml",
            etag="",
            at=at,
            models=0,
            customers=1,
            rejected=bad,
        )
        for at, bad in [(2.0, 1), (1.0, 0)]
    ]


def test_a_snapshot_is_read_as_last_fetched(ledger):
    ledger.snapshots.save(snapshot("a", at=1.0, name="same", bad=["b"]))
    ledger.snapshots.save(snapshot("z", at=2.0, name="other"))
    again = snapshot("a", at=3.0, name="same")
    ledger.snapshots.save(again)
    assert ledger.snapshots.get("same") == again
    assert ledger.snapshots.latest() == again


def test_the_list_ends_at_its_limit(ledger):
    for second in range(5):
        ledger.snapshots.save(snapshot("a", at=float(second)))
    assert [fetch.at for fetch in ledger.snapshots.list(limit=2)] == [4.0, 3.0]


def test_a_beginning_of_an_id_is_enough_if_no_other_shares_it(ledger):
    for name in ("abc1", "abd2", "abd"):
        ledger.snapshots.save(dataclasses.replace(snapshot("x"), id=name))
    assert ledger.snapshots.get("abc").id == "abc1"
    assert ledger.snapshots.get("abd").id == "abd", "an id itself is never ambiguous"
    with pytest.raises(UsageError, match="several snapshots begin with 'ab'"):
        ledger.snapshots.get("ab")
    with pytest.raises(UsageError, match="no snapshot has an id that begins with 'zz'"):
        ledger.snapshots.get("zz")
