"""Made-up rows and estimators fitted on them, for trying scorers and serialization in a plan.

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
"""Parameters that make a fit slow, with values that suffice to show what an estimator holds."""


@cache
def ordinary_rows(task: str) -> tuple[Any, Any, Any]:
    """Return a fitted estimator, rows and targets; each class has right and wrong predictions."""
    random = np.random.default_rng(0)
    X = random.normal(size=(_ROWS, 4))
    amounts = X[:, 0] + random.normal(size=_ROWS)
    if task == "regression":
        return DecisionTreeRegressor(max_depth=1, random_state=0).fit(X, amounts), X, amounts
    y = (amounts > 0).astype(int)
    return DecisionTreeClassifier(max_depth=1, random_state=0).fit(X, y), X, y


def fitted_on_ordinary_rows(model: ModelSpec, evaluation: Evaluation) -> Any:
    """Return a model fitted on made-up rows in few iterations; None if it cannot be fitted on them.

    The estimator has the model's fixed parameters, and the first value of each searched one.
    """
    study = Study(
        snapshot="", customer=Customer(id="rehearsal"), model=model, evaluation=evaluation
    )
    _, X, y = ordinary_rows(evaluation.task)
    try:
        with isolated("rehearsal"):
            estimator = candidate(Trial(study=study, number=0, params=_first_point(model)), y)
            return estimator.set_params(**dict(_shortened(estimator))).fit(X.copy(), y.copy())
    except Exception:  # noqa: BLE001 - it may need other rows, and could still be stored
        return None


def _first_point(model: ModelSpec) -> dict[str, Any]:
    """The first values of the searched parameters, except ranges, which keep their default."""
    values = dict(model.grid[0]) if model.grid else {}
    return {name: some[0] for name, some in values.items() if isinstance(some, tuple) and some}


def _shortened(estimator: Any) -> Iterator[tuple[str, int]]:
    for name, value in estimator.get_params(deep=True).items():
        few = _ITERATIONS.get(name.rpartition("__")[2])
        if few is not None and isinstance(value, int) and value > few:
            yield name, few
