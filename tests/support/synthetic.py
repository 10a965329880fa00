"""A loader for tests: customers whose `data` says what to draw, in which form.

{"rows": 90, "seed": 3, "form": "frame", "target": "binary", ...}
"""

import time
from typing import Any, cast

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin

from orchestrator.records import Customer
from orchestrator.training.data import Data


class UsesAllCoresByDefault(ClassifierMixin, BaseEstimator):
    """As some packages do when `n_jobs` is left open."""

    def __init__(self, n_jobs=None):
        self.n_jobs = n_jobs

    def fit(self, X, y):
        """Nothing to learn."""
        return self


WORDS = np.array(["late", "early", "storm", "calm", "delay", "gate", "wind"])


def load(customer: Customer) -> Data:
    """Rows drawn from the customer's seed."""
    wanted: dict[str, Any] = {"rows": 90, "seed": 0, "form": "array", "target": "binary"}
    wanted.update(cast("dict[str, Any]", customer.data or {}))
    time.sleep(wanted.get("seconds", 0.0))
    X = numbers(wanted["seed"], wanted["rows"])
    y = TARGETS[wanted["target"]](X, np.random.default_rng(wanted["seed"] + 1))
    extra: dict[str, Any] = {}
    if wanted.get("weights"):
        extra["sample_weight"] = np.random.default_rng(9).uniform(0.1, 3.0, size=len(y))
        if wanted["weights"] == "with gaps":
            extra["sample_weight"][::7] = np.nan
    if wanted.get("groups"):
        extra["groups"] = np.arange(len(y)) % 13
    X, y = FORMS[wanted["form"]](X, y)
    return Data(X=X, y=y, **extra)


def numbers(seed: int, rows: int) -> np.ndarray:
    """Four columns: two spread out, one with many equal values, one constant."""
    random = np.random.default_rng(seed)
    return np.column_stack(
        [
            random.normal(size=rows),
            random.normal(3.0, 10.0, size=rows),
            random.integers(0, 3, size=rows),
            np.full(rows, 2.0),
        ]
    )


def signal(X: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """What targets follow, with noise."""
    found: np.ndarray = X[:, 0] + 0.1 * X[:, 1] + random.normal(size=len(X))
    return found


TARGETS = {
    "binary": lambda X, random: (signal(X, random) > 0.2).astype(int),
    "three classes": lambda X, random: np.digitize(signal(X, random), [-0.3, 0.8]),
    "amount": signal,
    "one class": lambda X, _random: np.ones(len(X), dtype=int),
}

FORMS = {
    "array": lambda X, y: (X, y),
    "float32": lambda X, y: (X.astype("float32"), y),
    "column-major": lambda X, y: (np.asfortranarray(X), y),
    "frame": lambda X, y: (pd.DataFrame(X, columns=list("abcd")), pd.Series(y)),
    "frame of several types": lambda X, y: (
        pd.DataFrame(X, columns=list("abcd")).astype({"c": "int32", "d": "bool"}),
        pd.Series(y, index=range(7, 7 + len(y))),
    ),
    "frame with categories": lambda X, y: (
        pd.DataFrame(X, columns=list("abcd")).assign(
            c=np.array(["x", "y", "z"])[X[:, 2].astype(int)]
        ),
        pd.Series(y),
    ),
    "sparse": lambda X, y: (sparse.csr_matrix(np.where(X > 1, X, 0)), y),
    "sparse by place": lambda X, y: (sparse.dok_matrix(np.where(X > 1, X, 0)), y),
    "texts": lambda X, y: ([" ".join(WORDS[row.astype(int) % 7]) for row in X], y),
    "lists": lambda X, y: (X.tolist(), y.tolist()),
    "text labels": lambda X, y: (X, np.array(["no", "yes", "perhaps"])[y]),
    "truth values": lambda X, y: (X, y.astype(bool)),
    "with gaps": lambda X, y: (np.where(np.arange(X.size).reshape(X.shape) % 7, X, np.nan), y),
    "beyond float32": lambda X, y: (X * 1e300, y),
    "kernel": lambda X, y: (np.exp(-((X[:, None, 0] - X[None, :, 0]) ** 2)), y),
}
