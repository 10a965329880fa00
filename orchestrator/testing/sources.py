"""The contract of every registry `Source`; a test class for one inherits `SourceContract`."""

import json
from collections.abc import Callable

import pytest

from orchestrator.errors import RegistryError
from orchestrator.estimators import Estimators
from orchestrator.records import Snapshot
from orchestrator.registry.snapshots import fetch
from orchestrator.registry.sources import InlineSource, Source

HIDDEN = "s3cret"

MODELS = [
    {
        "id": "logreg",
        "pipeline": [
            "sklearn.preprocessing:StandardScaler",
            {"name": "clf", "estimator": "sklearn.linear_model:LogisticRegression"},
        ],
        "params": {"clf__max_iter": 200},
        "grid": {"clf__C": [0.1, 1.0], "clf__class_weight": [None, "balanced"]},
        "when": {"tags": ["large", "domestic"], "min_rows": 100},
    },
    {
        "id": "tree",
        "estimator": "sklearn.tree:DecisionTreeClassifier",
        "grid": [{"max_depth": [None, 3]}, {"min_samples_leaf": [5]}],
        "cost": 2.5,
    },
]

HOSTILE_IDS = [
    " leading",
    "trailing ",
    "a/b:c@d.e%f'g\"h",
    "🦊 fox",
    "שלום",
    "../../etc/passwd",
    "'; DROP TABLE customers; --",
    "with, comma; and semicolon",
    "x" * 250,
    "00123",
    "1e3",
    "true",
    "null",
    "AA",
    "aa",
]

CUSTOMERS = [
    {
        "id": "AA-DFW",
        "data": "flights/AA-DFW.parquet",
        "segment": "hub",
        "tags": ["large", "domestic"],
        "grids": {"logreg": {"clf__C": [0.5]}, "left-the-list": {"depth": [1]}},
    },
    {"id": "HA-HNL", "data": {"carrier": "HA", "years": [2012, 2013]}, "active": False},
    *({"id": hostile} for hostile in HOSTILE_IDS),
]


def snapshot(source: Source) -> Snapshot:
    return fetch(source, estimators=Estimators(("sklearn",)))


def as_text(row: dict[str, object]) -> dict[str, str | None]:
    """Return the row as a source holds it that supports only text."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in row.items()
        if value is not None
    }


def columns(rows: list[dict[str, object]]) -> list[str]:
    return sorted({name for row in rows for name in row} | {"id"})


class SourceContract:
    """The contract of a registry source.

    A subclass defines two fixtures: `place(models, customers)`, a function that writes the rows to
    the place that the source reads and returns the opened source, with `HIDDEN` among its settings
    if it takes any; and `missing`, a source whose place does not exist.
    """

    def test_rows_mean_what_they_mean_inline(self, place: Callable[..., Source]):
        found = snapshot(place(MODELS, CUSTOMERS))
        wanted = snapshot(InlineSource(models=MODELS, customers=CUSTOMERS))
        assert found.models == wanted.models
        assert found.customers == wanted.customers
        assert found.rejected == ()

    def test_a_snapshots_id_does_not_depend_on_the_order_of_rows(self, place):
        backwards = place(MODELS[::-1], CUSTOMERS[::-1])
        wanted = snapshot(InlineSource(models=MODELS, customers=CUSTOMERS))
        assert snapshot(backwards).id == wanted.id

    def test_reading_twice_gives_the_same(self, place):
        source = place(MODELS, CUSTOMERS)
        assert snapshot(source).id == snapshot(source).id

    def test_a_bad_customer_is_set_aside_and_the_others_go_on(self, place):
        bad = [{"id": "x" * 251}, {"id": "typo", "grids": {"tree": {"max_dpeth": [1]}}}]
        found = snapshot(place(MODELS, [*CUSTOMERS, *bad]))
        assert len(found.customers) == len(CUSTOMERS)
        reasons = {rejected.id: rejected.reason for rejected in found.rejected}
        assert "251 characters" in reasons[None]
        assert "did you mean 'max_depth'?" in reasons["typo"]

    def test_an_empty_list_fails_closed(self, place):
        with pytest.raises(RegistryError, match="list of customers is empty"):
            snapshot(place(MODELS, []))

    def test_a_place_that_does_not_exist_is_an_error_that_names_it(self, missing: Source):
        with pytest.raises(RegistryError) as error:
            snapshot(missing)
        assert "missing" in str(error.value)

    def test_no_secret_is_shown(self, place, missing):
        source = place(MODELS, CUSTOMERS)
        with pytest.raises(RegistryError) as error:
            snapshot(missing)
        shown = [source.description, repr(source), missing.description, repr(missing)]
        assert HIDDEN not in "".join([*shown, str(error.value)])
        assert HIDDEN not in snapshot(source).source
