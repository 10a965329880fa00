"""The configured metrics as scorers: scikit-learn's by name, the project's own by import path.

A scorer is called with a fitted estimator, the test rows and their targets, and returns a number
where more is better. A project's own scorer is a function of these three, or made by
scikit-learn's `make_scorer`:

    def profit(estimator, X, y) -> float: ...

Only a plain function may return a number where less is better; the configuration must then say
`direction: minimize`.

Touches scikit-learn; takes names and import paths; gives scorers, which the driver checks and
workers call.
"""

import inspect
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from numbers import Real
from typing import Any

from sklearn.base import is_classifier, is_regressor
from sklearn.metrics import get_scorer, get_scorer_names, make_scorer

from orchestrator.errors import ConfigError
from orchestrator.estimators import Estimators
from orchestrator.records import MEASURES, OF_TRIAL, Distribution, Evaluation, ModelSpec
from orchestrator.training.imports import find_function
from orchestrator.training.smoke_data import ordinary_rows
from orchestrator.user_code import RaisedError, user_code

_MADE = type(make_scorer(max))
"""The class of scorers that only look at an estimator's predictions."""

_METRICS = "evaluation.metrics"
_OF_CLASSES = tuple(
    f"sklearn.metrics.{module}" for module in ("_classification", "_ranking", "_scorer", "cluster")
)
"""The modules in which scikit-learn keeps the functions of scorers that compare classes."""


class NoNumberError(TypeError):
    """A scorer returned something other than a number.

    Args:
        metric: The name of the metric.
        value: The value that the scorer returned.
        fold: The number of the fold; -1 if it is not known.
    """

    def __init__(self, metric: str, value: object, fold: int = -1) -> None:
        place = f" of fold {fold}" if fold >= 0 else ""
        super().__init__(f"the {metric}{place} is {value!r}, which is not a number")
        self._metric, self._value = metric, value

    def of_fold(self, fold: int) -> "NoNumberError":
        """Return the same error with the number of the fold."""
        return NoNumberError(self._metric, self._value, fold)


def sources(evaluation: Evaluation) -> tuple[str, ...]:
    """Return the metrics as `find_scorer` takes them: scikit-learn's names, or import paths."""
    own = evaluation.own_scorers
    return tuple(own.get(metric, metric) for metric in evaluation.metrics)


def _scored() -> Sequence[str]:
    """The names of orchestrator's own measures that a scorer measures."""
    return [name for name, measure in MEASURES.items() if measure.source != OF_TRIAL]


@cache
def find_scorer(source: str) -> Any:
    """Return scikit-learn's scorer with this name, or the project's scorer at this import path.

    Raises:
        ConfigError: There is no such scorer.
    """
    if source in _scored():
        return Checked(source, _own(MEASURES[source].source))
    if ":" in source:
        return Checked(source, _own(source))
    known = [*get_scorer_names(), *_scored()]
    if source not in known:
        close = get_close_matches(source, known, n=3)
        hint = f"did you mean {' or '.join(map(repr, close))}?" if close else _how_to_name(known)
        raise ConfigError(f"there is no metric {source!r}; {hint}", key=_METRICS)
    return get_scorer(source)


def sees_only_predictions(scorer: Any) -> bool:
    """Whether a scorer uses nothing of an estimator but its predictions.

    Such a scorer may be called with the last step of a pipeline and the rows that the other steps
    transformed.
    """
    return isinstance(scorer.scorer if isinstance(scorer, Checked) else scorer, _MADE)


@dataclass(frozen=True, slots=True)
class Checked:
    """A project's own scorer, which has to return a number."""

    source: str
    scorer: Any

    def __call__(self, estimator: Any, X: Any, y: Any) -> float:
        """Return the score.

        Raises:
            NoNumberError: The scorer returned something other than a number.
            Exception: Whatever the scorer raises.
        """
        value = self.scorer(estimator, X, y)
        if hasattr(value, "item") and getattr(value, "size", 0) == 1:
            value = value.item()
        if not isinstance(value, Real):
            raise NoNumberError(self.source, value)
        return float(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorers:
    """The metrics of an experiment, each with the scorer that its name or import path stands for.

    Attributes:
        evaluation: The evaluation that names the metrics.
        scorers: The scorers by metric.
        estimators: The estimators that models may name.
    """

    evaluation: Evaluation
    scorers: Mapping[str, Any]
    estimators: Estimators

    @classmethod
    def of(cls, evaluation: Evaluation) -> "Scorers":
        """Find the scorers of an evaluation.

        Raises:
            ConfigError: A metric is unknown, or a constraint or objective is not measured or can
                never be met.
        """
        _require_measured(evaluation)
        found = map(find_scorer, sources(evaluation))
        return cls(
            evaluation=evaluation,
            scorers=dict(zip(evaluation.metrics, found, strict=True)),
            estimators=Estimators(evaluation.allowed),
        )

    def require_usable(self) -> None:
        """Reject metrics that cannot be measured for the target of this task.

        Raises:
            ConfigError: A metric compares classes although the target is an amount, or is minimized
                although more is better, one of the project's scorers does not return a number, or
                a measure has the name of a scorer of scikit-learn.
        """
        for measure in self.evaluation.measures:
            if measure.name in get_scorer_names():
                raise ConfigError(
                    f"{measure.name!r} is a scorer of scikit-learn: give the measure another name",
                    key="evaluation.measures",
                )
        task = self.evaluation.task
        for metric, scorer in self.scorers.items():
            _require_number(scorer, task)
            if task == "regression" and _is_of_classes(scorer):
                raise ConfigError(
                    f"{metric} compares classes, and evaluation.task is regression; "
                    "take for instance r2 or neg_root_mean_squared_error",
                    key=_METRICS,
                )
        self._require_direction()

    def require_methods(self, models: Iterable[ModelSpec]) -> None:
        """Reject models that can never be scored: of the wrong kind, or without a needed method.

        Raises:
            ConfigError: There is such a model; the message names it, and the metric.
        """
        for model in models:
            self._require_kind(model)
            for metric, scorer in self.scorers.items():
                methods = _methods(scorer)
                if not any(_has_one_of(methods, each) for each in self._variants(model)):
                    raise ConfigError(
                        f"{metric} needs {' or '.join(methods)}, which model {model.id!r} "
                        f"({model.steps[-1].estimator}) has not with any of its parameters; "
                        "take another metric, or the model out of the registry",
                        key=_METRICS,
                    )

    def _require_kind(self, model: ModelSpec) -> None:
        """Reject models that predict amounts where the task is classification, and the reverse."""
        task, estimator = self.evaluation.task, self.estimators.build(model, {})
        if {"classification": is_regressor, "regression": is_classifier}[task](estimator):
            kind = "amounts" if task == "classification" else "classes"
            raise ConfigError(
                f"is {task}, and model {model.id!r} ({model.steps[-1].estimator}) predicts "
                f"{kind}; take it out of the registry, or change the task",
                key="evaluation.task",
            )

    def _variants(self, model: ModelSpec) -> Iterator[Any]:
        """The model with its fixed parameters, then with each searched value by itself.

        Some estimators have a method only with some parameters, as SGDClassifier has
        `predict_proba` with `loss="log_loss"`.
        """
        yield self.estimators.build(model, {})
        for part in model.grid:
            for name, values in part.items():
                for value in values.choices if isinstance(values, Distribution) else values:
                    yield self.estimators.build(model, {name: value})

    def _require_direction(self) -> None:
        """Reject `minimize` for a scorer of which more is better by its construction."""
        selecting = self.evaluation.selecting
        scorer = self.scorers[selecting.name]
        is_free = isinstance(scorer, Checked) and not isinstance(scorer.scorer, _MADE)
        if selecting.is_minimized and not is_free:
            raise ConfigError(
                f"more {selecting.name} is better, as with every scorer of scikit-learn (losses "
                "are negated there); leave `direction` out",
                key="evaluation.direction",
            )


def _own(source: str) -> Any:
    found = find_function(source, what="scorer", key=_METRICS)
    try:
        inspect.signature(found).bind("estimator", "X", "y")
    except TypeError as error:
        raise ConfigError(
            f"{source!r} is not a scorer called with (estimator, X, y): {error}; of a "
            "function of (y_true, y_pred), make one with sklearn.metrics.make_scorer",
            key=_METRICS,
        ) from error
    return found


def _require_measured(evaluation: Evaluation) -> None:
    """Reject constraints and objectives that no trial could be judged by."""
    if evaluation.selecting.kind == "cost":
        raise ConfigError(
            f"{evaluation.metric} is a cost; make it a later objective or a constraint",
            key="evaluation.metric",
        )
    if evaluation.objectives and evaluation.objectives[0] != evaluation.metric:
        raise ConfigError(f"the first must be {evaluation.metric}", key="evaluation.objectives")
    _require_rule(evaluation)
    known = {*evaluation.metrics, *(MEASURES.keys() - _scored())}
    asked = {"objectives": evaluation.objectives}
    asked["constraints"] = tuple(each.measure for each in evaluation.constraints)
    for key, measures in asked.items():
        for measure in measures:
            if measure not in known:
                raise ConfigError(f"{measure!r} is not measured", key=f"evaluation.{key}")
    for each in evaluation.constraints:
        is_cost = evaluation.measure(each.measure).kind == "cost"
        if is_cost and each.relation == "<=" and each.bound <= 0:
            raise ConfigError(f"no model ever meets {each}", key="evaluation.constraints")


def _require_rule(evaluation: Evaluation) -> None:
    """Reject objectives and a slack that do not make a rule for picking a trial."""
    objectives, slack = evaluation.objectives, evaluation.slack
    if len(set(objectives)) < len(objectives):
        raise ConfigError(f"name one twice: {', '.join(objectives)}", key="evaluation.objectives")
    if not 0 <= slack < math.inf:
        raise ConfigError(f"must be a number of at least 0, not {slack}", key="evaluation.slack")
    if slack and len(objectives) < 2:
        raise ConfigError(
            "says from how many the later objectives choose, and there are none; name them in "
            "evaluation.objectives, or leave this out",
            key="evaluation.slack",
        )


def _require_number(scorer: Any, task: str) -> None:
    """Reject a project's scorer that returns something other than a number on made-up rows.

    A scorer that raises may need the columns of the project's own data, so its error is left to the
    run. A scorer of classes that returns NaN may need labels that these rows do not have.
    """
    if not isinstance(scorer, Checked) or scorer.source in MEASURES:
        return
    try:
        with user_code(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as that of a mean of nothing without its labels
            value = scorer(*ordinary_rows(task))
    except RaisedError as raised:
        if isinstance(raised.error, NoNumberError):
            problem = f"{raised.error}; a scorer has to return one"
            raise ConfigError(problem, key=_METRICS) from raised.error
        return
    if task == "regression" and not math.isfinite(value):
        raise ConfigError(
            f"the {scorer.source} is {value} on ordinary rows; a scorer has to return a number",
            key=_METRICS,
        )


def _how_to_name(known: Sequence[str]) -> str:
    return f"known are {', '.join(known)}, or an own one: 'package.module:function'"


def _is_of_classes(scorer: Any) -> bool:
    made = scorer.scorer if isinstance(scorer, Checked) else scorer
    function = getattr(made, "_score_func", None)
    home = getattr(function, "__module__", "")
    return home.startswith(_OF_CLASSES) or _methods(scorer) != ("predict",)


def _methods(scorer: Any) -> tuple[str, ...]:
    """The estimator's methods of which the scorer needs one; `predict` for a plain function."""
    made = scorer.scorer if isinstance(scorer, Checked) else scorer
    asked = getattr(made, "_response_method", "predict")
    return (asked,) if isinstance(asked, str) else tuple(asked)


def _has_one_of(methods: Sequence[str], estimator: Any) -> bool:
    return any(hasattr(estimator, method) for method in methods)
