"""What a model takes and gives, as MLflow writes it down beside the model.

Touches MLflow, pandas and numpy; takes a fitted estimator and a sample of its data; gives a
`ModelSignature`; runs on workers.

MLflow's `infer_signature` looks at values, warns of integers, and runs the model. Column types and
the classes an estimator knows say the same, so equal tables share one signature.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

_Columns = tuple[tuple[str, str], ...]

_SAME_VALUES = {
    "bool": DataType.boolean,
    "int32": DataType.integer,
    "int64": DataType.long,
    "float32": DataType.float,
    "float64": DataType.double,
    "str": DataType.string,
}
"""MLflow's word for a column's type, where the two hold exactly the same values."""


def signature_of(estimator: Any, sample: Any) -> ModelSignature | None:
    """The signature of a model, or None where MLflow has no word for the data.

    A categorical column, for one, would reach the model as text if a signature said so, so that
    table is better passed on as it is.

    Args:
        estimator: A fitted classifier or regressor with one target.
        sample: Some rows of what it was fitted on.
    """
    if not isinstance(sample, pd.DataFrame) or not all(isinstance(c, str) for c in sample.columns):
        return None
    columns = tuple((name, str(dtype)) for name, dtype in sample.dtypes.items())
    return _signature(columns, str(_target_type(estimator)))


@lru_cache(maxsize=1024)
def _signature(columns: _Columns, target: str) -> ModelSignature | None:
    if not all(dtype in _SAME_VALUES for _, dtype in columns):
        return None
    inputs = Schema([ColSpec(_SAME_VALUES[dtype], name) for name, dtype in columns])
    is_text = _SAME_VALUES.get(target, DataType.string) is DataType.string
    output = ColSpec(DataType.string) if is_text else TensorSpec(np.dtype(target), (-1,))
    return ModelSignature(inputs=inputs, outputs=Schema([output]))


def _target_type(estimator: Any) -> np.dtype[Any]:
    """A classifier predicts one of its classes, a regressor a number."""
    classes = getattr(estimator, "classes_", None)
    return classes.dtype if isinstance(classes, np.ndarray) else np.dtype("float64")
