"""Keys in ledgers of earlier versions: rewritten where ids have special characters, only there."""

import json
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from orchestrator import identity
from orchestrator.ledger import Ledger
from tests.support.ledger_records import result

LEDGERS = Path(__file__).parents[1] / "ledgers"

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


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def old(request, tmp_path):
    """A ledger of version 1, with a flow run of customers whose ids have special characters."""
    on_sqlite = request.param == "sqlite"
    address = f"sqlite:///{tmp_path}/ledger.db"
    if not on_sqlite:
        address = request.getfixturevalue("postgres_url")
    schema = (LEDGERS / f"v1.{request.param}.sql").read_text()
    context = {"snapshot": "s", "spread": ["acme/tree", "eu/7/tree"]}
    with writing(address) as connection:
        for statement in schema.split(";\n"):
            connection.execute(text(statement))
        for run, its_context in ((RUN, context), ("other", {})):
            insert(
                connection,
                "ledger_flow_runs",
                run, "train", "failed", "{}", 1, 2, "{}", json.dumps(its_context),
            )  # fmt: skip
        insert(connection, "ledger_nodes", 9, "other", "choose")
        insert_instance(connection, 9, "eu/7")
        for number, (name, keys) in NODES.items():
            insert(connection, "ledger_nodes", number, RUN, name)
            for key in keys:
                insert_instance(connection, number, key)
        for number, (customer, model) in enumerate(STUDIES):
            insert_study(connection, number, customer, model)
    return address


def insert_instance(connection, node, key):
    insert(
        connection, "ledger_instances", node, key, 0, "success", 1, 1, 2, "", None, "", None
    )  # fmt: skip


def insert_study(connection, number, customer, model):
    """Insert a study with one failed trial; only the first one's is sent."""
    of_trial = 5 if (customer, model) == ("eu", "7") else -1
    sent = 3.0 if number == 0 else None
    row = old_row(customer, model, of_trial)
    insert(
        connection,
        "ledger_studies",
        number, RUN, f"{customer}/{model}", customer, model.removesuffix("@champion"),
        "auc", "maximize", "{}",
    )  # fmt: skip
    insert(
        connection,
        "ledger_trials",
        number, of_trial, row, "failed", None, 0, "{}", "{}", "[]", "[]", 0, "", 1, 2, "", "E",
        sent,
    )  # fmt: skip


def insert(connection, table, *values):
    names = [f"v{index}" for index in range(len(values))]
    connection.execute(
        text(f"INSERT INTO {table} VALUES (:{', :'.join(names)})"),  # noqa: S608 - of this file
        dict(zip(names, values, strict=True)),
    )


@contextmanager
def writing(address):
    engine = create_engine(address.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def rows(address, query):
    with writing(address) as connection:
        return [tuple(row) for row in connection.execute(text(query))]


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
        assert ledger.flow_runs.get(RUN).origin.spread == (("acme", "tree"), ("eu/7", "tree"))


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
