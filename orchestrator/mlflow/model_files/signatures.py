"""What a model takes and gives, as MLflow writes it down beside the model.

Touches MLflow, pandas and numpy; takes a sample of the loader's rows and the predictions for it;
gives a `ModelSignature`; runs on workers.

MLflow's `infer_signature` looks at every value and warns of integers. Column types and the type of
the predictions say the same, so equal tables share one signature.
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


def signature_of(sample: Any, predictions: Any) -> ModelSignature | None:
    """The signature of a model, or None where MLflow has no word for the data.

    A categorical column, for one, would reach the model as text if a signature said so, so that
    table is better passed on as it is.

    Args:
        sample: Some rows as the loader gave them, before any estimator has seen them.
        predictions: What the fitted estimator predicts for them; None where it cannot predict.
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
