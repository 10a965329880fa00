"""Ensembles that differ only in their number of iterations: fitted once a fold, and grown.

A forest of 200 trees begins with the 100 trees of a smaller one of the same seed. So a grid of
100, 200, 400 needs 400 trees and not 700, and a candidate that halving promotes needs only the
trees it does not have yet. This applies only to estimators whose grown or shortened fits equal
separate fits to the last bit, which the tests verify, and only where no early stopping is set.

Touches scikit-learn; takes an unfitted estimator; gives a fitted one and its seconds; workers.
"""

import copy
import pickle
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from time import perf_counter
from typing import Any

from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

_LARGEST = 16 * 2**20
"""The largest fitted ensemble that is kept for growing, in bytes; larger ones are not kept."""


_AROUND = 512
"""The measured bytes of the objects around the nodes of one tree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """The attributes by which a kind of ensemble is grown and shortened.

    Attributes:
        iterations: The name of the parameter that sets the number of iterations.
        fitted: The name of the fitted attribute that holds one entry an iteration.
        never_stops: A function that returns whether an unfitted estimator does all its iterations,
            each independent of the total.
        nbytes: A function that returns the approximate size of a fitted estimator in bytes.
    """

    iterations: str
    fitted: str
    never_stops: Callable[[Any], bool]
    nbytes: Callable[[Any], int]


def _tree_bytes(estimator: Any) -> int:
    trees = (tree.tree_ for row in estimator.estimators_ for tree in getattr(row, "flat", (row,)))
    return sum(tree.node_count * 64 + tree.value.nbytes + _AROUND for tree in trees)


def _node_bytes(estimator: Any) -> int:
    return sum(
        tree.nodes.nbytes + _AROUND
        for trees in estimator._predictors  # noqa: SLF001 - no public attribute gives the size
        for tree in trees
    )


_FOREST = Ensemble(
    iterations="n_estimators",
    fitted="estimators_",
    never_stops=lambda e: not e.oob_score and not isinstance(getattr(e, "class_weight", None), str),
    nbytes=_tree_bytes,
)
_BOOSTED = Ensemble(
    iterations="n_estimators",
    fitted="estimators_",
    never_stops=lambda e: e.n_iter_no_change is None and not hasattr(e.init, "fit"),
    nbytes=_tree_bytes,
)
_HISTOGRAMS = Ensemble(
    iterations="max_iter",
    fitted="_predictors",
    never_stops=lambda e: e.early_stopping is False,
    nbytes=_node_bytes,
)
_ENSEMBLES: dict[type, Ensemble] = {
    ExtraTreesClassifier: _FOREST,
    ExtraTreesRegressor: _FOREST,
    RandomForestClassifier: _FOREST,
    RandomForestRegressor: _FOREST,
    GradientBoostingClassifier: _BOOSTED,
    GradientBoostingRegressor: _BOOSTED,
    HistGradientBoostingClassifier: _HISTOGRAMS,
    HistGradientBoostingRegressor: _HISTOGRAMS,
}


def ensemble(estimator: Any) -> Ensemble | None:
    """Return the kind of an unfitted estimator; None if a grown one may differ from a new one."""
    kind = _ENSEMBLES.get(type(estimator))
    if kind is None or estimator.warm_start or type(estimator.random_state) is not int:
        return None
    wanted = getattr(estimator, kind.iterations)
    return kind if type(wanted) is int and wanted > 0 and kind.never_stops(estimator) else None


def key_of(estimator: Any, kind: Ensemble) -> bytes:
    """Return a key that is equal for estimators that differ only in their iterations."""
    return pickle.dumps(copy.copy(estimator).set_params(**{kind.iterations: 1}))


class Grown:
    """One ensemble fitted on the training rows of one fold, of the largest size requested."""

    nbytes = 0
    """The ensemble's current approximate size in bytes; the cache reads it again after each fit."""

    def __init__(self) -> None:
        self._estimator: Any = None
        self._sizes: list[int] = [0]
        self._seconds: list[float] = [0.0]
        self._lock = Lock()

    def fitted(
        self, estimator: Any, kind: Ensemble, fit: Callable[[Any], Any]
    ) -> tuple[Any, float]:
        """Return an estimator as if it had been fitted alone, and the seconds that would take.

        Args:
            estimator: The unfitted estimator, with its number of iterations.
            kind: The kind of ensemble that the estimator is.
            fit: A function that fits an estimator on the training rows.
        """
        wanted = getattr(estimator, kind.iterations)
        with self._lock:
            if wanted > self._sizes[-1]:
                self._grow(estimator, kind, fit, wanted)
            grown, seconds = self._estimator, self._seconds_of(wanted)
            self.nbytes = kind.nbytes(grown)
            if self.nbytes > _LARGEST:
                self._forget()
        return _shortened(grown, kind, wanted), seconds

    def _grow(self, estimator: Any, kind: Ensemble, fit: Callable[[Any], Any], wanted: int) -> None:
        growing = copy.deepcopy(estimator) if self._estimator is None else self._estimator
        growing.set_params(**{kind.iterations: wanted, "warm_start": True})
        before, began = self._seconds[-1], perf_counter()
        try:
            fit(growing)
        except BaseException:
            self._forget()  # it may be only partly grown
            raise
        self._estimator = growing
        self._sizes.append(wanted)
        self._seconds.append(before + perf_counter() - began)

    def _seconds_of(self, wanted: int) -> float:
        """The seconds of the first iterations, interpolated linearly between two fitted sizes."""
        place = bisect_left(self._sizes, wanted)
        low, high = self._sizes[place - 1], self._sizes[place]
        before, after = self._seconds[place - 1], self._seconds[place]
        return before + (after - before) * (wanted - low) / (high - low)

    def _forget(self) -> None:
        self._estimator, self._sizes, self._seconds, self.nbytes = None, [0], [0.0], 0


def _shortened(grown: Any, kind: Ensemble, wanted: int) -> Any:
    """Return a copy with the first iterations; it shares the fitted parts, which never change."""
    short = copy.copy(grown)
    setattr(short, kind.fitted, getattr(grown, kind.fitted)[:wanted])
    if kind is _BOOSTED:
        short.n_estimators_ = wanted
    return short.set_params(**{kind.iterations: wanted, "warm_start": False})
