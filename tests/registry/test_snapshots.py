"""Rows made records and a snapshot; bad models stop everything, bad customers are set aside."""

import math
import random
from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import ConfigError, RegistryError
from orchestrator.estimators import Estimators
from orchestrator.ledger import Ledger
from orchestrator.records import Selector, Step
from orchestrator.registry.snapshots import fetch
from orchestrator.registry.sources import InlineSource, Listing
from orchestrator.testing.sources import CUSTOMERS, HOSTILE_IDS, MODELS
from tests.support.rows import PLAIN_TREE as TREE

PIPELINE = ["sklearn.preprocessing:StandardScaler", "sklearn.linear_model:LogisticRegression"]


def fetched(models=(TREE,), customers=({"id": "AA"},)):
    source = InlineSource(models=list(models), customers=list(customers))
    return fetch(source, estimators=Estimators(("sklearn",)))


def model_of(**row):
    return fetched(models=[{**TREE, **row}]).models[0]


def customer_of(**row):
    return fetched(customers=[{"id": "AA", **row}]).customers[0]


def rejection(row):
    rejected = fetched(customers=[{"id": "good"}, row]).rejected
    assert len(rejected) == 1
    assert rejected[0].row == 1
    return rejected[0]


def pipeline_of(*steps, **row):
    return {"id": "m", "pipeline": list(steps), **row}


def test_steps_are_named_as_make_pipeline_names_them():
    scaler, logreg = PIPELINE
    steps = fetched(models=[pipeline_of(scaler, scaler, logreg)]).models[0].steps
    assert [step.name for step in steps] == [
        "standardscaler-1",
        "standardscaler-2",
        "logisticregression",
    ]


def test_a_single_estimator_is_a_pipeline_of_one():
    assert model_of().steps == (
        Step(name="decisiontreeclassifier", estimator="sklearn.tree:DecisionTreeClassifier"),
    )


def test_a_grid_may_be_a_list_of_grids():
    grid = [{"max_depth": [1, None]}, {}, {"min_samples_leaf": [5], "criterion": ["gini"]}]
    assert model_of(grid=grid).grid == (
        {"max_depth": (1, None)},
        {"criterion": ("gini",), "min_samples_leaf": (5,)},
    )


def test_cells_may_be_text_in_sources_that_know_only_text():
    model = model_of(grid='{"max_depth": [1]}', params='{"criterion": "gini"}', cost="2.5",
                     when='{"tags": ["b", "a"], "min_rows": 9}')  # fmt: skip
    assert model.grid == ({"max_depth": (1,)},)
    assert model.params == {"criterion": "gini"}
    assert model.cost == 2.5
    assert model.when == Selector(tags=("a", "b"), min_rows=9)
    customer = customer_of(tags=" b; a ;;", active="false", grids='{"tree": {"max_depth": [1]}}')
    assert customer.tags == ("a", "b")
    assert not customer.active
    assert customer.grids == {"tree": ({"max_depth": (1,)},)}


@pytest.mark.parametrize(
    ("data", "meaning"),
    [
        ("flights/AA.csv", "flights/AA.csv"),
        ('{"a": [1]}', {"a": [1]}),
        ("{date}/AA.csv", "{date}/AA.csv"),
        ([1, Decimal("2.5")], [1, 2.5]),
        (17, "17"),
        (Decimal(17), "17"),
        (None, None),
    ],
)
def test_a_data_reference_means_the_same_from_every_source(data, meaning):
    assert customer_of(data=data).data == meaning


@pytest.mark.parametrize(("given_id", "id_"), [(17, "17"), (Decimal(17), "17"), ("017", "017")])
def test_an_id_may_be_a_whole_number(given_id, id_):
    assert fetched(customers=[{"id": given_id}]).customers[0].id == id_


@pytest.mark.parametrize("hostile", HOSTILE_IDS)
def test_an_id_may_be_strange_and_is_kept_as_it_is(hostile):
    assert fetched(customers=[{"id": hostile}]).customers[0].id == hostile


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({}, "id: is missing"),
        ({"id": None}, "id: is missing"),
        ({"id": "  "}, "id: is blank"),
        ({"id": "x" * 300}, "id: has 300 characters"),
        ({"id": "a\nb"}, "control character"),
        ({"id": "a\u2028b"}, "line break"),
        ({"id": "a\0b"}, "id: has a NUL"),
        ({"id": "\ud800"}, "half a character"),
        ({"id": False}, "id: is False, not text; put it in quotes"),
        ({"id": 1.5}, "id: is 1.5, not text"),
        ({"id": ["AA"]}, "not text"),
        (["AA", "x"], "is ['AA', 'x'] instead of fields"),
        ("AA", "is 'AA' instead of fields"),
        (None, "is None instead of fields"),
        ({"id": "b", "colour": "red"}, "colour: is not a known field; a row has id, data, segment"),
        ({"id": "b", "data": math.nan}, "data: is nan, not a finite number"),
        ({"id": "b", "data": {"a": [1, math.inf]}}, "data.a[1]: is inf"),
        ({"id": "b", "data": {"a": b"x"}}, "data.a: is a bytes, which JSON cannot hold"),
        ({"id": "b", "data": {1: "x"}}, "data: has the key 1, which is not text"),
        ({"id": "b", "data": True}, "data: is True"),
        ({"id": "b", "segment": 5}, "segment: "),
        ({"id": "b", "tags": {"a": 1}}, "tags: "),
        ({"id": "b", "tags": '["a"'}, "tags: is not valid JSON"),
        ({"id": "b", "active": "perhaps"}, "active: "),
        ({"id": "b", "grids": "{"}, "grids: is not valid JSON"),
        ({"id": "b", "grids": '{"tree": {"max_depth": [NaN]}}'}, "grids.tree.max_depth[0]: is nan"),
        ({"id": "b", "grids": {"tree": {"max_depth": 3}}}, "grids.tree.max_depth: is 3; give a"),
        ({"id": "b", "grids": {"tree": {"max_depth": []}}}, "grids.tree.max_depth: has no values"),
        ({"id": "b", "grids": {"tree": [{"max_depth": [[1]]}]}}, "grids.tree.max_depth: The"),
        ({"id": "b", "grids": {"tree": {"depth": [1]}}}, "grids.tree.depth: is not a param"),
    ],
)  # fmt: skip
def test_a_bad_customer_is_set_aside_with_its_reason(row, reason):
    assert reason in rejection(row).reason


def test_all_that_is_wrong_with_a_row_is_said_at_once():
    reason = rejection({"id": "b", "active": "perhaps", "colour": "red"}).reason
    assert "active: " in reason
    assert "colour: " in reason


def test_a_grid_for_a_model_that_left_the_list_is_no_fault_of_the_customer():
    assert fetched(customers=[{"id": "AA", "grids": {"gone": {"C": [1]}}}]).rejected == ()


@pytest.mark.parametrize(
    ("row", "key", "problem"),
    [
        ({}, "models[1].id", "is missing"),
        ({**TREE, "id": "a/b"}, "models[1].id", "'/'"),
        ({"id": "m"}, "models[1].estimator", "either an estimator or a pipeline"),
        ({**TREE, "id": "m", "pipeline": PIPELINE}, "models[1].estimator", "either"),
        ({"id": "m", "estimator": "os:system"}, "models[1].estimator", "outside the allowed"),
        ({"id": "m", "estimator": "sklearn.nope:X"}, "models[1].estimator", "cannot be imported"),
        ({"id": "m", "estimator": "sklearn.utils:Bunch"}, "models[1].estimator", "has no `fit`"),
        (pipeline_of("sklearn.svm:SVC", *PIPELINE), "models[1].pipeline", "has no `transform`"),
        (pipeline_of(PIPELINE[0], "os:system"), "models[1].pipeline[1].estimator", "outside"),
        (pipeline_of(*({"name": "s", "estimator": p} for p in PIPELINE)), "models[1].pipeline",
         "must be different"),
        (pipeline_of({"name": "a__b", "estimator": PIPELINE[1]}), "models[1].pipeline", "'__'"),
        (pipeline_of({"nam": "a", "estimator": PIPELINE[1]}), "models[1].pipeline[0].nam", "no"),
        (pipeline_of(*PIPELINE, grid={"C": [1]}), "models[1].grid.C",
         "did you mean 'logisticregression__C'?"),
        (pipeline_of(*PIPELINE, params={"memory": "m"}), "models[1].params.memory", "is no"),
        ({**TREE, "id": "m", "grid": {"max_dpth": [1]}}, "models[1].grid.max_dpth",
         "did you mean 'max_depth'?"),
        ({**TREE, "id": "m", "grid": {"max_depth": []}}, "models[1].grid.max_depth", "no values"),
        ({**TREE, "id": "m", "grid": {"max_depth": [1, [2]]}}, "models[1].grid.max_depth", "[2]"),
        ({**TREE, "id": "m", "grid": {"max_depth": [1, 1]}}, "models[1].grid.max_depth", "more"),
        ({**TREE, "id": "m", "grid": {"max_depth": [1, math.inf]}}, "models[1].grid.max_depth[1]",
         "not a finite number"),
        ({**TREE, "id": "m", "grid": {"max_depth": {1}}}, "models[1].grid.max_depth",
         "set"),
        ({**TREE, "id": "m", "params": {"depth": 1}}, "models[1].params.depth", "is not a param"),
        ({**TREE, "id": "m", "cost": -1}, "models[1].cost", "greater than or equal to 0"),
        ({**TREE, "id": "m", "when": {"min_row": 5}}, "models[1].when.min_row", "a known field"),
        ("tree", "models[1]", "instead of fields"),
    ],
)  # fmt: skip
def test_a_bad_model_stops_everything_and_is_named_with_its_key(row, key, problem):
    with pytest.raises(ConfigError) as error:
        fetched(models=[TREE, row])
    assert error.value.key == key
    assert problem in error.value.problem
    assert error.value.file == "the configuration's own lists"


def test_all_bad_models_are_named_at_once():
    bad = [{"id": f"m{n}", "estimator": "os:system"} for n in range(8)]
    with pytest.raises(ConfigError, match=r"(?s)8 problems:.*models\[0\].*models\[4\].*3 more"):
        fetched(models=bad)


def test_two_models_with_one_id_stop_everything():
    with pytest.raises(
        ConfigError, match=r"models\[2\]\.id: 'tree' is already the id of models\[0\]"
    ):
        fetched(models=[TREE, {**TREE, "id": "other"}, TREE])


def test_two_customers_with_one_id_stop_everything():
    with pytest.raises(
        ConfigError, match=r"customers\[1\]\.id: 'AA' is already the id of customers\[0\]"
    ):
        fetched(customers=[{"id": "AA"}, {"id": "AA", "segment": "hub"}])


@pytest.mark.parametrize("kind", ["models", "customers"])
def test_an_empty_list_fails_closed(kind):
    with pytest.raises(RegistryError, match=f"the list of {kind} is empty"):
        fetched(**{kind: []})


def test_an_empty_list_may_be_accepted():
    source = InlineSource(models=[TREE])
    assert fetch(source, estimators=Estimators(("sklearn",)), accept=["empty"]).customers == ()


def test_a_list_without_one_usable_customer_fails_closed_with_reasons():
    with pytest.raises(RegistryError, match=r"(?s)none of 2 .*customers\[1\]: id: is missing"):
        fetched(customers=[{"id": ""}, {}])


def test_whatever_a_strangers_source_raises_is_a_failure_of_the_registry():
    class Broken:
        description = "a stranger's source"

        def read(self, kind):
            return Listing(rows=(1 / 0 for _ in range(1)))

    with pytest.raises(RegistryError, match=r"a stranger's source: .*ZeroDivisionError"):
        fetch(Broken(), estimators=Estimators(("sklearn",)))


def test_the_server_s_version_of_a_list_is_kept():
    class Versioned(InlineSource):
        def read(self, kind):
            return Listing(rows=super().read(kind).rows, etag=f"{kind}-7")

    source = Versioned(models=MODELS, customers=CUSTOMERS)
    assert fetch(source, estimators=Estimators(("sklearn",))).etag == "models-7, customers-7"


rows = st.lists(
    st.fixed_dictionaries(
        {"id": st.text("ab-/ é", min_size=1, max_size=4).filter(str.strip)},
        optional={
            "data": st.one_of(st.text("{}[]ab", max_size=4), st.lists(st.integers(0, 3))),
            "tags": st.lists(st.sampled_from("abc")),
            "active": st.booleans(),
            "grids": st.just({"tree": {"max_depth": [2, 1], "criterion": ["gini"]}}),
        },
    ),
    min_size=1,
    unique_by=lambda row: row["id"],
)


@given(rows, st.randoms(use_true_random=False))
def test_a_snapshots_id_depends_on_content_alone(customers, chance: random.Random):
    """Not on the order of rows, of fields, of tags or of a grid's names."""

    def shuffled(value):
        if isinstance(value, dict):
            return {k: shuffled(value[k]) for k in chance.sample(list(value), len(value))}
        return value

    again = [shuffled(row) for row in chance.sample(customers, len(customers))]
    for row in again:
        if "tags" in row:
            row["tags"] = chance.sample(row["tags"], len(row["tags"]))
    assert fetched(customers=customers).id == fetched(customers=again).id


@given(rows, rows)
def test_different_content_gives_a_different_id(some, others):
    first, second = fetched(customers=some), fetched(customers=others)
    assert (first.id == second.id) == (first.customers == second.customers)


def nested(depth, inside=1):
    for _ in range(depth):
        inside = [inside]
    return inside


def endless():
    mapping = {}
    mapping["itself"] = mapping
    return mapping


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"id": "a", "data": nested(101)}, "data: is nested more than 100 deep"),
        ({"id": "a", "data": {"x": nested(5_000)}}, "data: is nested more than 100 deep"),
        ({"id": "a", "data": endless()}, "data: is nested more than 100 deep"),
        ({"id": nested(5_000)}, "id: is nested more than 100 deep"),
        (nested(5_000), "is [[[[[[[...]]]]]]] instead of fields with names"),
    ],
    ids=["101", "5000", "endless", "id", "row"],
)
def test_a_row_nested_too_deeply_is_set_aside(row, reason):
    assert rejection(row).reason == reason


def test_what_is_nested_as_deeply_as_it_may_be_is_stored_and_read_again(tmp_path):
    found = fetched(customers=[{"id": "a", "data": nested(100)}])
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.snapshots.save(found)
        ledger.lives.apply(found)
        assert ledger.snapshots.get(found.id).customers == found.customers
        assert ledger.lives.preview(found).customers.unchanged == ("a",)
        assert ledger.lives.history("customer", "a")[0].row == found.customers[0]


def test_a_moment_that_is_none_is_set_aside():
    assert rejection({"id": "a", "data": {"since": pd.NaT}}).reason == (
        "data.since: is NaT, not a valid date or time"
    )


@pytest.mark.parametrize("notation", ["grid", "space"])
def test_a_parameter_both_fixed_and_searched_is_refused(notation):
    with pytest.raises(ConfigError, match=rf"{notation}\.max_depth: is fixed in `params`, too"):
        model_of(params={"max_depth": 2}, **{notation: {"max_depth": [1, 3]}})


def test_a_part_of_a_grid_given_twice_is_refused():
    twice = [{"max_depth": [1]}, {"max_depth": [2]}, {"max_depth": [1]}]
    with pytest.raises(ConfigError, match=r"grid\[2\]: is the same as grid\[0\]"):
        model_of(grid=twice)
    assert "grids.tree[2]" in rejection({"id": "a", "grids": {"tree": twice}}).reason


def test_tags_may_be_one_text_wherever_they_stand():
    assert model_of(when={"tags": "vip; large"}).when.tags == ("large", "vip")
    assert customer_of(tags="vip; large").tags == ("large", "vip")
