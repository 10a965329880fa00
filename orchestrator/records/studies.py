"""One search and its results: `Study` -> `Trial` -> `TrialResult`.

Touches no library; driver and workers. All durations are seconds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from orchestrator import identity, keys
from orchestrator.records.lists import Customer, Grid, ModelSpec, Params
from orchestrator.records.measures import MEASURES, OF_TRIAL, Direction, Measure
from orchestrator.records.pickling import quickly_pickled

CHAMPION = "@champion"
"""The end of the key of a study that scores the champion again; no model's id has it."""


def study_key(customer: str, model: str, *, champion: bool = False) -> str:
    """The key of a study of this customer and model.

    Args:
        customer: The customer's id.
        model: The model's id.
        champion: Whether it is the study that scores the present champion again.
    """
    return keys.join(customer, f"{model}{CHAMPION}" if champion else model)


_OF_TRIAL = tuple(each.name for each in MEASURES.values() if each.source == OF_TRIAL)


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A condition that a candidate must meet to be served: `fit_seconds <= 2`."""

    measure: str
    relation: Literal["<=", ">="]
    bound: float

    def holds(self, value: float) -> bool:
        """Whether a measured value meets it."""
        return value <= self.bound if self.relation == "<=" else value >= self.bound

    def __str__(self) -> str:
        return f"{self.measure} {self.relation} {self.bound:g}"


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The comparison of candidates; the same for every study of an experiment.

    Attributes:
        loader: The import path `package.module:function` of the function that loads a customer's
            data.
        folds: The folds of the cross-validation.
        metrics: The scorers that are recorded: scikit-learn's names, or import paths of scorers
            `(estimator, X, y) -> number`. Without any, `metric` alone.
        metric: The metric that selects. By default the first of `objectives` or `metrics`;
            without either, `roc_auc` for classification and `r2` for regression.
        direction: Whether more or less of `metric` is better. Only a plain function of the
            project's own may be minimized: every scikit-learn scorer is maximized.
        scorers: Import paths of the project's own scorers by the names that `metrics` gives them.
        measures: Further measures of the project's own, such as costs; every trial is measured by
            them, and objectives and constraints may name them.
        objectives: The metrics and costs that select, in order of importance: `metric` first, then
            those that decide between candidates within `slack` of its best. Without any, `metric`
            alone.
        slack: The distance from the best `metric` within which later objectives may choose.
        constraints: The conditions a candidate must meet to be served: a metric or a cost, `<=` or
            `>=`, and a number.
        seed: The seed that every random number of the experiment follows from.
        task: The kind of target: `classification` cross-validates with stratified folds,
            `regression` with plain ones.
        allowed: The packages whose estimators rows may name, and parameters that rows may set to
            anything, as `package.module:Class.parameter`.
    """

    loader: str
    folds: int = 3
    metrics: tuple[str, ...] = ("roc_auc",)
    metric: str = "roc_auc"
    direction: Direction = "maximize"
    seed: int = 0
    task: Literal["classification", "regression"] = "classification"
    allowed: tuple[str, ...] = ("sklearn",)
    scorers: Mapping[str, str] = field(default_factory=dict)
    objectives: tuple[str, ...] = ()
    slack: float = 0.0
    constraints: tuple[Constraint, ...] = ()
    measures: tuple[Measure, ...] = ()

    @property
    def own_scorers(self) -> Mapping[str, str]:
        """The import paths of all scorers of the project's own, those of measures included."""
        return {**self.scorers, **{each.name: each.source for each in self.measures}}

    @property
    def selecting(self) -> Measure:
        """The measure of `metric`."""
        return self.measure(self.metric)

    def measure(self, name: str) -> Measure:
        """Return the measure of this name; one that no table lists is a score.

        Args:
            name: A metric, an objective, or what a constraint is about.
        """
        if name in MEASURES:
            return MEASURES[name]
        for each in self.measures:
            if each.name == name:
                return each
        direction: Direction = self.direction if name == self.metric else "maximize"
        source = self.scorers.get(name, name)
        return Measure(name=name, source=source, direction=direction, kind="score")


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The choice of trials, and where and how long they run.

    Attributes:
        strategy: The strategy that chooses the trials, which has settings of its own.
        settings: Its own settings, e.g. `n_trials` of `optuna`.
        max_parallel: The trials of one study under way at once; None leaves it to the strategy. It
            decides which results a strategy that learns has when it suggests a trial, so that
            trials do not depend on the number of workers.
        warm_start: The champions whose parameters are tried first: the customer's own, the best of
            its `segment` as well, or none.
        placement: `study` runs a study as a whole on one worker, `trials` distributes its trials
            over the workers; `auto` chooses by how long they took last time. The trials are the
            same.
        timeout: The seconds a trial may take; None for no limit.
        seconds: The seconds in which a study may begin trials; None for no limit. With a limit,
            the trials depend on the machine.
        reproducible: Whether a strategy that learns receives results strictly in the order of
            trials, and no measured seconds. With `false` it receives each result as soon as its
            trial has ended, measured seconds included, so that it suggests other trials each time.
    """

    strategy: str = "grid"
    settings: Mapping[str, Any] = field(default_factory=dict)
    max_parallel: int | None = None
    warm_start: Literal["customer", "segment", "never"] = "customer"
    placement: Literal["auto", "study", "trials"] = "auto"
    timeout: float | None = None
    seconds: float | None = None
    reproducible: bool = True


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One search: one customer's data, one model, one way of comparing, in one flow run.

    A result that a later flow run reuses keeps the study, and so the flow run, it came from.

    Attributes:
        flow_run: The flow run it belongs to.
        snapshot: The registry's snapshot it is based on.
        customer: The customer whose data is used.
        model: The candidates, as the registry lists them.
        evaluation: The comparison of candidates.
        search: The choice of trials.
        first: Points to try before any other, such as the champion's. They depend on the champions
            at the start of the flow run, and are not part of the fingerprint: a new champion is not
            a reason to repeat a recorded search.
        known: Points that were scored before on the same folds, with their mean scores by metric,
            and their seconds: a strategy that learns learns from them, and tries others. No part of
            the fingerprint.
        champion: True for the study of one trial that scores the present champion on today's
            folds, when it is no longer among the candidates.
        data_version: The version of the data when the study was planned; "" if only loading can
            show it.
        follows_from: Hashes of the inputs its results depend on, by name (`training.fingerprint`).
        fingerprint: All of them in one; "" when its results must not be used again.
    """

    flow_run: str = ""
    snapshot: str
    customer: Customer
    model: ModelSpec
    evaluation: Evaluation
    search: Search = Search()
    first: tuple[Params, ...] = ()
    known: tuple[tuple[Params, Mapping[str, float]], ...] = ()
    champion: bool = False
    data_version: str = ""
    follows_from: Mapping[str, str] = field(default_factory=dict)
    fingerprint: str = ""

    @property
    def key(self) -> str:
        """Its lasting name, `customer/model`, or `customer/model@champion`; see `keys`."""
        return study_key(self.customer.id, self.model.id, champion=self.champion)

    @property
    def seed_name(self) -> str:
        """The name its seeds, fingerprint and MLflow run ids follow from, which never changes.

        It is the key with nothing encoded. It names one study all the same, since a model's id has
        no slash.
        """
        return f"{self.customer.id}/{self.model.id}{CHAMPION if self.champion else ''}"

    @property
    def grid(self) -> Grid:
        """The searched grid: the customer's own for this model, or the model's.

        The champion's study has the one point that the champion is, whatever the customer's grid.
        """
        if self.champion:
            return self.model.grid
        return self.customer.grids.get(self.model.id, self.model.grid)


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The amount of a resource for a trial: `amount` of `of` folds, or that share of the rows.

    Attributes:
        resource: The rationed resource: folds, iterations of the fit, or training rows.
        amount: The given amount, less than all.
        of: The whole amount.
    """

    resource: Literal["folds", "iterations", "rows"]
    amount: int
    of: int

    def __str__(self) -> str:
        return f"{self.amount} of {self.of} {self.resource}"


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One point of a study, and the budget of its evaluation.

    Attributes:
        study: Its study.
        number: Its number in the study; a trial that continues with a larger budget keeps it. A
            negative one stands for a study that failed as a whole.
        params: The searched values only, without the fixed ones.
        budget: The part it is given; None is everything.
    """

    study: Study
    number: int
    params: Params
    budget: Budget | None = None

    @property
    def key(self) -> str:
        """Its lasting name, `customer/model/number`; for a failed study, the study's."""
        return self.study.key if self.number < 0 else keys.below(self.study.key, str(self.number))

    @property
    def run_id(self) -> str:
        """The MLflow run it becomes: the same each time it is sent (law 3).

        A failed study of customer `eu/7` and model `0` would have the name of a trial of customer
        `eu` and model `7`; so a name that could be a trial's gives way to the parts.
        """
        study, name = self.study, self.study.seed_name
        if self.number >= 0:
            return identity.run_id(study.flow_run, f"{name}/{self.number}")
        if "/" in study.customer.id and study.model.id.isdecimal():
            return identity.run_id(study.flow_run, study.customer.id, study.model.id)
        return identity.run_id(study.flow_run, name)


TrialState = Literal["success", "pruned", "failed", "timed_out"]
"""The end states of a trial, with Optuna's meaning: `pruned` was stopped early by choice."""


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """The result of a trial.

    Attributes:
        trial: The trial, with its budget.
        state: `success` has all scores and alone can win; `pruned` has those of its budget, unless
            the trial continues; `failed` and `timed_out` have an error, and the folds before it.
        scores: By metric, one value a fold.
        fit_seconds: One value a fold.
        score_seconds: One value a fold.
        rows: Rows of the customer's data.
        data_version: The version of the data it used; "" where unknown.
        started, ended: Epoch seconds.
        worker: The worker it ran on.
        error: Type and message of the exception, in one line.
    """

    trial: Trial
    state: TrialState
    scores: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    fit_seconds: tuple[float, ...] = ()
    score_seconds: tuple[float, ...] = ()
    rows: int = 0
    data_version: str = ""
    started: float = 0.0
    ended: float = 0.0
    worker: str = ""
    error: str | None = None

    @property
    def is_failure(self) -> bool:
        """Whether something went wrong; a pruned trial is not a failure."""
        return self.state in {"failed", "timed_out"}

    @property
    def has_measured(self) -> Sequence[str]:
        """The names of everything that was measured: metrics, and what every trial has."""
        return (*self.scores, *(name for name in _OF_TRIAL if getattr(self, name)))

    def measured(self, name: str) -> float:
        """Return the mean of a measure over folds; of those every trial has, the sum."""
        return math.fsum(getattr(self, name)) if name in _OF_TRIAL else self.mean(name)

    def violated(self, constraints: Sequence[Constraint]) -> tuple[Constraint, ...]:
        """The constraints it does not meet."""
        return tuple(each for each in constraints if not each.holds(self.measured(each.measure)))

    def mean(self, metric: str) -> float:
        """The mean over folds of one metric; over those it had, where it is pruned."""
        values = self.scores[metric]
        return sum(values) / len(values)
