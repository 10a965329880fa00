"""A trial's estimator, made deterministic.

Touches scikit-learn's conventions only; takes a `Trial`; gives an unfitted estimator; workers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from orchestrator.containers import has_mapping
from orchestrator.estimators import build
from orchestrator.identity import derive_seed
from orchestrator.records import Trial


def candidate(trial: Trial, y: Any = None) -> Any:
    """The unfitted estimator of a trial.

    Args:
        trial: What is tried.
        y: The target, whose labels a parameter such as `class_weight` may name; None where they
            are not known.

    Every `random_state` left None is set to a seed that follows from the experiment's seed, the
    customer and the parameter's name, and not from the trial: so the candidates of a customer
    differ in what is searched and not by luck, and equal pipeline prefixes stay equal. Every
    `n_jobs` left None is set to 1, since workers are the parallelism and some packages mean all
    cores by None; not in scikit-learn's own estimators, which mean 1 and warn of it being set.

    Raises:
        UsageError: A step is not an allowed estimator, or it has no such parameter.
    """
    study = trial.study
    labels = _labels(y) if has_mapping({**study.model.params, **trial.params}) else ()
    estimator = build(study.model, trial.params, study.evaluation.allowed, labels)
    params = estimator.get_params(deep=True)
    chosen = {}
    for path, value in params.items():
        owner, _, name = path.rpartition("__")
        if value is None and name == "random_state":
            chosen[path] = derive_seed(study.evaluation.seed, study.customer.id, path)
        elif value is None and name == "n_jobs" and not _is_sklearns(params.get(owner, estimator)):
            chosen[path] = 1
    return estimator.set_params(**chosen)


def _labels(y: Any) -> Sequence[Any]:
    if y is None:
        return ()
    labels: list[Any] = np.unique(np.asarray(y)).tolist()
    return labels


def _is_sklearns(estimator: Any) -> bool:
    return type(estimator).__module__.startswith("sklearn.")
