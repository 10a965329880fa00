"""A job of fits that take a second each: what is left of the cores once fits are not short.

The fits sleep, so that the figure is the orchestrator's own, whoever else uses the machine.
"""

import time

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from orchestrator.records import Customer, ModelSpec, Step

FIT_SECONDS = 1.0

CUSTOMERS = [Customer(id=f"customer-{number}", data={"seed": number}) for number in range(4)]


class SlowClassifier(ClassifierMixin, BaseEstimator):
    """Takes a second to learn a threshold."""

    def __init__(self, threshold=0.5):
        self.threshold = threshold

    def fit(self, X, y):  # noqa: ARG002 - scikit-learn's signature
        """Sleep, and find the classes."""
        time.sleep(FIT_SECONDS)
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        """A step of the first column."""
        above = (X[:, 0] > self.threshold).astype("float64")
        return np.column_stack([1.0 - above, above])

    def predict(self, X):
        """The likelier class."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


MODELS = tuple(
    ModelSpec(
        id=name,
        steps=(Step(name="clf", estimator="bench._slow_fits:SlowClassifier"),),
        grid=({"threshold": tuple(first + n / 20 for n in range(4))},),
    )
    for name, first in (("low", 0.1), ("middle", 0.4), ("high", 0.7))
)


def load(customer: Customer):
    random = np.random.default_rng(customer.data["seed"])
    X = random.random((60, 2))
    return X, (X[:, 0] > 0.5).astype(int)
