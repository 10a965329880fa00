"""The final fit of a study's winner, on all rows.

Touches scikit-learn through its sibling modules; takes a `Trial`; gives `Fitted`; workers.
"""

import copy
import time
from dataclasses import dataclass
from typing import Any

import pandas as pd
from sklearn.utils import _safe_indexing

from orchestrator.records import Trial
from orchestrator.training.cache import SharedCache, of_this_process
from orchestrator.training.candidates import candidate
from orchestrator.training.dataset import prepare
from orchestrator.training.isolation import isolated
from orchestrator.training.plain_scoring import fit_params

_SAMPLE_ROWS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """An estimator fitted on all rows of a customer.

    Attributes:
        trial: The trial that the estimator comes from.
        estimator: The fitted estimator or pipeline.
        sample: The first rows of X as the loader gave them; no estimator can have changed them.
        predictions: The estimator's predictions for the sample; None if it cannot predict.
        rows: The number of rows it was fitted on.
        data_version: The version of the data; "" if it is not known.
        seconds: The seconds that fitting took.
    """

    trial: Trial
    estimator: Any
    sample: Any
    predictions: Any
    rows: int
    data_version: str
    seconds: float


def refit(trial: Trial, cache: SharedCache | None = None) -> Fitted:
    """Fit a trial's estimator on all rows, with the seeds that its scores were computed with.

    Raises:
        DataError: The customer's data cannot be used.
        Exception: Whatever the estimator raises.
    """
    with isolated(trial.study.key):
        prepared = prepare(trial.study, of_this_process() if cache is None else cache)
        data, estimator = prepared.data, candidate(trial, prepared.data.y)
        sample = _safe_indexing(data.X, list(range(min(_SAMPLE_ROWS, prepared.rows))))
        weight = fit_params(estimator, _own(data.sample_weight))
        X, y = _own(data.X), _own(data.y)
        began = time.perf_counter()
        estimator.fit(X, y, **weight)
        seconds = time.perf_counter() - began
        predictions = (
            estimator.predict(copy.deepcopy(sample)) if hasattr(estimator, "predict") else None
        )
    return Fitted(
        trial=trial,
        estimator=estimator,
        sample=sample,
        predictions=predictions,
        rows=prepared.rows,
        data_version=prepared.version,
        seconds=seconds,
    )


def _own(values: Any) -> Any:
    """Return a copy that an estimator may change; other candidates share the original rows.

    pandas copies on write, so a shallow copy of a frame suffices. For an array, `copy.copy` keeps
    the memory order, which the last bits of a fit depend on.
    """
    if isinstance(values, pd.DataFrame | pd.Series):
        return values.copy(deep=False)
    return copy.copy(values)
