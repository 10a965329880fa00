"""A list put into the SQL registry reads as the same snapshot, and says what it changed."""

import pytest
import sqlalchemy

from orchestrator.errors import RegistryError
from orchestrator.estimators import Estimators
from orchestrator.registry.importing import import_rows
from orchestrator.registry.snapshots import fetch
from orchestrator.registry.sources import InlineSource
from orchestrator.registry.sql import SqlSource
from orchestrator.testing.sources import CUSTOMERS, MODELS, snapshot


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request, tmp_path):
    if request.param == "postgres":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path}/new folder/registry.db"


def lists(models=MODELS, customers=CUSTOMERS):
    return snapshot(InlineSource(models=models, customers=customers))


def put(url, wanted):
    return import_rows(url, wanted.models, wanted.customers)


def read(url):
    return fetch(SqlSource(url=url), estimators=Estimators(("sklearn",)))


def test_what_was_imported_reads_as_the_same_snapshot(url):
    wanted = lists()
    models, customers = put(url, wanted)
    assert read(url).id == wanted.id
    assert (len(models.added), len(customers.added)) == (len(MODELS), len(CUSTOMERS))


def test_importing_again_changes_nothing(url):
    put(url, lists())
    for changes in put(url, lists()):
        assert (changes.added, changes.changed, changes.removed) == ((), (), ())
        assert changes.unchanged > 0


def test_an_import_adds_changes_and_removes(url):
    put(url, lists())
    changed = [{**MODELS[0], "cost": 9}, {**MODELS[1], "id": "new"}]
    wanted = lists(models=changed, customers=CUSTOMERS[1:])
    models, customers = put(url, wanted)
    assert (models.added, models.changed, models.removed) == (("new",), ("logreg",), ("tree",))
    assert customers.removed == ("AA-DFW",)
    assert read(url).id == wanted.id


def test_tables_of_another_make_are_refused_and_left_alone(url):
    put(url, lists())
    engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE customers RENAME COLUMN segment TO part")
    with pytest.raises(RegistryError, match="cannot be written"):
        put(url, lists(models=MODELS[:1]))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM models").scalar() == len(MODELS)
    engine.dispose()
