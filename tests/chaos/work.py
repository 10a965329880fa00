"""What the chaos trains: customers of a few rows, and models that count their fits.

Touches NumPy and scikit-learn; runs on workers. Every fit on a fold leaves a byte in the file that
`CHAOS_FITS` names, so that work done twice shows, whoever did it and however it died.
"""

import os
import time

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from orchestrator.records import Customer
from orchestrator.training.data import Data

ROWS, FOLDS = 60, 2
CUSTOMERS, MODELS, POINTS = 50, 4, 10

_SECONDS_A_FIT = 0.002
"""Waited, so that a flow run has moments to be struck at though it needs next to no CPU."""

_PARTS = 4
"""Columns; each model looks at one of them."""


class Threshold(ClassifierMixin, BaseEstimator):
    """Tells two classes apart by how far a column is from a threshold that it is given."""

    def __init__(self, column: int = 0, threshold: float = 0.0) -> None:
        self.column, self.threshold = column, threshold

    def fit(self, X: np.ndarray, y: np.ndarray) -> "Threshold":
        """Learn which side is which."""
        if len(X) < ROWS:
            time.sleep(_SECONDS_A_FIT)
            _count_one()
        self.classes_ = np.unique(y)
        above = X[:, self.column] > self.threshold
        self.sign_ = 1.0 if y[above].mean() >= y[~above].mean() else -1.0
        return self

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        """Positive for the second class."""
        return self.sign_ * np.tanh(4 * (X[:, self.column] - self.threshold)).round(1)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The nearer class."""
        return self.classes_[(self.decision_function(X) > 0).astype(int)]


def load(customer: Customer) -> Data:
    """Rows drawn from the customer's seed."""
    random = np.random.default_rng(customer.data["seed"])
    X = random.normal(size=(ROWS, _PARTS))
    y = (X @ random.normal(size=_PARTS) + random.normal(size=ROWS) > 0).astype(int)
    return Data(X=X, y=y)


def version(customer: Customer) -> str:
    """The seed says it all."""
    return f"seed {customer.data['seed']}"


def _count_one() -> None:
    file = os.open(os.environ["CHAOS_FITS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, b".")
    finally:
        os.close(file)
