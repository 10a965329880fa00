"""Made-up rows, and estimators fitted on them: to try scorers, and storing, on when planning.

Touches scikit-learn and numpy; takes a task or a model; gives fitted estimators; driver.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from orchestrator.records import Customer, Evaluation, ModelSpec, Study, Trial
from orchestrator.training.candidates import candidate
from orchestrator.training.isolation import isolated

_ROWS = 40

_ITERATIONS = {"n_estimators": 3, "max_iter": 5, "iterations": 3, "num_iterations": 3}
"""Parameters that make a fit take long, and how much of them shows what an estimator holds."""


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


def fitted_on_ordinary_rows(model: ModelSpec, evaluation: Evaluation) -> Any:
    """A model fitted on a few made-up rows, in few iterations; None where it takes no such rows.

    It has the model's fixed parameters and, of what is searched, the first values.
    """
    study = Study(
        snapshot="", customer=Customer(id="rehearsal"), model=model, evaluation=evaluation
    )
    _, X, y = ordinary_rows(evaluation.task)
    try:
        with isolated("rehearsal"):
            estimator = candidate(Trial(study=study, number=0, params=_first_point(model)), y)
            return estimator.set_params(**dict(_shortened(estimator))).fit(X.copy(), y.copy())
    except Exception:  # noqa: BLE001 - it may need other rows, which says nothing of storing it
        return None


def _first_point(model: ModelSpec) -> dict[str, Any]:
    """The first values of what is searched, but for ranges, where the default does."""
    values = dict(model.grid[0]) if model.grid else {}
    return {name: some[0] for name, some in values.items() if isinstance(some, tuple) and some}


def _shortened(estimator: Any) -> Iterator[tuple[str, int]]:
    for name, value in estimator.get_params(deep=True).items():
        few = _ITERATIONS.get(name.rpartition("__")[2])
        if few is not None and isinstance(value, int) and value > few:
            yield name, few
