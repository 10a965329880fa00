"""A loader, an estimator and a scorer that raise what they are told, for one customer's data."""

import os

from sklearn.tree import DecisionTreeClassifier

from tests.support import synthetic

ROWS_OF_BAD = 400
"""Rows of the customer whose data make trouble; others have 90."""


class MuteError(Exception):
    """Neither its text nor its representation can be had."""

    def __str__(self):
        raise KeyboardInterrupt

    def __repr__(self):
        raise SystemExit(0)


KINDS = {
    "exit": lambda: SystemExit(0),
    "interrupt": lambda: KeyboardInterrupt("of the model\nand its second line"),
    "generator": GeneratorExit,
    "recursion": lambda: RecursionError("deeper than deep"),
    "mute": MuteError,
}

SAID = {
    "exit": "SystemExit: 0",
    "interrupt": "KeyboardInterrupt: of the model\nand its second line",
    "generator": "GeneratorExit",
    "recursion": "RecursionError: deeper than deep",
    "mute": "MuteError: (its __str__ raised KeyboardInterrupt)",
}
"""The words of each kind, whole."""


def made(kind):
    """Return an exception of a kind."""
    return KINDS[kind]()


def load(customer):
    """Draw the customer's rows."""
    return synthetic.load(customer)


def version(customer):
    """Tell one version, unless the customer is the one that is to raise."""
    if customer.id == os.environ.get("VERSION_RAISES_FOR"):
        raise made(os.environ["VERSION_RAISES"])
    return "1"


class Raising(DecisionTreeClassifier):
    """A tree that raises in one of its methods, given the rows of the bad customer."""

    def __init__(self, place="", kind="", max_depth=2):
        super().__init__(max_depth=max_depth)
        self.place, self.kind = place, kind

    def _do(self, place, X):
        if place == self.place and len(X) > 50:
            raise made(self.kind)

    def fit(self, X, y, sample_weight=None):
        """Learn a tree."""
        if len(X) > 100:
            self._do("fit", X)
        return super().fit(X, y, sample_weight)

    def predict_proba(self, X):
        """Predict as a tree does."""
        self._do("predict", X)
        return super().predict_proba(X)

    def __repr__(self):
        if self.place == "repr":
            raise made(self.kind)
        return super().__repr__()


def own_score(estimator, X, y):
    """The accuracy, of estimators that are not to raise here."""
    if getattr(estimator, "place", "") == "score" and len(X) > 50:
        raise made(estimator.kind)
    return estimator.score(X, y)
