"""A candidate's scores on a customer's folds, the quick way: equal work is done once.

What candidates and studies of one customer have in common is kept in the worker's cache: the rows
of each fold, and the output of every pipeline prefix (equal steps with equal parameters, fitted on
the same fold). What the data was checked for once is not checked again at every fit. The scores
are those of `score_plainly` to the last bit; whatever cannot be shared safely goes that way:

- inputs that are shared are read-only, so an estimator that changes its input fails here, not
  silently, and is scored plainly;
- the same is done after any other error, so a candidate's failure is always scikit-learn's own.

Touches scikit-learn; takes an unfitted estimator and `Prepared`; gives `FoldScores`; workers.
"""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.metrics import check_scoring
from sklearn.pipeline import Pipeline
from sklearn.utils import _safe_indexing, get_tags

from orchestrator.training.cache import SharedCache
from orchestrator.training.prepared import Prepared, is_finite, nbytes
from orchestrator.training.scoring import FoldScores, fit_params, score_plainly


def score(
    estimator: Any, prepared: Prepared, metrics: Sequence[str], cache: SharedCache
) -> FoldScores:
    """The scores of an unfitted estimator on every fold.

    The seconds of a shared prefix count in full for every candidate that uses it: they say what
    fitting the candidate costs, not who came first.

    Raises:
        Exception: Whatever the estimator or a metric raises.
    """
    if not _is_shareable(estimator):
        return score_plainly(estimator, prepared, metrics)
    try:
        folds = [
            _score_fold(estimator, _Fold(prepared, number, cache), metrics)
            for number in range(len(prepared.folds))
        ]
    except Exception:  # noqa: BLE001 - the plain way decides whether it was the candidate's fault
        return score_plainly(estimator, prepared, metrics)
    return FoldScores(
        scores={metric: tuple(fold.scores[metric] for fold in folds) for metric in metrics},
        fit_seconds=tuple(fold.fit_seconds for fold in folds),
        score_seconds=tuple(fold.score_seconds for fold in folds),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _FoldScore:
    scores: dict[str, float]
    fit_seconds: float
    score_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Inputs:
    """What a step of a pipeline is fitted and asked on; read-only, as candidates share it.

    `fit_seconds` and `score_seconds` are what the steps before it took.
    """

    X_train: Any
    X_test: Any
    finite: bool
    fit_seconds: float = 0.0
    score_seconds: float = 0.0

    @property
    def nbytes(self) -> int:
        return nbytes(self.X_train) + nbytes(self.X_test)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Targets:
    y_train: Any
    y_test: Any
    weight_train: Any

    @property
    def nbytes(self) -> int:
        return nbytes(self.y_train) + nbytes(self.y_test)


class _Fold:
    """One fold of a customer's data: its rows, and what prefixes make of them."""

    def __init__(self, prepared: Prepared, number: int, cache: SharedCache) -> None:
        self.number = number
        self._prepared, self._cache = prepared, cache
        self._train, self._test = prepared.folds[number]
        self.targets = cache.get((prepared.key, number, "targets"), self._cut_targets)

    def inputs(self, steps: Sequence[Any]) -> _Inputs:
        """What comes out of these transformers, fitted on the fold's training rows."""
        chain = tuple(pickle.dumps(step) for step in steps)
        key = (self._prepared.key, self.number, "inputs", chain)
        return self._cache.get(key, lambda: self._transform(steps) if steps else self._cut())

    def _cut(self) -> _Inputs:
        data = self._prepared.data
        return _Inputs(
            X_train=_read_only(_safe_indexing(data.X, self._train)),
            X_test=_read_only(_safe_indexing(data.X, self._test)),
            finite=self._prepared.finite,
        )

    def _cut_targets(self) -> _Targets:
        data = self._prepared.data
        weight = data.sample_weight
        return _Targets(
            y_train=_read_only(_safe_indexing(data.y, self._train)),
            y_test=_read_only(_safe_indexing(data.y, self._test)),
            weight_train=None if weight is None else _safe_indexing(weight, self._train),
        )

    def _transform(self, steps: Sequence[Any]) -> _Inputs:
        before = self.inputs(steps[:-1])
        step = clone(steps[-1])
        with self.checked_once(step, before):
            began = perf_counter()
            X_train = _fit_transform(step, _lent(before.X_train), _lent(self.targets.y_train))
            fitted = perf_counter()
            X_test = step.transform(_lent(before.X_test))
            ended = perf_counter()
        return _Inputs(
            X_train=_read_only(X_train),
            X_test=_read_only(X_test),
            finite=is_finite(X_train) and is_finite(X_test),
            fit_seconds=before.fit_seconds + fitted - began,
            score_seconds=before.score_seconds + ended - fitted,
        )

    def checked_once(self, estimator: Any, inputs: _Inputs) -> Any:
        """Leave out checks that cannot fail: of parameters after the first fold, of finite X."""
        return config_context(
            skip_parameter_validation=self.number > 0,
            assume_finite=inputs.finite and _checks_only_its_input(estimator),
        )


def _score_fold(estimator: Any, fold: _Fold, metrics: Sequence[str]) -> _FoldScore:
    *transformers, final = _steps(estimator)
    inputs, targets = fold.inputs(transformers), fold.targets
    final = clone(final)
    weight = fit_params(final, targets.weight_train)
    with fold.checked_once(final, inputs):
        began = perf_counter()
        final.fit(_lent(inputs.X_train), _lent(targets.y_train), **weight)
        fitted = perf_counter()
    with config_context(skip_parameter_validation=True):
        scorer = check_scoring(scoring=list(metrics), raise_exc=True)
        scores = scorer(final, _lent(inputs.X_test), _lent(targets.y_test))
        ended = perf_counter()
    return _FoldScore(
        scores={metric: float(value) for metric, value in scores.items()},
        fit_seconds=inputs.fit_seconds + fitted - began,
        score_seconds=inputs.score_seconds + ended - fitted,
    )


def _steps(estimator: Any) -> list[Any]:
    if isinstance(estimator, Pipeline):
        return [step for _, step in estimator.steps]
    return [estimator]


def _is_shareable(estimator: Any) -> bool:
    """Whether rows alone decide a fold, and a pipeline's steps depend on nothing outside it."""
    if get_tags(estimator).input_tags.pairwise:
        return False
    params = estimator.get_params(deep=True)
    if isinstance(estimator, Pipeline):
        alone = estimator.memory is None and estimator.transform_input is None
    else:
        alone = True
    return alone and not any(
        value is True for name, value in params.items() if name.endswith("warm_start")
    )


def _checks_only_its_input(estimator: Any) -> bool:
    """Whether finite input makes all of an estimator's checks for finiteness superfluous.

    So with scikit-learn's own estimators that hold no others: what an inner step makes of finite
    numbers need not be finite.
    """
    return type(estimator).__module__.startswith("sklearn.") and not any(
        "__" in name for name in estimator.get_params(deep=True)
    )


def _fit_transform(step: Any, X: Any, y: Any) -> Any:
    if hasattr(step, "fit_transform"):
        return step.fit_transform(X, y)
    return step.fit(X, y).transform(X)


def _read_only(values: Any) -> Any:
    """The same values, which raise when written to, as far as their type can."""
    for array in (values.data, values.indices, values.indptr) if _is_compressed(values) else ():
        array.flags.writeable = False
    if isinstance(values, np.ndarray):
        values.flags.writeable = False
    return values


def _is_compressed(values: Any) -> bool:
    return sparse.issparse(values) and values.format in {"csr", "csc"}


def _lent(values: Any) -> Any:
    """For one estimator: pandas copies on write, so a shallow copy keeps what is shared as is."""
    if isinstance(values, pd.DataFrame | pd.Series):
        return values.copy(deep=False)
    return values
