"""A trial's estimator, made deterministic.

Touches scikit-learn's conventions only; takes a `Trial`; gives an unfitted estimator; workers.
"""

from typing import Any

from orchestrator.estimators import build
from orchestrator.identity import derive_seed
from orchestrator.records import Trial


def candidate(trial: Trial) -> Any:
    """The unfitted estimator of a trial.

    Every `random_state` left None is set to a seed that follows from the experiment's seed, the
    customer and the parameter's name, and not from the trial: so the candidates of a customer
    differ in what is searched and not by luck, and equal pipeline prefixes stay equal. Every
    `n_jobs` left None is set to 1: workers are the parallelism.

    Raises:
        UsageError: A step is not an allowed estimator, or it has no such parameter.
    """
    study = trial.study
    estimator = build(study.model, trial.params, study.evaluation.allowed)
    return estimator.set_params(
        **{
            name: 1 if _last(name) == "n_jobs" else _seed(trial, name)
            for name, value in estimator.get_params(deep=True).items()
            if value is None and _last(name) in {"random_state", "n_jobs"}
        }
    )


def _last(name: str) -> str:
    return name.rpartition("__")[2]


def _seed(trial: Trial, name: str) -> int:
    return derive_seed(trial.study.evaluation.seed, trial.study.customer.id, name)
