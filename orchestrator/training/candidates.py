"""A candidate's estimator taken apart into the steps that can be shared one by one.

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
"""Parameters that say what an estimator hands its rows to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateStep:
    """One step of a pipeline, or a bare estimator, unfitted.

    Attributes:
        estimator: Never fitted itself; see `fresh`.
        key: Its class and parameters; equal keys on equal rows are fitted equally.
        plain: It is scikit-learn's own and holds no other estimator. Then finite input makes its
            checks for finite numbers superfluous (what an inner step makes of finite numbers need
            not be finite), and it sees in a frame of one number type only the numbers. One that may
            hold another, even by default, is not: rows it cuts from a frame lie otherwise in memory
            than those of an array, and the last bits follow.
    """

    estimator: Any
    key: bytes
    plain: bool

    def fresh(self) -> Any:
        """An unfitted copy; equal to scikit-learn's `clone`, which inspects signatures to do it."""
        return copy.deepcopy(self.estimator)


def shareable_steps(estimator: Any) -> tuple[CandidateStep, ...]:
    """The steps; none when equal steps on equal rows may come out differently, or spoil the rows.

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
    """Whether a parameter makes an estimator go on from its last fit, or change what it is given.

    With `copy=False` scikit-learn's own scores differ with the number of metrics, since every
    prediction changes the test rows once more; so they do where each transforming draws anew.
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
