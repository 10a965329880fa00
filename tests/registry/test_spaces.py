"""Ranges of a row in Optuna's words: what they mean, and what is said of wrong ones."""

import json
import math

import pytest

from orchestrator.errors import ConfigError
from orchestrator.estimators import Estimators
from orchestrator.records import Distribution
from orchestrator.registry.snapshots import fetch
from orchestrator.registry.sources import InlineSource

SVM = {"id": "svm", "estimator": "sklearn.svm:SVC"}


def fetched(customers=({"id": "AA"},), **row):
    source = InlineSource(models=[{**SVM, **row}], customers=list(customers))
    return fetch(source, estimators=Estimators(("sklearn",)))


def searched(**row):
    return fetched(**row).models[0].grid


def test_ranges_are_read_in_optunas_words():
    space = {
        "C": {"float": [0.01, 100], "log": True},
        "degree": {"int": [2, 10], "step": 2},
        "kernel": {"categorical": ["rbf", "linear"]},
        "gamma": {"float": [1, 2], "when": {"kernel": "rbf"}},
    }
    assert searched(space=space) == (
        {
            "C": Distribution(kind="float", low=0.01, high=100.0, log=True),
            "degree": Distribution(kind="int", low=2, high=10, step=2),
            "gamma": Distribution(kind="float", low=1.0, high=2.0, when={"kernel": ("rbf",)}),
            "kernel": Distribution(kind="categorical", choices=("rbf", "linear")),
        },
    )


def test_lists_and_ranges_stand_beside_each_other_in_grid_and_space():
    mixed = {"C": {"float": [1, 2]}, "kernel": ["rbf", "linear"]}
    assert searched(grid=mixed) == searched(space=mixed)
    assert searched(space=[{"C": [1]}, {"C": {"float": [2, 3]}}])[0] == {"C": (1,)}


def test_what_was_read_is_written_as_it_can_be_read_again():
    space = {"C": {"float": [0.5, 2.0], "step": 0.5}, "gamma": {"int": [1, 9], "log": True}}
    space["degree"] = {"int": [2, 3], "when": {"kernel": ["poly"]}}
    space["kernel"] = {"categorical": ["poly", "rbf"]}
    snapshot = fetched(space=space)
    written = {name: values.content for name, values in snapshot.models[0].grid[0].items()}
    assert written == space
    assert fetched(space=json.dumps(written)).id == snapshot.id


def test_a_customers_own_space_replaces_the_models():
    own = {"id": "AA", "spaces": {"svm": {"C": {"float": [1, 2]}}}}
    (customer,) = fetched(customers=[own], grid={"C": [1]}).customers
    assert customer.grids == {"svm": ({"C": Distribution(kind="float", low=1.0, high=2.0)},)}


def test_another_range_is_another_snapshot():
    one, other = (fetched(space={"C": {"float": [1, high]}}) for high in (2, 3))
    assert one.id != other.id


WRONG = [
    ({}, "space: is empty"),
    ({"C": {}}, r"space\.C: must have one of float, int, categorical"),
    ({"C": {"float": [1, 2], "int": [1, 2]}}, r"space\.C: must have one of"),
    ({"C": {"uniform": [1, 2]}}, r"space\.C: must have one of"),
    ({"kernel": {"categorical": []}}, r"space\.kernel: has no values"),
    ({"kernel": {"categorical": ["rbf"], "log": True}}, r"space\.kernel: has 'log', which categ"),
    ({"C": {"float": [0, 1], "log": True}}, r"space\.C: has log: true, and low is 0.0"),
    ({"C": {"int": [-1, 1], "log": True}}, r"space\.C: has log: true, and low is -1"),
    ({"C": {"float": [2, 1]}}, r"space\.C: has low 2.0 above high 1.0"),
    ({"C": {"float": [1, 2], "log": True, "step": 0.5}}, r"space\.C: has both log and step"),
    ({"C": {"float": [1, 2], "step": 0}}, r"space\.C: has step 0.0; it must be above zero"),
    ({"C": {"float": [1, math.inf]}}, r"space\.C\.float\[1\]: is inf, not a finite number"),
    ({"C": {"float": ["a", 2]}}, r"space\.C: has 'a', which is not a finite number"),
    ({"C": {"float": [1]}}, r"space\.C: has float: \[1\]; give it as \[low, high\]"),
    ({"degree": {"int": [1, 2.5]}}, r"space\.degree: has 2.5, which is not a whole number"),
    ({"C": {"float": [1, 2], "log": "yes"}}, r"space\.C: has log: 'yes'; expected true or false"),
    (
        {"CC": {"float": [1, 2]}},
        r"space\.CC: is not a parameter of its .*; did you mean 'C'",
    ),
    (
        {"C": {"float": [1, 2], "when": {"kernel": "rbf"}}},
        r"space\.C\.when\.kernel: is not a searched parameter",
    ),
    (
        {"C": {"float": [1, 2], "when": {"kernel": "rfb"}}, "kernel": ["rbf"]},
        r"space\.C\.when\.kernel: never has the value 'rfb'; its values are \['rbf'\]",
    ),
    (
        {"C": {"float": [1, 2]}, "gamma": {"float": [1, 2], "when": {"C": 1.5}}},
        r"space\.gamma\.when\.C: refers to 'C', which is a range",
    ),
    (
        {
            "kernel": {"categorical": ["rbf"], "when": {"shrinking": True}},
            "shrinking": {"categorical": [True], "when": {"kernel": "rbf"}},
        },
        r"space\.kernel\.when: depends on itself: kernel -> shrinking -> kernel",
    ),
]


@pytest.mark.parametrize(("space", "message"), WRONG)
def test_a_wrong_space_is_refused_with_file_model_and_key(space, message):
    with pytest.raises(ConfigError, match=rf"models\[0\]\.{message}"):
        fetched(space=space)


def test_grid_and_space_at_once_are_refused():
    with pytest.raises(ConfigError, match=r"models\[0\]\.space: is given beside `grid`"):
        fetched(grid={"C": [1]}, space={"C": [2]})


@pytest.mark.parametrize(
    ("space", "reason"),
    [
        ({"C": {"float": [2, 1]}}, "spaces.svm.C: has low 2.0 above high 1.0"),
        ({}, "spaces.svm: is empty"),
    ],
)
def test_a_customers_wrong_space_sets_the_customer_aside(space, reason):
    wrong = {"id": "AA", "spaces": {"svm": space}}
    snapshot = fetched(customers=[wrong, {"id": "B"}])
    assert reason in snapshot.rejected[0].reason
