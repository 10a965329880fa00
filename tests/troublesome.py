"""An estimator that hangs or kills its process, as the rows' customer wants it."""

import os
import time

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class Troublesome(ClassifierMixin, BaseEstimator):
    """Constant, unless its parameter is the one that makes trouble."""

    def __init__(self, trouble="none", kills="some", hangs="other", armed=""):
        self.trouble, self.kills, self.hangs, self.armed = trouble, kills, hangs, armed

    def fit(self, X, y):
        """Learn the share of each class, or never return."""
        if self.armed == "kills" and self.trouble == self.kills:
            os._exit(1)
        if self.armed == "hangs" and self.trouble == self.hangs:
            time.sleep(600)
        self.classes_, counts = np.unique(y, return_counts=True)
        self.shares_ = counts / counts.sum()
        return self

    def predict_proba(self, X):
        """The same for every row."""
        return np.tile(self.shares_, (len(X), 1))

    def predict(self, X):
        """The commonest class."""
        return np.full(len(X), self.classes_[self.shares_.argmax()])
