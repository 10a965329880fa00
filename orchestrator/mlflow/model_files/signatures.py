"""The inputs and outputs of a model, in the form that MLflow stores beside the model.

Touches MLflow, pandas and numpy; takes a sample of the loader's rows and the predictions for it;
gives a `ModelSignature`; runs on workers.

MLflow's `infer_signature` inspects every value and warns about integers. The types of the columns
and of the predictions give the same result, so equal tables share one signature.
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
"""MLflow's name for a column's type, if both types hold exactly the same values."""


def signature_of(sample: Any, predictions: Any) -> ModelSignature | None:
    """Return the signature of a model, or None if MLflow has no type for some of the data.

    A categorical column, for example, would reach the model as text if a signature said so;
    without a signature, MLflow passes the table on unchanged.

    Args:
        sample: Some rows as the loader gave them, before any estimator has seen them.
        predictions: The fitted estimator's predictions for these rows; None if it cannot predict.
    """
    if not isinstance(sample, pd.DataFrame) or not all(isinstance(c, str) for c in sample.columns):
        return None
    columns = tuple((name, str(dtype)) for name, dtype in sample.dtypes.items())
    if predictions is None:
        return _signature(columns, None, ())
    values = np.asarray(predictions)
    return _signature(columns, values.dtype, values.shape[1:])


@lru_cache(maxsize=1024)
def _signature(
    columns: _Columns, predicted: "np.dtype[Any] | None", shape: tuple[int, ...]
) -> ModelSignature | None:
    if not all(dtype in _SAME_VALUES for _, dtype in columns):
        return None
    inputs = Schema([ColSpec(_SAME_VALUES[dtype], name) for name, dtype in columns])
    if predicted is None:
        return ModelSignature(inputs=inputs)
    return ModelSignature(inputs=inputs, outputs=Schema([_output(predicted, shape)]))


def _output(predicted: "np.dtype[Any]", shape: tuple[int, ...]) -> ColSpec | TensorSpec:
    is_text = _SAME_VALUES.get(str(predicted), DataType.string) is DataType.string
    if predicted.kind in "biuf":
        is_text = False
    if is_text and not shape:
        return ColSpec(DataType.string)
    return TensorSpec(np.dtype("O") if is_text else predicted, (-1, *shape))
