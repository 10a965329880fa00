"""A candidate's estimator, split into steps that can be shared one by one.

Touches scikit-learn; takes an unfitted estimator; gives `CandidateStep`s; workers.
"""

import copy
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from orchestrator.containers import has_mapping
from orchestrator.estimators import Estimators
from orchestrator.identity import derive_seed
from orchestrator.records import Trial

_HOLDS = frozenset({"estimator", "regressor", "func"})
"""Parameters that hold the estimator or function to which an estimator passes its rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateStep:
    """One step of a pipeline, or a bare estimator, unfitted.

    Attributes:
        estimator: The unfitted estimator; it is never fitted itself (see `fresh`).
        key: The pickled class and parameters; steps with equal keys are fitted equally on equal
            rows.
        plain: Whether the estimator is scikit-learn's own and holds no other estimator. For such a
            step, finite input makes the checks for finite numbers superfluous (the output of an
            inner step need not be finite), and a frame of one number type means no more than its
            numbers. An estimator that may hold another, even by default, does not count as plain:
            the rows it cuts from a frame have another memory layout than those of an array, which
            changes the last bits of the scores.
    """

    estimator: Any
    key: bytes
    plain: bool

    def fresh(self) -> Any:
        """Return an unfitted copy, equal to that of scikit-learn's slower `clone`."""
        return copy.deepcopy(self.estimator)


def shareable_steps(estimator: Any) -> tuple[CandidateStep, ...]:
    """Return the steps, or none if fits of equal steps may differ or a step may change its input.

    Raises:
        Exception: A step cannot be pickled.
    """
    params = estimator.get_params(deep=True)
    if get_tags(estimator).input_tags.pairwise or any(map(_is_unsafe, params, params.values())):
        return ()
    if not isinstance(estimator, Pipeline):
        return (_step(estimator, params),)
    if estimator.memory is not None or estimator.transform_input is not None:
        return ()
    return tuple(_step(step, step.get_params(deep=True)) for _, step in estimator.steps)


def _is_unsafe(name: str, value: Any) -> bool:
    """Whether a parameter makes an estimator continue from its last fit, or change its input.

    With `copy=False`, scikit-learn's own scores depend on the number of metrics, because every
    prediction changes the test rows once more. The same holds where each `transform` draws random
    numbers again.
    """
    meaning = name.rpartition("__")[2]
    goes_on_or_draws = meaning in {"warm_start", "sample_posterior"} and value is True
    return goes_on_or_draws or (meaning.startswith("copy") and value is False)


def _step(estimator: Any, params: dict[str, Any]) -> CandidateStep:
    is_sklearns = type(estimator).__module__.startswith("sklearn.")
    return CandidateStep(
        estimator=estimator,
        key=pickle.dumps(estimator),
        plain=is_sklearns and not any("__" in name or name in _HOLDS for name in params),
    )


def candidate(trial: Trial, y: Any = None) -> Any:
    """Build the unfitted estimator of a trial.

    Every `random_state` left None is set to a seed derived from the experiment's seed, the customer
    and the parameter's name, but not from the trial: so the candidates of a customer differ only in
    their searched parameters and not by chance, and equal pipeline prefixes stay equal. Every
    `n_jobs` left None is set to 1, because the workers provide the parallelism and some packages
    use all cores for None. scikit-learn's own estimators are left alone: for them None means 1, and
    they warn if it is set.

    Args:
        trial: The trial, with its study and searched parameters.
        y: The target, because a parameter such as `class_weight` may name its labels; None where
            the labels are not known.

    Raises:
        UsageError: A step is not an allowed estimator, or it does not have such a parameter.
    """
    study = trial.study
    labels = _labels(y) if has_mapping({**study.model.params, **trial.params}) else ()
    estimator = Estimators(study.evaluation.allowed).build(study.model, trial.params, labels)
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
