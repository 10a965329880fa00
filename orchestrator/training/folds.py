"""One fold of a customer's data: its rows, and what pipeline prefixes make of them, kept.

What is kept is shared by candidates and studies, hence read-only. Checks that cannot fail are left
out: of parameters after the first fold, of finite numbers in data that was found finite.

Touches scikit-learn; takes `Prepared` and unfitted transformers; gives inputs and targets; workers.
"""

import pickle
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from orchestrator.training.cache import SharedCache
from orchestrator.training.metrics import BinaryTargets, binary_targets
from orchestrator.training.prepared import Prepared, is_finite, nbytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a step of a pipeline is fitted on and asked about.

    Attributes:
        X_train: Of the training rows, read-only; hand it to an estimator through `lent`.
        X_test: Of the test rows, likewise.
        finite: All of both are finite numbers.
        fit_seconds: What fitting the steps before took.
        score_seconds: What their transforming of the test rows took.
    """

    X_train: Any
    X_test: Any
    finite: bool
    fit_seconds: float = 0.0
    score_seconds: float = 0.0

    @property
    def nbytes(self) -> int:
        """Bytes, about."""
        return nbytes(self.X_train) + nbytes(self.X_test)


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """The targets of a fold, read-only, and the weights of its training rows, if any."""

    y_train: Any
    y_test: Any
    binary: BinaryTargets | None
    weight_train: Any

    @property
    def nbytes(self) -> int:
        """Bytes, about."""
        return nbytes(self.y_train) + 2 * nbytes(self.y_test) + nbytes(self.weight_train)


class Fold:
    """One fold, by its number; cheap to make, what is dear is in the cache."""

    def __init__(self, prepared: Prepared, number: int, cache: SharedCache) -> None:
        self._prepared, self._number, self._cache = prepared, number, cache
        self._train, self._test = prepared.folds[number]
        self.targets = cache.get((prepared.key, number, "targets"), self._cut_targets)

    def inputs(self, transformers: Sequence[Any]) -> Inputs:
        """What comes out of these steps, fitted on the fold's training rows."""
        chain = tuple(pickle.dumps(step) for step in transformers)
        key = (self._prepared.key, self._number, "inputs", chain)
        make = self._cut if not transformers else lambda: self._transform(transformers)
        return self._cache.get(key, make)

    def checked_once(self, estimator: Any, inputs: Inputs) -> AbstractContextManager[None]:
        """Within it, scikit-learn leaves out the checks that cannot fail for this estimator."""
        context: AbstractContextManager[None] = config_context(
            skip_parameter_validation=self._number > 0,
            assume_finite=inputs.finite and _checks_only_its_input(estimator),
        )
        return context

    def _cut(self) -> Inputs:
        data = self._prepared.data
        return Inputs(
            X_train=_read_only(_safe_indexing(data.X, self._train)),
            X_test=_read_only(_safe_indexing(data.X, self._test)),
            finite=self._prepared.finite,
        )

    def _cut_targets(self) -> Targets:
        data = self._prepared.data
        y_test = _safe_indexing(data.y, self._test)
        weight = data.sample_weight
        return Targets(
            y_train=_read_only(_safe_indexing(data.y, self._train)),
            y_test=_read_only(y_test),
            binary=binary_targets(y_test),
            weight_train=None if weight is None else _safe_indexing(weight, self._train),
        )

    def _transform(self, transformers: Sequence[Any]) -> Inputs:
        before = self.inputs(transformers[:-1])
        step = clone(transformers[-1])
        with self.checked_once(step, before):
            began = perf_counter()
            X_train = _fit_transform(step, lent(before.X_train), lent(self.targets.y_train))
            fitted = perf_counter()
            X_test = step.transform(lent(before.X_test))
            ended = perf_counter()
        return Inputs(
            X_train=_read_only(X_train),
            X_test=_read_only(X_test),
            finite=is_finite(X_train) and is_finite(X_test),
            fit_seconds=before.fit_seconds + fitted - began,
            score_seconds=before.score_seconds + ended - fitted,
        )


def lent(values: Any) -> Any:
    """Shared rows for one estimator.

    pandas copies on write, so a shallow copy of a frame keeps the shared one as it is.
    """
    if isinstance(values, pd.DataFrame | pd.Series):
        return values.copy(deep=False)
    return values


def _fit_transform(step: Any, X: Any, y: Any) -> Any:
    """As `Pipeline` does it."""
    if hasattr(step, "fit_transform"):
        return step.fit_transform(X, y)
    return step.fit(X, y).transform(X)


def _read_only(values: Any) -> Any:
    """The same values, which raise when written to, as far as their type can."""
    if isinstance(values, np.ndarray):
        values.flags.writeable = False
    elif sparse.issparse(values) and values.format in {"csr", "csc"}:
        for array in (values.data, values.indices, values.indptr):
            array.flags.writeable = False
    return values


def _checks_only_its_input(estimator: Any) -> bool:
    """Whether finite input makes all of an estimator's checks for finite numbers superfluous.

    So with scikit-learn's own estimators that hold no others: what an inner step makes of finite
    numbers need not be finite.
    """
    return type(estimator).__module__.startswith("sklearn.") and not any(
        "__" in name for name in estimator.get_params(deep=True)
    )
