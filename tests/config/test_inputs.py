"""Values that no setting and no row can have are refused where they are written."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from orchestrator.errors import ConfigError
from orchestrator.estimators import Estimators
from orchestrator.registry.snapshots import fetch
from orchestrator.registry.sources import InlineSource
from tests.support.rows import PLAIN_TREE as TREE

SHOP = """
from sklearn.datasets import load_breast_cancer

def load(customer):
    return load_breast_cancer(return_X_y=True)

def version(customer):
    return "1"
"""


@pytest.fixture
def plan(tmp_path, monkeypatch, typed):
    """Plan a small experiment with some keys changed; gives exit code, stdout and stderr."""
    monkeypatch.setattr(sys, "path", sys.path[:])
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "shop_of_inputs", raising=False)
    Path("shop_of_inputs.py").write_text(SHOP, encoding="utf-8")

    def plan(**changes):
        settings = {
            "experiment": "shop",
            "registry": {"source": "inline", "models": [TREE], "customers": [{"id": "acme"}]},
            "evaluation": {"loader": "shop_of_inputs:load"},
            "cluster": {"kind": "inline"},
        } | changes
        Path("orchestrator.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        return typed("plan")

    return plan


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"ledger": "sqlite:///" + "n" * 300}, "ledger: has a name of more than 255 bytes"),
        ({"ledger": "sqlite:///a\0b"}, "ledger: has control characters"),
        ({"ledger": "oracle://host/x"}, "ledger: has the scheme 'oracle'"),
        ({"ledger": "sqlite+nope:///x.db"}, "unknown driver 'sqlite+nope'"),
        ({"ledger": "postgresql://[::1/db"}, "ledger: is not a valid address"),
        ({"tracking": {"uri": "ftp://host/x"}}, "tracking.uri: has the scheme 'ftp'"),
        ({"tracking": {"uri": "postgresql://[::1/db"}}, "tracking.uri"),
        ({"tracking": {"uri": "http://[::1"}}, "tracking.uri: is not a valid address"),
        (
            {"tracking": {"uri": "sqlite:///" + "n" * 300}},
            "tracking.uri: has a name of more than 255",
        ),
        (
            {"tracking": {"artifacts": "http://host/x"}},
            "tracking.artifacts: is the address of a web server",
        ),
        (
            {"tracking": {"artifacts": "gopher://host/x"}},
            "tracking.artifacts: has the scheme 'gopher'",
        ),
        (
            {
                "cluster": {"kind": "remote", "address": "tcp://[::1"},
                "tracking": {"artifacts": "/mnt/models"},
            },
            "is not a scheduler's address",
        ),
        (
            {"cluster": {"kind": "inline", "connect_timeout": float("inf")}},
            "connect_timeout must be a finite number",
        ),
        (
            {"evaluation": {"loader": "shop_of_inputs:load", "folds": 10**23}},
            "folds must be between -2^53 and 2^53",
        ),
        ({"limits": {1: 2, "a": 3}}, "unknown key '1'"),
        ({"registry": {"source": {"a": 1}}}, "registry.source: there is no source"),
        ({"grace": 1e300}, "grace"),
        ({"search": {"strategy": "halving", "suggest": {"strategy": {}}}}, "there is no strategy"),
        ({"search": {"strategy": "grid", 7: 1}}, "search"),
    ],
)
def test_a_setting_that_can_never_work_is_refused_by_its_key(plan, changes, told):
    code, _, err = plan(**changes)
    assert code == 2
    assert told in err


def test_addresses_that_can_work_are_not_refused(plan):
    for artifacts in ("files", "/mnt/models", "s3://bucket/models", "file:///mnt/models"):
        assert plan(tracking={"artifacts": artifacts})[0] == 0
    assert plan(tracking={"uri": "http://localhost:5000"})[0] == 0


@pytest.mark.parametrize(
    "space",
    [
        {"int": [0, 10**30]},
        {"int": [0, 10**400]},
        {"float": [-1e308, 1e308]},
        {"float": [0, 1], "step": 1e-300},
    ],
)
def test_a_space_too_large_to_search_concerns_its_customer_only(space):
    wrong = {"id": "acme", "spaces": {"tree": {"max_depth": space}}}
    source = InlineSource(models=[TREE], customers=[wrong, {"id": "globex"}])
    snapshot = fetch(source, estimators=Estimators(("sklearn",)))
    assert [customer.id for customer in snapshot.customers] == ["globex"]
    (rejected,) = snapshot.rejected
    assert rejected.id == "acme"
    assert "max_depth" in rejected.reason


def test_whole_numbers_are_searched_as_far_as_floats_are_exact():
    def grid(largest):
        space = {"max_depth": {"int": [1, largest]}}
        source = InlineSource(models=[{**TREE, "space": space}], customers=[{"id": "acme"}])
        return fetch(source, estimators=Estimators(("sklearn",))).models[0].grid

    assert grid(2**53)[0]["max_depth"].high == 2**53
    with pytest.raises(ConfigError, match="whole numbers are searched between"):
        grid(2**53 + 1)


ROWS = {
    "nan": [{"id": "acme", "segment": np.nan, "tags": None}],
    "nat": [{"id": "acme", "segment": pd.NaT, "data": pd.NA}],
    "numpy": [{"id": np.int64(7), "active": np.bool_(False), "tags": np.array(["a", "b"])}],
    "frame": pd.DataFrame({"id": ["acme", "globex"], "segment": ["large", np.nan]}),
    "indexed": pd.DataFrame({"segment": ["large"]}, index=pd.Index(["acme"], name="id")),
}


def rows(name):
    """The function that the registry calls."""
    return ROWS[name]


def customers_of(plan, monkeypatch, name):
    home = str(Path(__file__).parents[2])
    monkeypatch.syspath_prepend(home)
    from orchestrator.registry.python import PythonSource  # late: it looks for the function

    models = InlineSource(models=[TREE])
    customers = PythonSource(customers="tests.config.test_inputs:rows", arguments={"name": name})
    return fetch(models, customers, estimators=Estimators(("sklearn",))).customers


def test_what_pandas_calls_missing_is_an_empty_cell(plan, monkeypatch):
    for name in ("nan", "nat"):
        (customer,) = customers_of(plan, monkeypatch, name)
        assert (customer.id, customer.segment, customer.data) == ("acme", "", None)


def test_numpys_numbers_truths_and_arrays_are_pythons(plan, monkeypatch):
    (customer,) = customers_of(plan, monkeypatch, "numpy")
    assert (customer.id, customer.active, customer.tags) == ("7", False, ("a", "b"))


def test_a_data_frame_is_read_by_its_rows(plan, monkeypatch):
    found = customers_of(plan, monkeypatch, "frame")
    assert [(each.id, each.segment) for each in found] == [("acme", "large"), ("globex", "")]
    assert customers_of(plan, monkeypatch, "indexed")[0].id == "acme"


COMMAND = (str(shutil.which("orchestrator", path=str(Path(sys.executable).parent))),)


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("statistics", COMMAND),
        ("queue", COMMAND),
        ("statistics", (sys.executable, "-m", "orchestrator")),
    ],
)
def test_a_module_of_the_project_does_not_replace_the_standard_librarys(name, command, tmp_path):
    Path(tmp_path / f"{name}.py").write_text("VALUE = 1\n", encoding="utf-8")
    Path(tmp_path / "shop.py").write_text(SHOP, encoding="utf-8")
    settings = {
        "experiment": "shop",
        "registry": {"source": "inline", "models": [TREE], "customers": [{"id": "acme"}]},
        "evaluation": {"loader": "shop:load"},
        "cluster": {"kind": "inline"},
    }
    Path(tmp_path / "orchestrator.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    ended = subprocess.run(
        [*command, "plan"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
