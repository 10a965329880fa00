"""A job of fits that take a known time: what is left of the cores beside them.

`Sleeping` fits take none of the machine's time, so that a figure is the orchestrator's own whoever
else uses it; `Busy` ones take a core's. Each worker counts the CPU seconds of its fits and
predictions.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin

from orchestrator.records import Customer, ModelSpec, Step

_cpu_seconds = [0.0]


class _Threshold(ClassifierMixin, BaseEstimator):
    """Learns nothing; a step of the first column."""

    def __init__(self, threshold=0.5, seconds=1.0):
        self.threshold = threshold
        self.seconds = seconds

    def fit(self, X, y):  # noqa: ARG002 - scikit-learn's signature
        """Take the time, and find the classes."""
        with _counted():
            self._take_time()
            self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        """Certain on either side of the threshold."""
        with _counted():
            above = (X[:, 0] > self.threshold).astype("float64")
            return np.column_stack([1.0 - above, above])

    def predict(self, X):
        """The likelier class."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class Sleeping(_Threshold):
    """Sleeps."""

    def _take_time(self) -> None:
        time.sleep(self.seconds)


class Busy(_Threshold):
    """Computes, until it has used its seconds of CPU."""

    def _take_time(self) -> None:
        until = time.thread_time() + self.seconds
        numbers = np.arange(1000.0)
        while time.thread_time() < until:
            np.sqrt(numbers).sum()


def models(kind: str, *, seconds: float, points: int) -> tuple[ModelSpec, ...]:
    """One model with as many candidates; each of its fits takes as many seconds."""
    return (
        ModelSpec(
            id=kind.lower(),
            steps=(Step(name="clf", estimator=f"bench._timed_fits:{kind}"),),
            params={"seconds": seconds},
            grid=({"threshold": tuple(n / points for n in range(points))},),
        ),
    )


def customers(count: int) -> list[Customer]:
    return [Customer(id=f"customer-{number}", data={"seed": number}) for number in range(count)]


def load(customer: Customer):
    random = np.random.default_rng(customer.data["seed"])
    X = random.random((60, 2))
    return X, (X[:, 0] > 0.5).astype(int)


def version(customer: Customer) -> str:
    return f"{customer.data['seed']}"


def cpu_seconds() -> float:
    """Of all fits and predictions in this process."""
    return _cpu_seconds[0]


@contextmanager
def _counted() -> Iterator[None]:
    began = time.thread_time()
    yield
    _cpu_seconds[0] += time.thread_time() - began
