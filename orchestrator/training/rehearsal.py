"""Made-up rows, and an estimator fitted on them, to try a project's own scorer on when planning.

Touches scikit-learn and numpy; takes a task; gives what scorers are called with; driver.
"""

from functools import cache
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

_ROWS = 40


@cache
def ordinary_rows(task: str) -> tuple[Any, Any, Any]:
    """A fitted estimator, rows and targets: both classes are predicted, rightly and wrongly."""
    random = np.random.default_rng(0)
    X = random.normal(size=(_ROWS, 4))
    amounts = X[:, 0] + random.normal(size=_ROWS)
    if task == "regression":
        return DecisionTreeRegressor(max_depth=1, random_state=0).fit(X, amounts), X, amounts
    y = (amounts > 0).astype(int)
    return DecisionTreeClassifier(max_depth=1, random_state=0).fit(X, y), X, y
