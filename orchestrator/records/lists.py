"""The registry's lists: models, searched values, customers, and a snapshot of all of them.

Touches no library; driver and workers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from orchestrator.records.pickling import quickly_pickled

Json = None | bool | int | float | str | list[Any] | dict[str, Any]
"""The values that a registry row, a parameter or a setting may hold."""

Params = Mapping[str, Any]
"""Hyperparameters by scikit-learn's names: `C`, or `step__C` in a pipeline."""


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """The range of a searched parameter, in Optuna's terms, if it is not a list of values.

    Attributes:
        kind: A `float` or `int` from `low` to `high`, both included, or one of `choices`.
        low, high: The bounds.
        log: Whether it is searched on a logarithmic scale.
        step: The step between values; None for every number of the kind.
        choices: The choices of a `categorical`.
        when: The values that other parameters must have for this one to be searched, by name.
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
        """The range in a registry's notation."""
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
    """A grid in a registry's notation, as JSON."""
    return [
        {
            name: values.content if isinstance(values, Distribution) else list(values)
            for name, values in part.items()
        }
        for part in grid
    ]


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One estimator of a pipeline: its name there and its import path `package.module:Class`."""

    name: str
    estimator: str


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """The customers a model is meant for: all `tags` present, at least `min_rows` rows."""

    tags: tuple[str, ...] = ()
    min_rows: int = 0


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A candidate model as the registry lists it.

    Attributes:
        id: Its lasting name, unique in a snapshot.
        steps: The pipeline; a single step is a bare estimator.
        params: Fixed parameters, by scikit-learn's names.
        grid: The values and ranges searched; empty means one trial with `params` alone.
        cost: The cost of serving it, in any unit; between equal scores the lower wins.
        when: The customers it is meant for.
    """

    id: str
    steps: tuple[Step, ...]
    params: Params = field(default_factory=dict)
    grid: Grid = ()
    cost: float = 1.0
    when: Selector = Selector()


@quickly_pickled
@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """One customer as the registry lists it.

    Attributes:
        id: Its lasting name, unique in a snapshot.
        data: The place of its data; only the experiment's loader interprets it.
        segment: A group to compare within.
        tags: The tags that `ModelSpec.when` selects by.
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
    """A rejected registry row: its place in the list from 0, its id if readable, the reason."""

    kind: Literal["model", "customer"]
    row: int
    id: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The registry's answer at one moment; `id` is a hash of models and customers alone.

    Attributes:
        id: Equal for equal content, whatever the order of rows.
        models, customers: In order of id.
        rejected: The rejected rows.
        source: The source it came from, without secrets.
        etag: The version its server gave it; "" where there is none.
        fetched: The time of the fetch.
    """

    id: str
    models: tuple[ModelSpec, ...]
    customers: tuple[Customer, ...]
    rejected: tuple[Rejected, ...] = ()
    source: str = ""
    etag: str = ""
    fetched: float = 0.0
