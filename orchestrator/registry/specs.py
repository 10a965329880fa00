"""Registry rows -> `ModelSpec` and `Customer`, then checked against the estimators they name.

Reading a row imports no library. Checking it imports scikit-learn, and is therefore a separate
step, which `registry.snapshots.fetch` skips if the same rows were checked before.

A grid of a model that is not listed (any more) is kept unchecked: models leave weekly, and that is
not the fault of the customers who tuned them.

Touches no library; takes rows, as `orchestrator.registry.rows` describes them; gives records; runs
on the driver.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from orchestrator.containers import require_taken
from orchestrator.errors import UsageError
from orchestrator.estimators import Estimators, Parameters
from orchestrator.permissions import Addresses
from orchestrator.records import Customer, Distribution, Grid, ModelSpec, Selector, Step
from orchestrator.registry.cells import BadRowError, RowProblem
from orchestrator.registry.rows import CustomerRow, ModelRow, StepFields, identifier, validated
from orchestrator.registry.spaces import condition_problems, in_one_order

Refusal = Callable[[str, Any], str]
"""Returns the reason why a row may not set a parameter to a value, or "" if it may."""


def read_model(row: object) -> ModelSpec:
    """Return the model a row describes; its estimators are not checked.

    Args:
        row: The fields by name.

    Raises:
        BadRowError: The row has problems; each is keyed like `grid.C`.
    """
    fields = validated(ModelRow, row)
    return ModelSpec(
        id=fields.id,
        steps=_steps(fields),
        params=in_one_order(fields.params),
        grid=_searched(fields),
        cost=fields.cost,
        when=Selector(tags=fields.when.tags, min_rows=fields.when.min_rows),
    )


def require_model(row: object, spec: ModelSpec, estimators: Estimators) -> None:
    """Refuse a model whose estimators are not allowed, or do not accept its parameters.

    Args:
        row: The fields by name.
        spec: The result of `read_model` for the row.
        estimators: The estimators that rows may name.

    Raises:
        BadRowError: The row has problems; each is keyed like `grid.C` or `pipeline[1].estimator`.
    """
    fields = validated(ModelRow, row)
    problems = _estimator_problems(spec, fields, estimators)
    problems = problems or _parameter_problems(spec, fields, estimators)
    if problems:
        raise BadRowError(*problems)


def read_customer(row: object, addresses: Addresses | None = None) -> Customer:
    """Return the customer a row describes; its grids are not checked against the models.

    Args:
        row: The fields by name.
        addresses: The addresses its `data` may name; None for the default ones.

    Raises:
        BadRowError: The row has problems; the error holds all of them.
    """
    fields = validated(CustomerRow, row)
    grids = {model: _grid(grid) for model, grid in sorted((fields.grids | fields.spaces).items())}
    problems = [
        RowProblem(f"spaces.{model}", "is given in `grids`, too; give one of them")
        for model in fields.spaces
        if model in fields.grids
    ]
    problems += [
        RowProblem(key, reason)
        for key, reason in (addresses or Addresses()).refusals(fields.data, "data")
    ]
    problems += [
        RowProblem(f"spaces.{model}", "is empty; leave it out to search the model's")
        for model in fields.spaces
        if not grids[model]
    ]
    for model, grid in grids.items():
        key = _key_of_grids(fields, model)
        problems += _condition_problems(key, grid)
        problems += _repeated_parts(key, grid)
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


def require_grids(
    row: object,
    customer: Customer,
    parameters: Mapping[str, Parameters],
    refusals: Mapping[str, Refusal],
) -> None:
    """Refuse a customer with a grid that its model does not accept.

    Args:
        row: The customer's fields by name.
        customer: The result of `read_customer` for the row.
        parameters: The parameters that the grid of each listed model may set.
        refusals: The `Refusal` of each listed model.

    Raises:
        BadRowError: The row has problems; the error holds all of them.
    """
    listed = {model: grid for model, grid in customer.grids.items() if model in parameters}
    if not listed:
        return
    fields = validated(CustomerRow, row)
    problems: list[RowProblem] = []
    for model, grid in listed.items():
        key = _key_of_grids(fields, model)
        problems += _unknown_names(key, _names(grid), parameters[model])
        problems += _refused_values(key, grid, parameters[model], refusals[model])
        problems += _not_taken(key, grid, parameters[model])
    if problems:
        raise BadRowError(*problems)


def refusal_of(spec: ModelSpec, estimators: Estimators) -> Refusal:
    """Return the function that says why a row may not set a parameter of this model."""
    return lambda name, value: estimators.refusal(spec, name, value)


def usable_id(row: object) -> str | None:
    """Return the row's id if it is well formed, even if the rest of the row is not."""
    given = row.get("id") if isinstance(row, Mapping) else getattr(row, "id", None)
    try:
        return identifier(given)
    except ValueError:
        return None


def _steps(fields: ModelRow) -> tuple[Step, ...]:
    if (fields.estimator is None) == (not fields.pipeline):
        raise BadRowError(RowProblem("estimator", "give either an estimator or a pipeline"))
    given = fields.pipeline or [StepFields(estimator=str(fields.estimator))]
    defaults = _default_names([step.estimator for step in given])
    names = [step.name or default for step, default in zip(given, defaults, strict=True)]
    if len(set(names)) < len(names) or any("__" in name for name in names):
        problem = f"its step names {names} must be different and without '__'"
        raise BadRowError(RowProblem("pipeline", problem))
    return tuple(
        Step(name=name, estimator=step.estimator) for name, step in zip(names, given, strict=True)
    )


def _default_names(paths: Sequence[str]) -> list[str]:
    """Return the names of sklearn's make_pipeline: the lower-case class, numbered if repeated."""
    names = [path.rpartition(":")[2].lower() for path in paths]
    seen: Counter[str] = Counter()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(f"{name}-{seen[name]}" if names.count(name) > 1 else name)
    return numbered


def _grid(given: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> Grid:
    """Return the grid sorted by name, because some databases lose the order of JSON objects."""
    grids = [given] if isinstance(given, Mapping) else given
    return tuple(_sorted(grid) for grid in grids if grid)


def _searched(fields: ModelRow) -> Grid:
    """Return the model's grid or space; they are two notations of one thing."""
    if fields.space is None:
        return _grid(fields.grid)
    if fields.grid:
        raise BadRowError(RowProblem("space", "is given beside `grid`; give one of them"))
    space = _grid(fields.space)
    if not space:
        raise BadRowError(RowProblem("space", "is empty; leave it out to try `params` alone"))
    return space


def _condition_problems(key: str, grid: Grid) -> list[RowProblem]:
    return [problem for part in grid for problem in condition_problems(key, part)]


def _sorted(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return dict(sorted(mapping.items()))


def _names(grid: Grid) -> list[str]:
    return sorted({name for part in grid for name in part})


def _estimator_problems(
    spec: ModelSpec, fields: ModelRow, estimators: Estimators
) -> list[RowProblem]:
    problems = []
    for index, step in enumerate(spec.steps):
        try:
            estimators.resolve(step.estimator)
        except UsageError as error:
            key = f"pipeline[{index}].estimator" if fields.pipeline else "estimator"
            problems.append(RowProblem(key, str(error)))
    return problems


def _parameter_problems(
    spec: ModelSpec, fields: ModelRow, estimators: Estimators
) -> list[RowProblem]:
    try:
        known = estimators.parameters_of(spec)
    except UsageError as error:
        return [RowProblem("pipeline" if len(spec.steps) > 1 else "estimator", str(error))]
    return [
        *_unknown_names("params", list(spec.params), known),
        *_unknown_names(_key_of_grid(fields), _names(spec.grid), known),
        *_refused_values("params", (_listed(spec.params),), known, refusal_of(spec, estimators)),
        *_refused_values(_key_of_grid(fields), spec.grid, known, refusal_of(spec, estimators)),
        *_not_taken("params", (_listed(spec.params),), known),
        *_not_taken(_key_of_grid(fields), spec.grid, known),
        *_condition_problems(_key_of_grid(fields), spec.grid),
        *_fixed_and_searched(_key_of_grid(fields), spec),
        *_repeated_parts(_key_of_grid(fields), spec.grid),
    ]


def _not_taken(key: str, grid: Grid, known: Parameters) -> list[RowProblem]:
    """Return a problem for each list or mapping that its parameter does not accept."""
    problems = []
    for part in grid:
        for name, values in part.items():
            for value in _every_value(values) if name in known else ():
                try:
                    require_taken(known.estimator, {name: value})
                except UsageError as error:
                    problems.append(RowProblem(f"{key}.{name}", str(error)))
    return problems


def _fixed_and_searched(key: str, spec: ModelSpec) -> list[RowProblem]:
    return [
        RowProblem(f"{key}.{name}", "is fixed in `params`, too; give it in one of them")
        for name in _names(spec.grid)
        if name in spec.params
    ]


def _repeated_parts(key: str, grid: Grid) -> list[RowProblem]:
    """Return a problem for each repeated part of a union: its trials would run twice."""
    return [
        RowProblem(f"{key}[{index}]", f"is the same as {key}[{grid.index(part)}]")
        for index, part in enumerate(grid)
        if repr(part) in {repr(earlier) for earlier in grid[:index]}
    ]


def _key_of_grid(fields: ModelRow) -> str:
    return "grid" if fields.space is None else "space"


def _key_of_grids(fields: CustomerRow, model: str) -> str:
    return f"grids.{model}" if model in fields.grids else f"spaces.{model}"


def _listed(params: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {name: (value,) for name, value in params.items()}


def _refused_values(key: str, grid: Grid, known: Parameters, refusal: Refusal) -> list[RowProblem]:
    """Return a problem for each known parameter that rows may not set to one of its values."""
    reasons: dict[str, str] = {}
    for part in grid:
        for name, values in part.items():
            each = _every_value(values) if name in known else ()
            reason = next(filter(None, (refusal(name, value) for value in each)), "")
            if reason:
                reasons.setdefault(name, reason)
    return [RowProblem(f"{key}.{name}", reason) for name, reason in reasons.items()]


def _every_value(values: tuple[Any, ...] | Distribution) -> tuple[Any, ...]:
    if not isinstance(values, Distribution):
        return values
    return values.choices if values.kind == "categorical" else (values.low, values.high)


def _unknown_names(key: str, names: Sequence[str], known: Parameters) -> list[RowProblem]:
    return [
        RowProblem(
            f"{key}.{name}", f"is not a parameter of its estimator{_suggestion(name, known)}"
        )
        for name in names
        if name not in known
    ]


def _suggestion(name: str, parameters: Parameters) -> str:
    known = parameters.names
    of_a_step = sorted(longer for longer in known if longer.endswith(f"__{name}"))
    close = of_a_step or get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(sorted(known))}"
