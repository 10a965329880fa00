"""The frozen vocabulary that flows between rooms; each record contains the one before it.

    Snapshot -> Study -> Trial -> TrialResult -> Decision -> Promotion
    FlowRun  -> InstanceRecord

Touches no library; has no behaviour beyond names derived from its own fields; driver and workers.
All times are seconds since the epoch (UTC), all durations seconds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, TypeVar

from orchestrator import identity

Json = None | bool | int | float | str | list[Any] | dict[str, Any]
"""What a registry row, a parameter or a setting may hold."""

Params = Mapping[str, Any]
"""Hyperparameters by scikit-learn's names: `C`, or `step__C` in a pipeline."""

CHAMPION = "@champion"
"""Ends the key of the study that scores the present champion again; no model's id ends so."""

R = TypeVar("R")


def quickly_unpickled(record: type[R]) -> type[R]:
    """A frozen record with slots that comes out of a pickle five times as fast.

    What `dataclasses` gives it asks for the record's fields at each object. A flow run in which
    nothing changed does little but unpickle hundreds of thousands of them.
    """
    names: tuple[str, ...] = record.__slots__  # type: ignore[attr-defined]  # dataclass gave it

    def restore(self: object, state: Sequence[object]) -> None:
        for name, value in zip(names, state, strict=True):
            object.__setattr__(self, name, value)

    record.__setstate__ = restore  # type: ignore[attr-defined]  # as pickle looks it up
    return record


@quickly_unpickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """What a searched parameter may be, in Optuna's words, where it is not a list of values.

    Attributes:
        kind: A `float` or `int` from `low` to `high`, both included, or one of `choices`.
        low, high: The bounds.
        log: Whether it is searched on a logarithmic scale.
        step: Between one value and the next; None for every number of the kind.
        choices: Of a `categorical`.
        when: By other parameters, the values they must have for this one to be searched at all.
    """

    kind: Literal["float", "int", "categorical"]
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    choices: tuple[Any, ...] = ()
    when: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def content(self) -> dict[str, Any]:
        """As a registry writes it."""
        is_categorical = self.kind == "categorical"
        written: dict[str, Any]
        written = {self.kind: list(self.choices) if is_categorical else [self.low, self.high]}
        options = {"log": self.log, "step": self.step}
        when = {"when": {name: list(values) for name, values in self.when.items()}}
        given = {name: value for name, value in (options | when).items() if value}
        return {**written, **given}


Grid = tuple[Mapping[str, tuple[Any, ...] | Distribution], ...]
"""As scikit-learn's ParameterGrid takes it: the union of products of listed values, or ranges."""


def grid_content(grid: Grid) -> list[dict[str, Any]]:
    """A grid as a registry writes it, and as JSON holds it."""
    return [
        {
            name: values.content if isinstance(values, Distribution) else list(values)
            for name, values in part.items()
        }
        for part in grid
    ]


@quickly_unpickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One estimator of a pipeline: its name there and its import path `package.module:Class`."""

    name: str
    estimator: str


@quickly_unpickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Which customers a model is meant for: all `tags` present, at least `min_rows` rows."""

    tags: tuple[str, ...] = ()
    min_rows: int = 0


@quickly_unpickled
@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A candidate model as the registry lists it.

    Attributes:
        id: Its lasting name, unique in a snapshot.
        steps: The pipeline; a single step is a bare estimator.
        params: Fixed parameters, by scikit-learn's names.
        grid: The values and ranges searched; empty means one trial with `params` alone.
        cost: What serving it costs, in any unit; between equal scores the lower wins.
        when: The customers it is meant for.
    """

    id: str
    steps: tuple[Step, ...]
    params: Params = field(default_factory=dict)
    grid: Grid = ()
    cost: float = 1.0
    when: Selector = Selector()


@quickly_unpickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """One customer as the registry lists it.

    Attributes:
        id: Its lasting name, unique in a snapshot.
        data: Where its data is; only the experiment's loader interprets it.
        segment: A group to compare within.
        tags: What `ModelSpec.when` selects by.
        active: False means paused: keep serving, stop training.
        grids: By model id, a grid that replaces the model's own.
    """

    id: str
    data: Json = None
    segment: str = ""
    tags: tuple[str, ...] = ()
    active: bool = True
    grids: Mapping[str, Grid] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A registry row set aside: its place in the list from 0, its id if readable, and why."""

    kind: Literal["model", "customer"]
    row: int
    id: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the registry returned at one moment; `id` is a hash of models and customers alone.

    Attributes:
        id: Equal for equal content, whatever the order of rows.
        models, customers: In order of id.
        rejected: Rows that were set aside.
        source: Where it came from, without secrets.
        etag: The version its server gave it; "" where there is none.
        fetched: When.
    """

    id: str
    models: tuple[ModelSpec, ...]
    customers: tuple[Customer, ...]
    rejected: tuple[Rejected, ...] = ()
    source: str = ""
    etag: str = ""
    fetched: float = 0.0


TIMES = ("fit_seconds", "score_seconds")
"""What every trial measures besides its metrics: seconds, of all its folds together."""

MODEL_KB = "model_kb"
"""The metric that is no score: kilobytes of the fitted estimator."""

COSTS = frozenset({*TIMES, MODEL_KB})
"""What less of is better."""


@quickly_unpickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """What a candidate has to meet to be served at all: `fit_seconds <= 2`."""

    measure: str
    relation: Literal["<=", ">="]
    bound: float

    def holds(self, value: float) -> bool:
        """Whether it is met by what was measured."""
        return value <= self.bound if self.relation == "<=" else value >= self.bound

    def __str__(self) -> str:
        return f"{self.measure} {self.relation} {self.bound:g}"


@quickly_unpickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How candidates are compared; the same for every study of an experiment.

    Attributes:
        loader: Import path `package.module:function` of the data loader.
        folds: Stratified cross-validation folds.
        metrics: Names of scorers, scikit-learn's or those of `scorers`; all are recorded.
        metric: The one of `metrics` that selects.
        direction: Optuna's word for which way `metric` is better; a scorer's more is better, unless
            it is a project's own plain function.
        scorers: By name, the import path `package.module:function` of a project's own scorers.
        objectives: What selects, `metric` first, then what decides between candidates that are
            within `slack` of its best: metrics, or `TIMES`. Without any, `metric` alone.
        slack: How far behind the best `metric` the later objectives may choose.
        constraints: What the candidate that is served has to meet.
        seed: The experiment's seed (law 9).
        task: What the target is; decides between stratified and plain folds.
        allowed: Packages whose estimators may be used (law 8).
    """

    loader: str
    folds: int = 3
    metrics: tuple[str, ...] = ("roc_auc",)
    metric: str = "roc_auc"
    direction: Literal["maximize", "minimize"] = "maximize"
    seed: int = 0
    task: Literal["classification", "regression"] = "classification"
    allowed: tuple[str, ...] = ("sklearn",)
    scorers: Mapping[str, str] = field(default_factory=dict)
    objectives: tuple[str, ...] = ()
    slack: float = 0.0
    constraints: tuple[Constraint, ...] = ()


@quickly_unpickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How trials are chosen, and where and how long they run.

    Attributes:
        strategy: The strategy's name.
        settings: Its own settings, e.g. `n_trials` of `optuna`.
        max_parallel: Trials of one study under way at once; None leaves it to the strategy. A
            strategy that learns from results is told of each this much later, on any number of
            workers, so it is part of what trials follow from.
        warm_start: Whose champions' parameters are tried first: those of the customer itself, of
            the best in its `segment` as well, or `never` anybody's.
        placement: `study` runs a study as a whole on one worker, `trials` spreads its trials over
            the workers; `auto` chooses by what they took last time. The trials are the same.
        timeout: Seconds a trial may take; None for no limit.
        seconds: How long a study may go on beginning trials; None for no limit. Unlike any other
            setting it makes trials depend on the machine.
    """

    strategy: str = "grid"
    settings: Mapping[str, Any] = field(default_factory=dict)
    max_parallel: int | None = None
    warm_start: Literal["customer", "segment", "never"] = "customer"
    placement: Literal["auto", "study", "trials"] = "auto"
    timeout: float | None = None
    seconds: float | None = None


@quickly_unpickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One search: one customer's data, one model, one way of comparing, in one flow run.

    A result that a later flow run reuses keeps the study, and so the flow run, it came from.

    Attributes:
        flow_run: The flow run it belongs to.
        snapshot: The registry's answer it follows from.
        customer: Whose data.
        model: Which candidates, as the registry lists them.
        evaluation: How they are compared.
        search: How they are chosen.
        first: Points to try before any other, such as the champion's. They follow from what served
            when the flow run started, and are no part of the fingerprint: that there is another
            champion is no reason to search again what is recorded.
        known: Points that were scored before on the same folds, with their mean scores by metric: a
            strategy that learns learns from them, and tries others. No part of the fingerprint.
        champion: True for the study of one trial that scores the present champion on today's
            folds, when it is no longer among the candidates.
        data_version: Which version of the data there was when the study was planned; "" when
            only loading it can tell.
        follows_from: Hashes of the parts its results follow from, by name (`training.fingerprint`).
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
        """Its lasting name, `customer/model`, or `customer/model@champion`."""
        name = f"{self.customer.id}/{self.model.id}"
        return f"{name}{CHAMPION}" if self.champion else name

    @property
    def grid(self) -> Grid:
        """What is searched: the customer's own grid for this model, or the model's.

        The champion's study has the one point that the champion is, whatever the customer's grid.
        """
        if self.champion:
            return self.model.grid
        return self.customer.grids.get(self.model.id, self.model.grid)


@quickly_unpickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much of a resource a trial is given: `amount` of `of` folds, or that share of the rows.

    Attributes:
        resource: What is rationed: folds, iterations of the fit, or training rows.
        amount: How much of it, less than all.
        of: How much all of it is.
    """

    resource: Literal["folds", "iterations", "rows"]
    amount: int
    of: int

    def __str__(self) -> str:
        return f"{self.amount} of {self.of} {self.resource}"


@quickly_unpickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One point of a study, and how far it is to be evaluated.

    Attributes:
        study: Which.
        number: Its number there; a trial that goes on with a larger budget keeps it. A negative one
            stands for a study that failed as a whole.
        params: The searched values only, without the fixed ones.
        budget: The part it is given; None is everything.
    """

    study: Study
    number: int
    params: Params
    budget: Budget | None = None

    @property
    def key(self) -> str:
        """Its lasting name, `customer/model/number`."""
        return self.study.key if self.number < 0 else f"{self.study.key}/{self.number}"

    @property
    def run_id(self) -> str:
        """The MLflow run it becomes: the same each time it is sent (law 3)."""
        return identity.run_id(self.study.flow_run, self.key)


TrialState = Literal["success", "pruned", "failed", "timed_out"]
"""How a trial ended, by Optuna's meaning: `pruned` was given up with what it had, by choice."""


@quickly_unpickled
@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """What became of a trial.

    Attributes:
        trial: What was tried, and with how much of a budget.
        state: `success` has all scores and alone can win; `pruned` has those of its budget, unless
            the trial goes on; `failed` and `timed_out` have an error, and the folds before it.
        scores: By metric, one value a fold.
        fit_seconds: One value a fold.
        score_seconds: One value a fold.
        rows: Rows of the customer's data.
        data_version: Which version of the data was seen; "" when nobody can tell.
        started, ended: Epoch seconds.
        worker: Where it ran.
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
        """Whether something went wrong; a pruned trial is none."""
        return self.state in {"failed", "timed_out"}

    def measured(self, name: str) -> float:
        """The mean of a metric, or all seconds of `TIMES`."""
        if name in TIMES:
            return math.fsum(self.fit_seconds if name == "fit_seconds" else self.score_seconds)
        return self.mean(name)

    def violated(self, constraints: Sequence[Constraint]) -> tuple[Constraint, ...]:
        """The constraints it does not meet."""
        return tuple(each for each in constraints if not each.holds(self.measured(each.measure)))

    def mean(self, metric: str) -> float:
        """The mean over folds of one metric; over those it had, where it is pruned."""
        values = self.scores[metric]
        return sum(values) / len(values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to serve for one customer.

    Attributes:
        flow_run: The flow run that decided.
        customer: Whom for.
        best: The best trial of this flow run, None when none succeeded.
        incumbent: The present champion on the same folds, None when there is none.
        promote: Whether `best` replaces the incumbent.
        reason: One sentence for people.
    """

    flow_run: str
    customer: Customer
    best: TrialResult | None
    incumbent: TrialResult | None
    promote: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """One change of one customer's champion: the decision, and where its model stands.

    It is intended first, then its model's files are written, then it is deployed and confirmed.

    Attributes:
        decision: Why; its `best` is what is deployed.
        run_id: MLflow's id of the run of the deployed trial.
        source: The address of the model's files; "" until they are written.
        at: When it was intended.
        model_name: MLflow's registered model; "" until it is deployed.
        version: Its version there; "" until it is deployed.
        previous_version: The version that was champion before, if any.
    """

    decision: Decision
    run_id: str
    source: str
    at: float
    model_name: str = ""
    version: str = ""
    previous_version: str | None = None


class State(StrEnum):
    """The states of an instance; see docs/mapping.md for how one leads to another."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    SKIPPED = "skipped"
    UPSTREAM_FAILED = "upstream_failed"
    UP_FOR_RETRY = "up_for_retry"
    REMOVED = "removed"
    CACHED = "cached"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRun:
    """One execution of a flow.

    Attributes:
        id: Unique, sortable by start time.
        flow: The flow's name.
        state: `running` until it ended, then `success` or `failed` (or `interrupted`).
        params: The flow's parameters, as JSON where they are JSON, else their repr.
        counts: Instances by state, once it ended.
        context: Free JSON: snapshot id, configuration, where to look.
    """

    id: str
    flow: str
    state: Literal["running", "success", "failed", "interrupted"] = "running"
    params: Mapping[str, Any] = field(default_factory=dict)
    started: float = 0.0
    ended: float | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRecord:
    """How one instance of a flow run ended, as a recorder is told of it.

    Attributes:
        flow_run: The flow run's id.
        node: The node's name in the flow.
        key: The instance's lasting name; "" for a task that is not mapped.
        index: Its map index, for display only; -1 for a task that is not mapped.
        state: An ended state.
        tries: Attempts made; 0 when it never ran.
        started, ended: Epoch seconds; None when it never ran.
        worker: Where it ran last.
        error: Type and message, then the traceback; None unless it failed.
        arguments: Its arguments in short, for people.
        fingerprint: Hash of code and arguments (law 4); None when it must not be reused.
        value: What it returned; recorders store it where small enough.
    """

    flow_run: str
    node: str
    key: str
    index: int
    state: State
    tries: int = 0
    started: float | None = None
    ended: float | None = None
    worker: str = ""
    error: str | None = None
    arguments: str = ""
    fingerprint: str | None = None
    value: Any = None
