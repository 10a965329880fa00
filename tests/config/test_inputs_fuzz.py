"""Configurations and rows changed at random never end in a bug's exit code, and never hang.

600 inputs from fixed seeds, of which `make test` has 150 and `make long` the others: valid settings
and lists in which one or two places are given another value, name, depth or type. `plan` takes them
from YAML, JSON, CSV, SQL and Python.
"""

import contextlib
import copy
import csv
import json
import random
import signal
import sqlite3
import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

_PARTS, _LONG_PARTS, _INPUTS_OF_A_PART = range(3), range(3, 12), 50
_SECONDS = 120
"""For one input, on a machine that is four times too busy."""

MODELS = [
    {
        "id": "logistic",
        "pipeline": [
            "sklearn.preprocessing:StandardScaler",
            "sklearn.linear_model:LogisticRegression",
        ],
        "params": {"logisticregression__max_iter": 500},
        "grid": {"logisticregression__C": [0.1, 1.0]},
        "when": {"tags": ["busy"], "min_rows": 20},
        "cost": 1.0,
    },
    {
        "id": "svm",
        "estimator": "sklearn.svm:SVC",
        "space": {
            "C": {"float": [0.1, 10.0], "log": True},
            "degree": {"int": [2, 5]},
            "gamma": {"float": [0.1, 1.0], "step": 0.1, "when": {"kernel": "rbf"}},
            "kernel": ["rbf", "linear"],
        },
    },
    {
        "id": "tree",
        "estimator": "sklearn.tree:DecisionTreeClassifier",
        "params": {"class_weight": {"0": 5, "1": 1}},
        "grid": [{"max_depth": [2, 3]}, {"min_samples_leaf": [1, 2]}],
    },
]
CUSTOMERS = [
    {
        "id": "acme",
        "data": {"path": "a.csv"},
        "segment": "large",
        "tags": ["busy"],
        "active": True,
        "grids": {"tree": {"max_depth": [1]}},
    },
    {
        "id": "globex",
        "data": "globex",
        "tags": "busy;new",
        "spaces": {"svm": {"C": {"float": [1, 2]}, "degree": {"int": [1, 9], "log": True}}},
    },
]
SETTINGS = {
    "experiment": "shop",
    "evaluation": {
        "loader": "shop_of_the_fuzz:load",
        "folds": 3,
        "metrics": ["accuracy", "shop_of_the_fuzz:worth"],
        "metric": "accuracy",
        "seed": 1,
        "task": "classification",
        "allowed": ["sklearn"],
    },
    "limits": {"max_removed": 0.1, "max_trials": 1000, "seconds": 100},
    "gate": {"min_absolute_change": 0.0, "min_relative_change": 0.0},
    "cluster": {"kind": "inline", "connect_timeout": 3, "workers": {"min": 1, "max": 2}},
    "tracking": {"uri": "sqlite:///mlflow.db", "artifacts": "artifacts", "summary": True},
    "ledger": "sqlite:///ledger.db",
    "tolerance": 0.1,
    "grace": 1.0,
    "study_timeout": 10.0,
}
SEARCHES = [
    {"strategy": "random", "n_trials": 5, "seconds": 60, "timeout": 10, "max_parallel": 2},
    {"strategy": "halving", "suggest": {"strategy": "random", "n_trials": 8}},
    {"strategy": "optuna", "n_trials": 4, "sampler": "TPESampler"},
]
JSON_LIKE = [
    *(None, True, False, 0, -1, 1, 10**23, 10**400, -(10**30), 0.5, 1e308),
    *(float("nan"), float("inf"), "", " ", "a" * 300, "a\0b", "\u202eabc", "\U0001f600" * 100),
    *("1", "1e400", "nan", "null", "[]", "{", "http://[::1/x", "postgresql://[::1/db"),
    *("oracle://x/y", "ftp://a/b", "sqlite:///" + "n" * 300, "sqlite:///a\0b", "://", "tls://[::1"),
    *("builtins:len", "os:system", "shop_of_the_fuzz:nope", ":", "a:b:c", "../../x", "${HOME}"),
    *("sklearn.ensemble:VotingClassifier", "roc_auc", "accuracy <= nan", "\u2028", "\x1b[31m"),
    *([], {}, [None], [[]], [[1, 2]], [1, 1], {"a": 1}, {1: 2}, {None: 1}, {1.5: 2}, {True: 1}),
    *({"float": [0, 1]}, {"int": [0, 10**30]}, {"int": [0, 10**400]}, {"categorical": []}),
    *({"float": [0, 1], "step": 1e-300}, {"float": [-1e308, 1e308], "step": 1e-5}),
    *({"int": [1, 2**62]}, {"int": [0, 9], "step": 10**400}, {"categorical": [[1, 2], {"a": 1}]}),
    *({"tuple": [1, 2]}, {"items": [[1, 2]]}, {"items": [[[], 2]]}, date(2024, 1, 1), b"bytes"),
]
OF_PYTHON = [
    *(np.nan, np.int64(3), np.float64("nan"), np.bool_(True), np.array([1, 2]), np.array(3)),
    *(np.ma.masked, pd.NA, pd.NaT, pd.Timestamp("2024-01-01"), Decimal("sNaN"), Decimal("1e500")),
    *({1, 2}, object(), 1j, range(3), (1, 2), "\ud800", np.datetime64("NaT"), np.str_("x")),
    *(pd.Series([1, 2]), pd.DataFrame({"a": [1]}), Ellipsis, np.timedelta64(1), np.complex128(1)),
]
NAMES = [0, None, True, 1.5, "", "a" * 300, "a\0", "\u202e", "__", "a__b__c", "id", "when", "step"]
PROJECT = """
from sklearn.datasets import load_iris

LISTS = {}

def load(customer):
    return load_iris(return_X_y=True)

def version(customer):
    return "1"

def models():
    return LISTS["models"]

def customers():
    return LISTS["customers"]

def worth(estimator, X, y):
    return 1.0
"""


def places(value, at=()) -> Iterator[tuple]:
    if at:
        yield at
    if not isinstance(value, dict | list):
        return
    for key, inner in [*(value.items() if isinstance(value, dict) else enumerate(value))]:
        yield from places(inner, (*at, key))


def changed(value, odd, rnd):
    """The value with one place changed."""
    value = copy.deepcopy(value)
    *above, key = rnd.choice([*places(value)])
    parent = value
    for each in above:
        parent = parent[each]
    match rnd.randrange(6):
        case 0:
            del parent[key]
        case 1 if isinstance(parent, dict):
            parent[rnd.choice([*NAMES, f"{key}s"])] = parent.pop(key)
        case 2:
            for _ in range(rnd.choice([1, 2, 90, 150])):
                parent[key] = rnd.choice([[parent[key]], {"a": parent[key]}])
        case _:
            parent[key] = rnd.choice(odd)
    return value


def text_of(cell):
    return json.dumps(cell, default=str) if isinstance(cell, dict | list) else cell


def in_csv(lists):
    Path("lists.yaml").write_text(yaml.safe_dump({"models": lists["models"]}), encoding="utf-8")
    with Path("customers.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [*CUSTOMERS[0], "spaces"], extrasaction="ignore")
        table.writeheader()
        for row in lists["customers"]:
            table.writerow({name: text_of(cell) for name, cell in row.items()})
    return {"source": "file", "models": "lists.yaml", "customers": "customers.csv"}


def in_sql(lists):
    Path("lists.db").unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect("lists.db")) as database:
        for kind, rows in lists.items():
            names = sorted({str(name) for row in rows for name in row})
            columns = ", ".join('"{}"'.format(name.replace('"', "")) for name in names)
            database.execute(f"CREATE TABLE {kind} ({columns})")
            for row in rows:
                cells = [text_of(row.get(name)) for name in names]
                marks = ", ".join("?" * len(names))
                database.execute(f"INSERT INTO {kind} VALUES ({marks})", cells)  # noqa: S608 - ours
        database.commit()
    return {"source": "sql", "url": "sqlite:///lists.db", **{kind: kind for kind in lists}}


def in_a_file(lists, suffix, write):
    Path(f"lists{suffix}").write_text(write(lists), encoding="utf-8")
    return {"source": "file", "path": f"lists{suffix}"}


def in_python(lists):
    sys.modules["shop_of_the_fuzz"].LISTS.update(lists)
    where = {kind: f"shop_of_the_fuzz:{kind}" for kind in lists}
    return {"source": "python", **where}


KEPT = {
    "inline": lambda lists: {"source": "inline", **lists},
    "yaml": lambda lists: in_a_file(lists, ".yaml", yaml.safe_dump),
    "json": lambda lists: in_a_file(lists, ".json", lambda each: json.dumps(each, default=str)),
    "csv": in_csv,
    "sql": in_sql,
    "python": in_python,
}


def write_input(seed):
    """Write a changed configuration; lists that a format cannot hold are kept in Python."""
    rnd = random.Random(seed)  # noqa: S311 - inputs of a test
    kept = rnd.choice([*KEPT])
    odd = [*JSON_LIKE, *OF_PYTHON] if kept == "python" else JSON_LIKE
    lists = {"models": MODELS, "customers": CUSTOMERS}
    settings = {**SETTINGS, "search": rnd.choice(SEARCHES)}
    is_of_rows = rnd.random() < 0.6
    for _ in range(rnd.choice([1, 1, 2])):
        if not is_of_rows:
            settings = changed(settings, JSON_LIKE, rnd)
        else:
            kind = rnd.choice([*lists])
            lists = {**lists, kind: changed(lists[kind], odd, rnd)}
    try:
        registry = KEPT[kept](lists)
        text = yaml.safe_dump({"registry": registry, **settings}, allow_unicode=True)
    except Exception:  # noqa: BLE001 - such a list cannot be written so
        registry = in_python(lists)
        text = yaml.safe_dump({"registry": registry, **settings}, allow_unicode=True)
    Path("orchestrator.yaml").write_text(text, encoding="utf-8")


class TooLongError(BaseException):
    """Not an Exception: no code between here and there may take it for its own."""


@contextlib.contextmanager
def bounded(seconds):
    def give_up(*_):
        raise TooLongError

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    monkeypatch.chdir(tmp_path)
    Path("shop_of_the_fuzz.py").write_text(PROJECT, encoding="utf-8")
    monkeypatch.delitem(sys.modules, "shop_of_the_fuzz", raising=False)
    __import__("shop_of_the_fuzz")
    yield
    sys.modules.pop("shop_of_the_fuzz", None)


@pytest.mark.parametrize(
    "part", [*_PARTS, *(pytest.param(part, marks=pytest.mark.long) for part in _LONG_PARTS)]
)
def test_no_configuration_and_no_row_is_a_bug(part, project, typed):
    ended = {}
    for seed in range(part * _INPUTS_OF_A_PART, (part + 1) * _INPUTS_OF_A_PART):
        write_input(seed)
        with bounded(_SECONDS):
            code, _, err = typed("plan")
        if code not in {0, 1, 2, 3, 4}:
            ended[seed] = (code, err[-2000:])
    assert ended == {}
