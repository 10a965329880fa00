"""Estimators that hang, kill their process, fill memory or wait for others, as they are told."""

import os
import time
from pathlib import Path

import numpy as np
from distributed import Event
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier


class Patient(DummyClassifier):
    """One of several on a cluster; that with `waits` is fitted after `others` that have another."""

    def __init__(self, strategy="prior", number=0, waits=0, others=4, folder=""):
        super().__init__(strategy=strategy)
        self.number, self.waits, self.others, self.folder = number, waits, others, folder

    def fit(self, X, y, sample_weight=None):
        """Learn the share of each class, in the end."""
        may_end = Event(self.folder)
        if self.number == self.waits:
            if not may_end.wait(60):
                raise TimeoutError
        else:
            (Path(self.folder) / str(self.number)).touch()
            if len(list(Path(self.folder).iterdir())) >= self.others:
                may_end.set()
        return super().fit(X, y, sample_weight)


class Sleepy(DummyClassifier):
    """One of several equals; its fits overlap with those of others, if they may."""

    def __init__(self, strategy="prior", number=0):
        super().__init__(strategy=strategy)
        self.number = number

    def fit(self, X, y, sample_weight=None):
        """Learn the share of each class, a little later."""
        time.sleep(0.02)
        return super().fit(X, y, sample_weight)


class Troublesome(ClassifierMixin, BaseEstimator):
    """Constant, unless its parameter is the one that makes trouble."""

    def __init__(self, trouble="none", kills="some", hangs="other", fills="other", armed=""):
        self.trouble, self.kills, self.hangs, self.fills = trouble, kills, hangs, fills
        self.armed = armed

    def fit(self, X, y):
        """Learn the share of each class, or never return."""
        if "kills" in self.armed and self.trouble == self.kills:
            os._exit(1)
        if "hangs" in self.armed and self.trouble == self.hangs:
            time.sleep(600)
        if "fills" in self.armed and self.trouble == self.fills:
            filled = []
            while True:  # a little at a time, so that no more than the limit is ever used
                filled.append(np.ones(2**22))
                time.sleep(0.02)
        self.classes_, counts = np.unique(y, return_counts=True)
        self.shares_ = counts / counts.sum()
        return self

    def predict_proba(self, X):
        """The same for every row."""
        return np.tile(self.shares_, (len(X), 1))

    def predict(self, X):
        """The commonest class."""
        return np.full(len(X), self.classes_[self.shares_.argmax()])
