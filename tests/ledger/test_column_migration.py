"""A ledger of version 8: keys and JSON become columns, and nothing recorded changes."""

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from orchestrator.ledger import Ledger
from orchestrator.records import DeployedVersion, ExperimentRun, FileRun, PromotionState, State
from tests.support.old_ledgers import make_old_ledger

TRAINED, STOPPED = "20261128T100126-ed93b3", "20261128T100252-c92af7"
LOOSE, FAILED = "20261128T100342-3deebe", "20261128T100412-59c383"
FOLDER = Path("/projects/aging")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def old(request, tmp_path):
    """The address of a ledger of version 8 with two flow runs of an experiment, two of a file."""
    on_sqlite = request.param == "sqlite"
    address = f"sqlite:///{tmp_path}/ledger.db"
    if not on_sqlite:
        address = request.getfixturevalue("postgres_url")
    make_old_ledger(8, address, FOLDER)
    return address


def rows(address, query, **values):
    engine = create_engine(address.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(query), values)]
    engine.dispose()
    return found


def test_flow_runs_say_what_they_are_of(old):
    with Ledger.open(old) as ledger:
        trained, loose = ledger.flow_runs.get(TRAINED).origin, ledger.flow_runs.get(LOOSE).origin
    assert isinstance(trained, ExperimentRun)
    assert (trained.config, len(trained.snapshot), len(trained.cleared)) == (
        "orchestrator.yaml",
        32,
        2,
    )
    assert trained.settings["experiment"] == "aging"
    assert isinstance(loose, FileRun)
    assert (loose.file, loose.flow, loose.params) == (f"{FOLDER}/adding.py", "adding", {"n": "4"})
    assert (loose.cluster, loose.fresh, loose.rerun_of, loose.choice) == (False, False, None, None)


def test_instances_of_an_experiment_say_whose_they_are(old):
    Ledger.open(old).close()
    found = rows(
        old,
        "SELECT DISTINCT i.customer FROM ledger_instances i JOIN ledger_nodes n ON n.id = i.node"
        " WHERE n.flow_run = :flow_run ORDER BY i.customer",
        flow_run=TRAINED,
    )
    assert set(found) == {("acme",), ("eu/7",), (None,)}
    of_all = rows(
        old,
        "SELECT DISTINCT n.name FROM ledger_instances i JOIN ledger_nodes n ON n.id = i.node"
        " WHERE n.flow_run = :flow_run AND i.customer IS NULL ORDER BY n.name",
        flow_run=TRAINED,
    )
    assert of_all == [("deploy",), ("publish",)]


def test_instances_of_other_flows_have_no_customer(old):
    Ledger.open(old).close()
    found = rows(
        old,
        "SELECT DISTINCT i.customer FROM ledger_instances i JOIN ledger_nodes n ON n.id = i.node"
        " WHERE n.flow_run IN (:loose, :failed)",
        loose=LOOSE,
        failed=FAILED,
    )
    assert found == [(None,)]


def test_results_say_where_they_count(old):
    Ledger.open(old).close()
    found = rows(old, "SELECT fingerprint, scope FROM ledger_results")
    assert {None, STOPPED, FAILED} <= {scope for _, scope in found}
    assert all(name.startswith(f"{scope}:") for name, scope in found if scope)
    assert all(":" not in name for name, scope in found if not scope)


def test_promotions_name_the_trial_they_promote(old):
    Ledger.open(old).close()
    found = rows(
        old,
        "SELECT p.customer, s.customer, s.flow_run FROM ledger_promotions p"
        " JOIN ledger_trials t ON t.run_id = p.trial JOIN ledger_studies s ON s.id = t.study"
        " ORDER BY p.id",
    )
    assert found == [
        ("acme", "acme", TRAINED),
        ("eu/7", "eu/7", TRAINED),
        ("acme", "acme", STOPPED),
    ]


def test_promotions_say_how_far_they_have_come(old):
    with Ledger.open(old) as ledger:
        trained, stopped = ledger.promotions.confirmed(), ledger.promotions.pending()
    assert {c: [each.state for each in chain] for c, chain in trained.items()} == {
        "acme": [PromotionState.DEPLOYED],
        "eu/7": [PromotionState.DEPLOYED],
    }
    [acme], [waiting] = trained["acme"], stopped
    assert acme.deployed == DeployedVersion(model_name="aging.acme", version="1")
    assert acme.model.source.startswith(f"{FOLDER}/artifacts")
    assert len(acme.model.files) > 3
    assert (waiting.state, waiting.model, waiting.deployed) == (
        PromotionState.INTENDED,
        None,
        None,
    )


def test_everything_recorded_is_read_as_before(old):
    with Ledger.open(old) as ledger:
        assert {c: len(ledger.trials.of_customer(c)) for c in ("acme", "eu/7")} == {
            "acme": 6,
            "eu/7": 3,
        }
        assert len(ledger.trials.of_study("eu/7", "tree")) == 2
        champions = ledger.promotions.champions()
        assert {c: each.result.trial.study.model.id for c, each in champions.items()} == {
            "acme": "logistic",
            "eu/7": "logistic",
        }
        [failed] = ledger.flow_runs.instances(FAILED, state=State.FAILED)
        assert failed.key == "2"
        assert ledger.flow_runs.last_unfinished().id == STOPPED


def test_a_customer_leaves_a_migrated_ledger_whole(old):
    with Ledger.open(old) as ledger:
        removed = ledger.forgetting.forget("eu/7", record="record")
        assert removed["instances"] > 4
        assert not ledger.forgetting.knows("eu/7")
        assert ledger.flow_runs.get("record").origin.removed == removed
        assert ledger.promotions.champions().keys() == {"acme"}
    assert rows(old, "SELECT count(*) FROM ledger_instances WHERE key LIKE 'eu%'") == [(0,)]


def test_opened_twice_it_is_migrated_once(old):
    Ledger.open(old).close()
    first = rows(old, "SELECT * FROM ledger_instances ORDER BY node, key")
    Ledger.open(old).close()
    assert rows(old, "SELECT * FROM ledger_instances ORDER BY node, key") == first
