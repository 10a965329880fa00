"""A customer's data, loaded, checked and split once for all of the customer's studies.

Touches numpy, pandas and scikit-learn's splitters; takes a `Study`; gives `PreparedData`; workers.
"""

import sys
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from orchestrator.identity import derive_seed, digest
from orchestrator.records import Customer, Evaluation, Study
from orchestrator.training.cache import SharedCache
from orchestrator.training.data import Data, DataError, Loader, find_loader

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedData:
    """One customer's data and folds, checked.

    Attributes:
        key: The cache key; equal keys mean equal data and folds.
        data: The rows; `y` is an array or a Series, never a list.
        rows: The number of rows.
        version: The version of the data; "" if it is not known.
        finite: Whether every number of X and of the weights is finite, also as a float32, so that
            checks for that can be left out.
        folds: The train and test positions of each fold; empty if the data cannot be split.
        problem: The reason why the data cannot be split; "" if it can.
    """

    key: Hashable
    data: Data
    rows: int
    version: str
    finite: bool
    folds: tuple[tuple[Indices, Indices], ...]
    problem: str = ""

    @property
    def nbytes(self) -> int:
        """The approximate size of the data and the folds in bytes."""
        positions = sum(train.nbytes + test.nbytes for train, test in self.folds)
        return nbytes(self.data.X) + nbytes(self.data.y) + positions


def prepare(study: Study, cache: SharedCache) -> PreparedData:
    """Return the study's data, from the cache if another study of the customer has loaded it.

    Data of an unknown version is shared only within a flow run, and never outside of one.

    Raises:
        DataError: The data cannot be used at all.
        ConfigError: The loader cannot be found.
    """
    evaluation, customer = study.evaluation, study.customer
    loader = find_loader(evaluation.loader)
    version = study.data_version or loader.version_of(customer)
    seen = digest(customer.id, customer.data, customer.segment, list(customer.tags))
    freshness = version or study.flow_run or object()
    split = (evaluation.folds, evaluation.seed, evaluation.task)
    # The key holds the loader's id, because a callable object need not be hashable.
    key = (loader.path, id(loader.load), seen, freshness, split)
    return cache.get(key, lambda: _load(loader, study, version or "", key))


def nbytes(values: Any) -> int:
    """The approximate memory of rows in bytes; 0 for unknown types."""
    if isinstance(values, pd.DataFrame):
        return int(values.memory_usage().sum())
    if sparse.issparse(values):
        arrays = (getattr(values, name, None) for name in ("data", "indices", "indptr"))
        return sum(int(array.nbytes) for array in arrays if array is not None)
    if isinstance(values, list):
        return sum(map(sys.getsizeof, values))
    return int(getattr(values, "nbytes", 0))


def _load(loader: Loader, study: Study, version: str, key: Hashable) -> PreparedData:
    data = _checked(loader(study.customer), study)
    folds, problem = _split(data, study.evaluation, study.customer)
    return PreparedData(
        key=key,
        data=data,
        rows=_rows(data.X),
        version=version,
        finite=is_finite(data.X) and _are_finite_weights(data.sample_weight),
        folds=folds,
        problem=problem,
    )


def _checked(data: Data, study: Study) -> Data:
    whose = f"customer {study.customer.id!r}: loader {study.evaluation.loader} returned"
    data = Data(
        X=_unmasked(data.X),
        y=_unmasked(data.y),
        groups=_unmasked(data.groups),
        sample_weight=_unmasked(data.sample_weight),
    )
    y = data.y if isinstance(data.y, pd.Series | pd.DataFrame) else np.asarray(data.y)
    _require_equal_lengths(data, y, whose)
    rows = _rows(data.X)
    if rows == 0:
        raise DataError(f"{whose} no rows; leave the customer out of the registry or mend its data")
    missing = int(np.asarray(pd.isna(y)).sum())
    if missing:
        raise DataError(f"{whose} {missing} of {rows} rows without a target; drop them")
    if study.evaluation.task == "regression" and not is_finite(y):
        raise DataError(f"{whose} targets that are not finite numbers")
    X = data.X.tocsr() if sparse.issparse(data.X) else data.X  # as `cross_validate` does
    return Data(X=X, y=y, groups=data.groups, sample_weight=data.sample_weight)


def _unmasked(values: Any) -> Any:
    """The values for scikit-learn: masked entries are made missing, other types are unchanged."""
    if not isinstance(values, np.ma.MaskedArray):
        return values
    if not np.ma.is_masked(values):
        return values.data
    if values.dtype.kind == "f":
        return np.ma.filled(values, np.nan)
    if values.dtype.kind in "biu":
        return np.ma.filled(values.astype("float64"), np.nan)
    return np.ma.filled(values.astype(object), None)


def _require_equal_lengths(data: Data, y: Any, whose: str) -> None:
    lengths = {}
    columns = {"X": data.X, "y": y, "groups": data.groups, "sample_weight": data.sample_weight}
    for name, values in columns.items():
        if values is None and name in {"groups", "sample_weight"}:
            continue
        try:
            lengths[name] = _rows(values)
        except (TypeError, IndexError) as error:
            raise DataError(f"{whose} no rows as {name} but {type(values).__name__}") from error
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        raise DataError(f"{whose} unequal numbers of rows: {found}")


def _rows(values: Any) -> int:
    return int(values.shape[0]) if hasattr(values, "shape") else len(values)


def is_finite(values: Any) -> bool:
    """Whether all values are finite numbers, also when cast to float32, as trees do."""
    if isinstance(values, pd.DataFrame | pd.Series):
        try:
            values = values.to_numpy(dtype="float64")
        except (TypeError, ValueError):
            return False
    numbers = values.data if sparse.issparse(values) else values
    if not isinstance(numbers, np.ndarray) or numbers.dtype.kind not in "biuf":
        return False
    largest = np.abs(numbers, dtype="float64").max(initial=0.0)
    return bool(largest <= np.finfo(np.float32).max)  # False for NaN, too


def _are_finite_weights(weights: Any) -> bool:
    return weights is None or is_finite(np.asarray(weights))


def _split(
    data: Data, evaluation: Evaluation, customer: Customer
) -> tuple[tuple[tuple[Indices, Indices], ...], str]:
    """Return the folds, or no folds and the reason, which may be a splitter's own message."""
    rows, folds = _rows(data.X), evaluation.folds
    if rows < folds:
        return (), f"{rows} rows are too few for {folds} folds"
    if evaluation.task == "classification" and len(classes := np.unique(np.asarray(data.y))) < 2:
        return (), f"the target has one class only ({classes.item()}) in {rows} rows"
    seed = derive_seed(evaluation.seed, customer.id, "folds")
    splitter = _splitter(evaluation, seed, grouped=data.groups is not None)
    try:
        return tuple(splitter.split(data.X, data.y, data.groups)), ""
    except ValueError as error:
        return (), f"cannot be split into {folds} folds: {error}"


def _splitter(evaluation: Evaluation, seed: int, *, grouped: bool) -> Any:
    if evaluation.task == "classification":
        kind = StratifiedGroupKFold if grouped else StratifiedKFold
    else:
        kind = GroupKFold if grouped else KFold
    return kind(n_splits=evaluation.folds, shuffle=True, random_state=seed)
