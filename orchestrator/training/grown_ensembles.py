"""Ensembles that differ in their number of iterations: fitted once a fold, and grown.

A forest of 200 trees begins with the 100 of a smaller one of the same seed, so that a grid of
100, 200, 400 needs 400 trees and not 700, and a candidate that halving promotes only the trees it
had not yet. Only estimators whose grown or shortened fits equal separate ones to the last bit, as
the tests hold, and only where nothing stops them early.

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
"""Bytes of a fitted ensemble that is kept to be grown; what is larger is fitted each time."""


_AROUND = 512
"""Bytes of the objects around the nodes of one tree, as measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ensemble:
    """How a kind of ensemble is grown and shortened.

    Attributes:
        iterations: The parameter that counts them.
        fitted: The attribute that holds one entry an iteration.
        never_stops: Whether an unfitted one does all its iterations, and each as if alone.
        nbytes: Of a fitted one, about.
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
        for trees in estimator._predictors  # noqa: SLF001 - it tells its size nowhere else
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
    """How an unfitted estimator is grown; None where separate fits might differ."""
    kind = _ENSEMBLES.get(type(estimator))
    if kind is None or estimator.warm_start or type(estimator.random_state) is not int:
        return None
    wanted = getattr(estimator, kind.iterations)
    return kind if type(wanted) is int and wanted > 0 and kind.never_stops(estimator) else None


def key_of(estimator: Any, kind: Ensemble) -> bytes:
    """Equal for estimators that differ in their iterations alone."""
    return pickle.dumps(copy.copy(estimator).set_params(**{kind.iterations: 1}))


class Grown:
    """One ensemble on the training rows of one fold, as large as it was ever asked for."""

    nbytes = 0
    """Of the ensemble now, about; whoever keeps it asks again after each fit."""

    def __init__(self) -> None:
        self._estimator: Any = None
        self._sizes: list[int] = [0]
        self._seconds: list[float] = [0.0]
        self._lock = Lock()

    def fitted(
        self, estimator: Any, kind: Ensemble, fit: Callable[[Any], Any]
    ) -> tuple[Any, float]:
        """An estimator as if it had been fitted by itself, and the seconds that would have taken.

        Args:
            estimator: Unfitted, with the iterations that are wanted.
            kind: Of the estimator.
            fit: Fits an estimator on the rows.
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
            self._forget()  # it may be grown by half
            raise
        self._estimator = growing
        self._sizes.append(wanted)
        self._seconds.append(before + perf_counter() - began)

    def _seconds_of(self, wanted: int) -> float:
        """Of all iterations from the first on; between two sizes each took equally long."""
        place = bisect_left(self._sizes, wanted)
        low, high = self._sizes[place - 1], self._sizes[place]
        before, after = self._seconds[place - 1], self._seconds[place]
        return before + (after - before) * (wanted - low) / (high - low)

    def _forget(self) -> None:
        self._estimator, self._sizes, self._seconds, self.nbytes = None, [0], [0.0], 0


def _shortened(grown: Any, kind: Ensemble, wanted: int) -> Any:
    """A copy with the first iterations; what is fitted is shared, and never changes."""
    short = copy.copy(grown)
    setattr(short, kind.fitted, getattr(grown, kind.fitted)[:wanted])
    if kind is _BOOSTED:
        short.n_estimators_ = wanted
    return short.set_params(**{kind.iterations: wanted, "warm_start": False})
