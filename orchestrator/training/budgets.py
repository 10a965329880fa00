"""A share of a study's resources: fewer iterations of the fit, or fewer training rows.

Touches scikit-learn's conventions and numpy; takes an unfitted estimator or `PreparedData`, and a
`Budget`; gives a copy limited to the budget's share; workers.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from orchestrator.errors import ConfigError
from orchestrator.estimators import Estimators
from orchestrator.identity import derive_seed
from orchestrator.records import Budget, ModelSpec, Study
from orchestrator.training.dataset import Indices, PreparedData

_ITERATIONS = ("n_estimators", "max_iter")
"""The parameters that set an estimator's number of iterations, by scikit-learn's conventions."""


def require_iterations(models: Sequence[ModelSpec], estimators: Estimators) -> None:
    """Refuse models whose last step does not count iterations, or has no number of them set.

    Raises:
        ConfigError: There is such a model; the message names it.
    """
    for model in models:
        prefix = f"{model.steps[-1].name}__" if len(model.steps) > 1 else ""
        params = estimators.build(model, {}).get_params()
        searched = {name for part in model.grid for name in part}
        counted = [name for each in _ITERATIONS if (name := f"{prefix}{each}") in params]
        if not any(name in searched or _is_number(params[name]) for name in counted):
            raise ConfigError(
                f"model {model.id!r} has no number of iterations ({' or '.join(_ITERATIONS)}) to "
                "ration; set one in its `params`, or let the resource be folds or rows",
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
        if _is_number(whole):
            final.set_params(**{name: -(-whole * budget.amount // budget.of)})
            return estimator
    raise ValueError(
        f"{type(final).__name__} has no number of iterations ({' or '.join(_ITERATIONS)}); "
        "set one among its params, or let `resource` be folds"
    )


def _is_number(iterations: object) -> bool:
    """Whether this is a number of iterations; -1 and None stand for no limit."""
    return isinstance(iterations, int) and iterations > 0


def with_rows(prepared: PreparedData, budget: Budget, study: Study) -> PreparedData:
    """The data with a share of each fold's training rows, drawn at random."""
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
