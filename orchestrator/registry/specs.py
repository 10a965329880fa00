"""Registry rows -> `ModelSpec` and `Customer`, with the rules a row must keep.

A model's row, as YAML would say it (every source gives the same fields; those without a type of
their own give text that is JSON, and tags as `a;b`):

    id: logreg                                    # no "/"; at most 250 characters
    estimator: sklearn.linear_model:LogisticRegression        # this, or a pipeline:
    pipeline:                                     # names default as in sklearn's make_pipeline
      - sklearn.preprocessing:StandardScaler
      - {name: clf, estimator: sklearn.linear_model:LogisticRegression}
    params: {clf__max_iter: 200}                  # fixed
    grid: {clf__C: [0.1, 1.0]}                    # or a list of such: their union
    cost: 1.0                                     # between equal scores the cheaper model wins
    when: {tags: [large], min_rows: 500}          # which customers it is meant for

A customer's row:

    id: AA-DFW
    data: flights/AA-DFW.parquet                  # text, a list or a mapping, for the loader
    segment: hub
    tags: [large, domestic]
    active: true                                  # false: keep serving, stop training
    grids: {logreg: {clf__C: [0.5]}}              # replaces that model's grid

A grid for a model that is not listed (any more) is kept and not checked: models leave weekly, and
the customers that had tuned them are not at fault.

Touches pydantic; takes rows; gives records; runs on the driver.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    ValidationError,
)
from pydantic import Tag as UnionTag

from orchestrator import estimators
from orchestrator.errors import UsageError
from orchestrator.records import Customer, Grid, Json, ModelSpec, Selector, Step
from orchestrator.registry.cells import BadRowError, Problem, plain_row

_LONGEST_ID = 250
_ONE, _MANY = "one grid", "many grids"


def read_model(row: object, allowed: Sequence[str]) -> ModelSpec:
    """The model a row describes.

    Args:
        row: Its fields by name.
        allowed: Packages whose estimators may be used.

    Raises:
        BadRowError: With every problem found, keyed as `grid.C` or `pipeline[1].estimator`.
    """
    fields = _validated(_ModelRow, row)
    spec = ModelSpec(
        id=fields.id,
        steps=_steps(fields),
        params=_sorted(fields.params),
        grid=_grid(fields.grid),
        cost=fields.cost,
        when=Selector(tags=fields.when.tags, min_rows=fields.when.min_rows),
    )
    problems = _estimator_problems(spec, fields, allowed) or _parameter_problems(spec, allowed)
    if problems:
        raise BadRowError(*problems)
    return spec


def read_customer(row: object, parameters: Mapping[str, frozenset[str]]) -> Customer:
    """The customer a row describes.

    Args:
        row: Its fields by name.
        parameters: Of each listed model, the names its grid may use.

    Raises:
        BadRowError: With every problem found.
    """
    fields = _validated(_CustomerRow, row)
    grids = {model: _grid(grid) for model, grid in sorted(fields.grids.items())}
    problems = [
        problem
        for model, grid in grids.items()
        if model in parameters
        for problem in _unknown_names(f"grids.{model}", _names(grid), parameters[model])
    ]
    if problems:
        raise BadRowError(*problems)
    return Customer(
        id=fields.id,
        data=fields.data,
        segment=fields.segment,
        tags=fields.tags,
        active=fields.active,
        grids=grids,
    )


def usable_id(row: object) -> str | None:
    """The row's id where that is well formed, whatever else is wrong with the row."""
    given = row.get("id") if isinstance(row, Mapping) else getattr(row, "id", None)
    try:
        return _identifier(given)
    except ValueError:
        return None


def _identifier(value: Any) -> str:
    if isinstance(value, bool | float) or not isinstance(value, str | int):
        raise ValueError(f"is {value!r}, not text; put it in quotes")
    text = str(value)
    if not text.strip():
        raise ValueError("is blank")
    if len(text) > _LONGEST_ID:
        raise ValueError(f"has {len(text)} characters; at most {_LONGEST_ID} are allowed")
    if any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in text):
        raise ValueError(f"{text!r} has a control character or a line break")
    return text


def _model_identifier(text: str) -> str:
    # `customer/model/number` is a trial's key; customers' ids may have a slash, so models' may not.
    if "/" in text:
        raise ValueError(f"{text!r} has a '/', which a model's id cannot have")
    return text


def _address(value: Json) -> Json:
    if isinstance(value, bool | float):
        raise ValueError(f"is {value!r}; give text, a list or a mapping")
    return str(value) if isinstance(value, int) else value


def _named_step(value: Any) -> Any:
    return {"estimator": value} if isinstance(value, str) else value


def _values(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ValueError(f"is {value!r}; give a list of values")
    if not value:
        raise ValueError("has no values; list at least one")
    nested = [item for item in value if isinstance(item, list | dict)]
    if nested:
        raise ValueError(f"holds {nested[0]!r}; list plain values only")
    twice = [item for item, count in Counter(map(repr, value)).items() if count > 1]
    if twice:
        raise ValueError(f"lists {twice[0]} more than once")
    return tuple(value)


def _one_or_many(value: Any) -> str:
    return _MANY if isinstance(value, list) else _ONE


_Values = Annotated[tuple[Any, ...], BeforeValidator(_values)]
_GridField = Annotated[
    Annotated[dict[str, _Values], UnionTag(_ONE)]
    | Annotated[list[dict[str, _Values]], UnionTag(_MANY)],
    Discriminator(_one_or_many),
]
_Tags = Annotated[tuple[str, ...], AfterValidator(lambda tags: tuple(sorted(set(tags))))]


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _StepFields(_Fields):
    name: str | None = Field(default=None, min_length=1)
    estimator: str


class _SelectorFields(_Fields):
    tags: _Tags = ()
    min_rows: int = Field(default=0, ge=0)


class _ModelRow(_Fields):
    id: Annotated[str, BeforeValidator(_identifier), AfterValidator(_model_identifier)]
    estimator: str | None = None
    pipeline: list[Annotated[_StepFields, BeforeValidator(_named_step)]] | None = None
    params: dict[str, Any] = {}
    grid: _GridField = {}
    cost: float = Field(default=1.0, ge=0)
    when: _SelectorFields = _SelectorFields()


class _CustomerRow(_Fields):
    id: Annotated[str, BeforeValidator(_identifier)]
    data: Annotated[Any, AfterValidator(_address)] = None
    segment: str = ""
    tags: _Tags = ()
    active: bool = True
    grids: dict[str, _GridField] = {}


_Row = TypeVar("_Row", bound=_Fields)


def _validated(kind: type[_Row], row: object) -> _Row:
    fields = plain_row(row)
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        names = ", ".join(kind.model_fields)
        raise BadRowError(*(_problem(dict(found), names) for found in error.errors())) from None


def _problem(found: dict[str, Any], names: str) -> Problem:
    """Pydantic's finding in our words."""
    key = ""
    for part in found["loc"]:
        if part not in {_ONE, _MANY}:
            key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else str(part)
    match found["type"]:
        case "missing":
            return Problem(key, "is missing")
        case "extra_forbidden":
            return Problem(key, f"is no field here; a row has {names}")
    return Problem(key, found["msg"].removeprefix("Value error, "))


def _steps(fields: _ModelRow) -> tuple[Step, ...]:
    if (fields.estimator is None) == (not fields.pipeline):
        raise BadRowError(Problem("estimator", "give either an estimator or a pipeline"))
    given = fields.pipeline or [_StepFields(estimator=str(fields.estimator))]
    defaults = _default_names([step.estimator for step in given])
    names = [step.name or default for step, default in zip(given, defaults, strict=True)]
    if len(set(names)) < len(names) or any("__" in name for name in names):
        problem = f"its step names {names} must be different and without '__'"
        raise BadRowError(Problem("pipeline", problem))
    return tuple(
        Step(name=name, estimator=step.estimator) for name, step in zip(names, given, strict=True)
    )


def _default_names(paths: Sequence[str]) -> list[str]:
    """Names as sklearn's make_pipeline gives: the class in lower case, numbered where repeated."""
    names = [path.rpartition(":")[2].lower() for path in paths]
    seen: Counter[str] = Counter()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(f"{name}-{seen[name]}" if names.count(name) > 1 else name)
    return numbered


def _grid(given: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Grid:
    """Sorted by name: JSON objects of some databases forget their order."""
    grids = [given] if isinstance(given, Mapping) else given
    return tuple(_sorted(grid) for grid in grids if grid)


def _sorted(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return dict(sorted(mapping.items()))


def _names(grid: Grid) -> list[str]:
    return sorted({name for part in grid for name in part})


def _estimator_problems(
    spec: ModelSpec, fields: _ModelRow, allowed: Sequence[str]
) -> list[Problem]:
    problems = []
    for index, step in enumerate(spec.steps):
        try:
            estimators.resolve(step.estimator, allowed)
        except UsageError as error:
            key = f"pipeline[{index}].estimator" if fields.pipeline else "estimator"
            problems.append(Problem(key, str(error)))
    return problems


def _parameter_problems(spec: ModelSpec, allowed: Sequence[str]) -> list[Problem]:
    try:
        known = estimators.parameter_names(spec, allowed)
    except UsageError as error:
        return [Problem("pipeline" if len(spec.steps) > 1 else "estimator", str(error))]
    return [
        *_unknown_names("params", list(spec.params), known),
        *_unknown_names("grid", _names(spec.grid), known),
    ]


def _unknown_names(key: str, names: Sequence[str], known: frozenset[str]) -> list[Problem]:
    return [
        Problem(f"{key}.{name}", f"is no parameter of its estimator{_suggestion(name, known)}")
        for name in names
        if name not in known
    ]


def _suggestion(name: str, known: frozenset[str]) -> str:
    of_a_step = sorted(longer for longer in known if longer.endswith(f"__{name}"))
    close = of_a_step or get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(sorted(known))}"
