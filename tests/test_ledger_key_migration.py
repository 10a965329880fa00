"""Keys in ledgers of earlier versions: rewritten where ids have special characters, only there."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from orchestrator import identity
from orchestrator.ledger import Ledger
from tests.ledger_records import result

LEDGERS = Path(__file__).parent / "ledgers"

RUN = "20260101T000000-abcdef"
NODES = {
    1: ("choose", ["acme", "eu/7", "100%"]),
    2: ("evaluate@choose", ["acme/tree", "eu/7/0", "100%/tree", "eu/7/tree@champion"]),
    3: ("attempt@spread@choose", ["acme/tree/3", "eu/7/0/3@2"]),
    4: ("read_version@choose", ["eu/7/data"]),
    5: ("publish", [""]),
}
STUDIES = [("acme", "tree"), ("eu/7", "0"), ("eu/7", "tree@champion"), ("eu", "7")]


def old_row(customer, model, number):
    name = f"{customer}/{model}" if number < 0 else f"{customer}/{model}/{number}"
    return identity.digest("mlflow-run", RUN, name)


@pytest.fixture
def old(tmp_path):
    """A ledger of version 1, with a flow run of customers whose ids have special characters."""
    file = tmp_path / "ledger.db"
    context = {"snapshot": "s", "spread": ["acme/tree", "eu/7/tree"]}
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executescript((LEDGERS / "v1.sqlite.sql").read_text())
        add = connection.execute
        for run, its_context in ((RUN, context), ("other", {})):
            add(
                "INSERT INTO ledger_flow_runs VALUES (?, 'train', 'failed', '{}', 1, 2, '{}', ?)",
                (run, json.dumps(its_context)),
            )
        add("INSERT INTO ledger_nodes VALUES (9, 'other', 'choose')")
        add(
            "INSERT INTO ledger_instances VALUES"
            " (9, 'eu/7', 0, 'success', 1, 1, 2, '', NULL, '', NULL)"
        )
        for number, (name, keys) in NODES.items():
            add("INSERT INTO ledger_nodes VALUES (?, ?, ?)", (number, RUN, name))
            for key in keys:
                add(
                    "INSERT INTO ledger_instances VALUES"
                    " (?, ?, 0, 'success', 1, 1, 2, '', NULL, '', NULL)",
                    (number, key),
                )
        for number, (customer, model) in enumerate(STUDIES):
            key = f"{customer}/{model}"
            model_id = model.removesuffix("@champion")
            add(
                "INSERT INTO ledger_studies VALUES (?, ?, ?, ?, ?, 'auc', 'maximize', '{}')",
                (number, RUN, key, customer, model_id),
            )
            of_trial = 5 if (customer, model) == ("eu", "7") else -1
            add(
                "INSERT INTO ledger_trials VALUES"
                " (?, ?, ?, 'failed', NULL, 0, '{}', '{}', '[]', '[]', 0, '', 1, 2, '', 'E', ?)",
                (
                    number,
                    of_trial,
                    old_row(customer, model, of_trial),
                    3.0 if number == 0 else None,
                ),
            )
    return file


def rows(file, query):
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchall()


def test_the_keys_of_training_runs_tell_their_parts_apart(old):
    Ledger.open(old).close()
    found = rows(
        old,
        "SELECT n.name, i.key FROM ledger_instances i JOIN ledger_nodes n ON n.id = i.node"
        " WHERE n.id < 9 ORDER BY n.id, i.key",
    )
    assert found == [
        *(("choose", key) for key in ("100%25", "acme", "eu%2F7")),
        *(
            ("evaluate@choose", key)
            for key in ("100%25/tree", "acme/tree", "eu%2F7/0", "eu%2F7/tree@champion")
        ),
        *(("attempt@spread@choose", key) for key in ("acme/tree/3", "eu%2F7/0/3@2")),
        ("read_version@choose", "eu%2F7/data"),
        ("publish", ""),
    ]


def test_what_other_flows_named_stays(old):
    Ledger.open(old).close()
    assert rows(old, "SELECT key FROM ledger_instances WHERE node = 9") == [("eu/7",)]


def test_studies_are_known_by_their_new_keys_and_champions_are_marked(old):
    Ledger.open(old).close()
    assert rows(old, "SELECT key, champion FROM ledger_studies ORDER BY id") == [
        ("acme/tree", 0),
        ("eu%2F7/0", 0),
        ("eu%2F7/tree@champion", 1),
        ("eu/7", 0),
    ]


def test_a_run_that_can_be_resumed_knows_its_studies(old):
    with Ledger.open(old) as ledger:
        assert ledger.flow_runs.get(RUN).context["spread"] == ["acme/tree", "eu%2F7/tree"]


def test_run_ids_stay_but_for_a_failed_study_that_had_a_trials_name(old):
    Ledger.open(old).close()
    ids = [run_id for (run_id,) in rows(old, "SELECT run_id FROM ledger_trials ORDER BY study")]
    assert ids == [
        old_row("acme", "tree", -1),
        identity.run_id(RUN, "eu/7", "0"),
        old_row("eu/7", "tree@champion", -1),
        old_row("eu", "7", 5),
    ]


@pytest.mark.parametrize(
    ("customer", "name", "number"),
    [("acme", "tree", 3), ("eu/7", "tree", 3), ("eu", "7", 0), ("acme", "0", -1), ("a/b", "t", -1)],
)
def test_a_trial_becomes_the_same_mlflow_run_as_before(customer, name, number):
    trial = result(customer, name, number=number, of=RUN).trial
    assert trial.run_id == old_row(customer, name, number)


def test_a_failed_study_is_no_longer_the_run_of_a_trial():
    failed = result("eu/7", "0", number=-1, of=RUN).trial
    other = result("eu", "7", number=0, of=RUN).trial
    assert failed.run_id != other.run_id
    assert failed.key != other.key
