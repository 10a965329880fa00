"""The costs of a fitted estimator, measured by functions with the signature of a scorer.

`records.MEASURES` names these functions.

Touches no library; takes a fitted estimator, the test rows and their targets; gives a number;
workers.
"""

import pickle
from typing import Any


def model_kb(estimator: Any, _X: Any, _y: Any) -> float:  # noqa: N803 - as scorers are called
    """Return the size of a fitted estimator in kilobytes, as a file would hold it."""
    return len(pickle.dumps(estimator, protocol=pickle.HIGHEST_PROTOCOL)) / 1024
