"""Trees that score as any tree does and cannot be deployed, each for a reason of its own."""

import os
import sys
import threading

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier


class Unstorable(DecisionTreeClassifier):
    """Keeps a function that it made while fitting a frame, which no skops file can hold."""

    def fit(self, X, y, sample_weight=None):
        """As a tree is fitted."""
        if isinstance(X, pd.DataFrame):
            self.is_known_ = lambda column: column in X.columns
        return super().fit(X, y, sample_weight)


class FitsOnlyParts(DecisionTreeClassifier):
    """Cannot be fitted on as many rows as the customer has."""

    def __init__(self, max_depth=None, random_state=None, most_rows=70):
        super().__init__(max_depth=max_depth, random_state=random_state)
        self.most_rows = most_rows

    def fit(self, X, y, sample_weight=None):
        """As a tree is fitted, on few rows."""
        if len(X) > self.most_rows:
            raise ValueError(f"{len(X)} rows are too many")
        return super().fit(X, y, sample_weight)


class DiffersElsewhere(DecisionTreeClassifier):
    """Predicts something else in another process than the one that fitted it."""

    def fit(self, X, y, sample_weight=None):
        """As a tree is fitted."""
        self.process_ = os.getpid()
        return super().fit(X, y, sample_weight)

    def predict(self, X, check_input=True):
        """As a tree does, where it was fitted."""
        found = super().predict(X, check_input)
        return found if os.getpid() == self.process_ else np.full(len(X), "elsewhere")


class EndsItsReader(DiffersElsewhere):
    """Ends another process that asks it."""

    def predict(self, X, check_input=True):
        """As a tree does, where it was fitted."""
        if os.getpid() != self.process_:
            os._exit(3)
        return super().predict(X, check_input)


class ExitsElsewhere(DiffersElsewhere):
    """Leaves another process that asks it, as a program does that is done."""

    def predict(self, X, check_input=True):
        """As a tree does, where it was fitted."""
        if os.getpid() != self.process_:
            sys.exit(0)
        return super().predict(X, check_input)


class HangsElsewhere(DiffersElsewhere):
    """Never answers another process that asks it."""

    def predict(self, X, check_input=True):
        """As a tree does, where it was fitted."""
        if os.getpid() != self.process_:
            threading.Event().wait()
        return super().predict(X, check_input)


class Waits(DecisionTreeClassifier):
    """Answers only once it may."""

    may = threading.Event()

    def predict(self, X, check_input=True):
        """As a tree does, in time."""
        self.may.wait()
        return super().predict(X, check_input)
