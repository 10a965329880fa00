"""A share of a study's resources: fewer iterations of the fit, or fewer training rows.

Touches scikit-learn's conventions and numpy; takes an unfitted estimator or `Prepared`, and a
`Budget`; gives the same with less; workers.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from orchestrator.errors import ConfigError
from orchestrator.estimators import parameter_names
from orchestrator.identity import derive_seed
from orchestrator.records import Budget, Evaluation, ModelSpec, Study
from orchestrator.training.prepared import Indices, Prepared

_ITERATIONS = ("n_estimators", "max_iter")
"""By what an estimator is told its iterations, in scikit-learn's conventions."""


def require_iterations(models: Sequence[ModelSpec], evaluation: Evaluation) -> None:
    """Refuse models whose last step does not count iterations.

    Raises:
        ConfigError: There is one; it is named.
    """
    for model in models:
        known = parameter_names(model, evaluation.allowed)
        prefix = f"{model.steps[-1].name}__" if len(model.steps) > 1 else ""
        if not any(f"{prefix}{name}" in known for name in _ITERATIONS):
            raise ConfigError(
                f"model {model.id!r} has no number of iterations ({' or '.join(_ITERATIONS)}) to "
                "ration; let the resource be folds or rows",
                key="search.resource",
            )


def with_iterations(estimator: Any, budget: Budget) -> Any:
    """The estimator with a share of its last step's iterations, at least one.

    Raises:
        ValueError: The last step does not count iterations.
    """
    final = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    params = final.get_params(deep=False)
    for name in _ITERATIONS:
        whole = params.get(name)
        if isinstance(whole, int) and whole > 0:
            final.set_params(**{name: -(-whole * budget.amount // budget.of)})
            return estimator
    raise ValueError(
        f"{type(final).__name__} has no number of iterations ({' or '.join(_ITERATIONS)}); "
        "set one among its params, or let `resource` be folds"
    )


def with_rows(prepared: Prepared, budget: Budget, study: Study) -> Prepared:
    """The data with a share of each fold's training rows, drawn by chance."""
    seeds = (study.evaluation.seed, study.customer.id, "rows")
    folds = tuple(
        (_share(train, budget, derive_seed(*seeds, number)), test)
        for number, (train, test) in enumerate(prepared.folds)
    )
    return replace(prepared, key=(prepared.key, str(budget)), folds=folds)


def _share(rows: Indices, budget: Budget, seed: int) -> Indices:
    amount = -(-len(rows) * budget.amount // budget.of)
    drawn: Indices = np.sort(np.random.default_rng(seed).permutation(rows)[:amount])
    return drawn
