"""One fold of a customer's data: its rows, and the cached output of pipeline prefixes.

Candidates and studies share the cached values, which are therefore read-only. Checks that cannot
fail are left out: those of parameters after the first fold, and those for finite numbers in data
that was found finite.

Touches scikit-learn, numpy and pandas; takes `PreparedData` and `CandidateStep`s; gives the rows
that a step is fitted on and scored on; workers.
"""

import copy
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn import config_context
from sklearn.utils import _safe_indexing

from orchestrator.training.cache import SharedCache, Sized
from orchestrator.training.candidates import CandidateStep
from orchestrator.training.dataset import PreparedData, is_finite, nbytes
from orchestrator.training.fast_metrics import BinaryTargets, binary_targets

V = TypeVar("V", bound=Sized)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The features that a step of a pipeline is fitted on and scored on.

    Attributes:
        X_train: The features of the training rows, read-only; pass them to an estimator through
            `lent`.
        X_test: The features of the test rows, likewise.
        finite: Whether all values of both are finite numbers.
        fit_seconds: The seconds that fitting the steps before this one took.
        score_seconds: The seconds that those steps took to transform the test rows.
    """

    X_train: Any
    X_test: Any
    finite: bool
    fit_seconds: float = 0.0
    score_seconds: float = 0.0

    @property
    def nbytes(self) -> int:
        """The approximate size in bytes."""
        return nbytes(self.X_train) + nbytes(self.X_test)


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """The targets of a fold, read-only, and the weights of its training rows, if any.

    Copy the weights for each fit: some of scikit-learn's estimators reject read-only weights.
    """

    y_train: Any
    y_test: Any
    binary: BinaryTargets | None
    weight_train: Any

    @property
    def nbytes(self) -> int:
        """The approximate size in bytes."""
        return nbytes(self.y_train) + 2 * nbytes(self.y_test) + nbytes(self.weight_train)


class Fold:
    """One fold, by its number; it is cheap to make, because the expensive values are cached."""

    def __init__(self, prepared: PreparedData, number: int, cache: SharedCache) -> None:
        self._prepared, self._number, self._cache = prepared, number, cache
        self._train, self._test = prepared.folds[number]
        self.targets = self.kept("targets", self._cut_targets)

    @property
    def is_later(self) -> bool:
        """Whether the first fold has already checked the parameters of estimators and metrics."""
        return self._number > 0

    def inputs(self, steps: Sequence[CandidateStep]) -> Inputs:
        """Return the inputs of the last step, once the others are fitted on the training rows."""
        *transformers, last = steps
        if not transformers:
            as_array = last.plain and _is_one_number_type(self._prepared.data.X)
            kind = "array" if as_array else "rows"
            return self.kept(kind, lambda: self._cut(as_array=as_array))
        chain = tuple(step.key for step in transformers)
        return self.kept(chain, lambda: self._transform(transformers))

    def y_train(self, step: CandidateStep) -> Any:
        """Return the training targets for a step."""
        y = self.targets.y_train
        return np.asarray(y) if step.plain and isinstance(y.dtype, np.dtype) else lent(y)

    def checked_once(self, step: CandidateStep, inputs: Inputs) -> AbstractContextManager[None]:
        """Return a context in which scikit-learn skips checks that cannot fail for this step."""
        context: AbstractContextManager[None] = config_context(
            skip_parameter_validation=self.is_later,
            assume_finite=inputs.finite and step.plain,
        )
        return context

    def kept(self, what: Hashable, make: Callable[[], V]) -> V:
        """Return a cached value of this fold, which is made once."""
        return self._cache.get(self._named(what), make)

    @contextmanager
    def changing(self, what: Hashable, make: Callable[[], V]) -> Iterator[V]:
        """Give a cached value of this fold that may grow within the context."""
        try:
            yield self._cache.get(self._named(what), make)
        finally:
            self._cache.weigh(self._named(what))

    def _named(self, what: Hashable) -> Hashable:
        return self._prepared.key, self._number, what

    def _cut(self, *, as_array: bool) -> Inputs:
        X = self._prepared.data.X
        train, test = _safe_indexing(X, self._train), _safe_indexing(X, self._test)
        return Inputs(
            X_train=_read_only(np.asarray(train) if as_array else train),
            X_test=_read_only(np.asarray(test) if as_array else test),
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

    def _transform(self, transformers: Sequence[CandidateStep]) -> Inputs:
        before, last = self.inputs(transformers), transformers[-1]
        transformer = last.fresh()
        with self.checked_once(last, before):
            began = perf_counter()
            X_train = _fit_transform(transformer, lent(before.X_train), self.y_train(last))
            fitted = perf_counter()
            X_test = transformer.transform(lent(before.X_test))
            ended = perf_counter()
        return Inputs(
            X_train=_read_only(X_train),
            X_test=_read_only(X_test),
            finite=is_finite(X_train) and is_finite(X_test),
            fit_seconds=before.fit_seconds + fitted - began,
            score_seconds=before.score_seconds + ended - fitted,
        )


def lent(values: Any) -> Any:
    """Return shared rows in a form that one estimator may use.

    pandas copies on write, so a shallow copy of a frame protects the shared one from changes. The
    same holds for a list of texts, and for a sparse matrix, whose arrays are read-only but could be
    replaced.
    """
    if isinstance(values, pd.DataFrame | pd.Series):
        return values.copy(deep=False)
    if isinstance(values, list) or sparse.issparse(values):
        return copy.copy(values)
    return values


def _fit_transform(transformer: Any, X: Any, y: Any) -> Any:
    """Fit and transform in the same way as `Pipeline`."""
    if hasattr(transformer, "fit_transform"):
        return transformer.fit_transform(X, y)
    return transformer.fit(X, y).transform(X)


def _is_one_number_type(X: Any) -> bool:
    """Whether this is a frame that an array of its values can replace without loss, names apart."""
    if not isinstance(X, pd.DataFrame):
        return False
    kinds, names = set(X.dtypes), {isinstance(name, str) for name in X.columns}
    # scikit-learn rejects a mixture of column names that are strings and names that are not, and
    # two columns of the same name.
    if len(names) != 1 or not X.columns.is_unique:
        return False
    return kinds in ({np.dtype("float64")}, {np.dtype("float32")})


def _read_only(values: Any) -> Any:
    """Return the same values, made read-only where their type allows it."""
    if isinstance(values, np.ndarray):
        values.flags.writeable = False
    elif sparse.issparse(values) and values.format in {"csr", "csc"}:
        for array in (values.data, values.indices, values.indptr):
            array.flags.writeable = False
    return values
