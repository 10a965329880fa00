"""The registry's lists as one immutable `Snapshot`, and the treatment of bad rows.

The order of a list has no meaning: models and customers are sorted by id, and the snapshot's id is
a hash of their content. A bad customer is rejected; a bad model, or a repeated id, stops the run
(docs/adr/0001-bad-rows.md gives the reasons).

Touches no library; takes sources; gives `Snapshot`; runs on the driver.
"""

import time
from collections.abc import Callable, Collection, Sequence
from operator import itemgetter
from typing import Any, Literal, TypeVar

from orchestrator.errors import ConfigError, OrchestratorError, RegistryError
from orchestrator.estimators import Estimators
from orchestrator.identity import digest
from orchestrator.permissions import Addresses
from orchestrator.records import Customer, Json, ModelSpec, Rejected, Snapshot, grid_content
from orchestrator.redaction import redacted
from orchestrator.registry import specs
from orchestrator.registry.cells import BadRowError, RowProblem
from orchestrator.registry.guards import Refusal, enforce
from orchestrator.registry.sources import Kind, Source
from orchestrator.user_code import RaisedError, user_code

_Spec = TypeVar("_Spec", ModelSpec, Customer)

IsCleared = Callable[[Sequence[ModelSpec], Sequence[Customer]], bool]
"""Whether models and customers' grids have already been checked against their estimators."""

_MOST_SHOWN = 5
"""The maximum number of bad rows that a message names."""


def fetch(
    models: Source,
    customers: Source | None = None,
    *,
    estimators: Estimators,
    addresses: Addresses | None = None,
    accept: Collection[str] = (),
    is_cleared: IsCleared = lambda _models, _customers: False,
) -> Snapshot:
    """Fetch both lists, now, and check every row.

    Args:
        models: The source of the models.
        customers: The source of the customers, if it is another one.
        estimators: The estimators that rows may name.
        addresses: The addresses customers' `data` may name; None for the default ones.
        accept: The guards whose refusal the user accepted; only `empty` matters here.
        is_cleared: Returns whether these models and customers' grids have already passed the
            check against their estimators; if so, no estimator is imported.

    Raises:
        RegistryError: A source cannot be read, or returns no usable model or customer.
        ConfigError: Models are wrong, or ids repeat; the message names all of them.
    """
    customers = models if customers is None else customers
    model_rows, model_etag = _read(models, "models", accept)
    customer_rows, customer_etag = _read(customers, "customers", accept)
    read_models, bad_models = _sort_out(model_rows, specs.read_model)
    good, bad = _sort_out(customer_rows, lambda row: specs.read_customer(row, addresses))
    specs_of_models = [model for _, model in read_models]
    if bad_models or not is_cleared(specs_of_models, [customer for _, customer in good]):
        _, refused_models = _compared(
            model_rows, read_models, lambda row, model: specs.require_model(row, model, estimators)
        )
        _require_good_models(bad_models + refused_models, models.description)
        _require_unique(read_models, "models", models.description)
        good, refused = _compared(customer_rows, good, _grid_check(specs_of_models, estimators))
        bad = sorted(bad + refused, key=itemgetter(0))
    rejected = _rejected(customer_rows, bad)
    _require_unique(good, "customers", customers.description)
    _require_some_good(good, rejected, customers.description)
    return snapshot_of(
        specs_of_models,
        [customer for _, customer in good],
        rejected=rejected,
        source=redacted(", ".join(dict.fromkeys((models.description, customers.description)))),
        etag=", ".join(dict.fromkeys(tag for tag in (model_etag, customer_etag) if tag)),
        fetched=time.time(),
    )


def snapshot_of(
    models: Sequence[ModelSpec], customers: Sequence[Customer], **circumstances: Any
) -> Snapshot:
    """Build the snapshot of these models and customers, in order of id.

    Args:
        models: The models, each with a different id.
        customers: The customers, each with a different id.
        **circumstances: The snapshot's other fields, which do not enter its id.
    """
    models = sorted(models, key=lambda model: model.id)
    customers = sorted(customers, key=lambda customer: customer.id)
    content = [[_model_content(m) for m in models], [_customer_content(c) for c in customers]]
    return Snapshot(
        id=digest("snapshot", content),
        models=tuple(models),
        customers=tuple(customers),
        **circumstances,
    )


def _read(source: Source, kind: Kind, accept: Collection[str]) -> tuple[list[Any], str]:
    try:
        with user_code():  # a source may be one of the user's own
            listing = source.read(kind)
            rows = list(listing.rows)
    except RaisedError as raised:
        if isinstance(raised.error, OrchestratorError):
            raise raised.error from raised.error.__cause__
        raise RegistryError(
            f"{source.description}: the list of {kind} cannot be read ({raised})"
        ) from raised.error
    if not rows:
        reason = f"{source.description}: the list of {kind} is empty"
        enforce([Refusal(guard="empty", reason=reason)], accept)
    return rows, listing.etag


def _require_good_models(bad: Sequence[tuple[int, BadRowError]], source: str) -> None:
    """Raise one error that names every problem of every model."""
    problems = [
        RowProblem(f"models[{index}].{problem.key}".removesuffix("."), problem.text)
        for index, error in sorted(bad, key=itemgetter(0))
        for problem in error.problems
    ]
    if problems:
        raise _config_error(problems, source)


def _sort_out(
    rows: Sequence[Any], read: Callable[[Any], _Spec]
) -> tuple[list[tuple[int, _Spec]], list[tuple[int, BadRowError]]]:
    """Split rows into good and bad ones, each with its position in the list."""
    good, bad = [], []
    for index, row in enumerate(rows):
        try:
            good.append((index, read(row)))
        except BadRowError as error:
            bad.append((index, error))
    return good, bad


def _compared(
    rows: Sequence[Any],
    good: Sequence[tuple[int, _Spec]],
    require: Callable[[Any, _Spec], None],
) -> tuple[list[tuple[int, _Spec]], list[tuple[int, BadRowError]]]:
    """Check good rows against their estimators; return those that pass and those that fail."""
    still_good, bad = [], []
    for index, spec in good:
        try:
            require(rows[index], spec)
        except BadRowError as error:
            bad.append((index, error))
        else:
            still_good.append((index, spec))
    return still_good, bad


def _grid_check(
    models: Sequence[ModelSpec], estimators: Estimators
) -> Callable[[Any, Customer], None]:
    parameters = {model.id: estimators.parameters_of(model) for model in models}
    refusals = {model.id: specs.refusal_of(model, estimators) for model in models}
    return lambda row, customer: specs.require_grids(row, customer, parameters, refusals)


def _rejected(rows: Sequence[Any], bad: Sequence[tuple[int, BadRowError]]) -> tuple[Rejected, ...]:
    kind: Literal["customer"] = "customer"
    return tuple(
        Rejected(kind=kind, row=index, id=specs.usable_id(rows[index]), reason=str(error))
        for index, error in bad
    )


def _require_unique(rows: Sequence[tuple[int, _Spec]], kind: Kind, source: str) -> None:
    first: dict[str, int] = {}
    problems = [
        RowProblem(
            f"{kind}[{index}].id", f"{row.id!r} is already the id of {kind}[{first[row.id]}]"
        )
        for index, row in rows
        if first.setdefault(row.id, index) != index
    ]
    if problems:
        raise _config_error(problems, source)


def _config_error(problems: Sequence[RowProblem], source: str) -> ConfigError:
    if len(problems) == 1:
        return ConfigError(problems[0].text, file=source, key=problems[0].key)
    return ConfigError(f"{len(problems)} problems:\n" + _listed(problems), file=source)


def _require_some_good(good: Sequence[Any], rejected: Sequence[Rejected], source: str) -> None:
    if rejected and not good:
        reasons = [RowProblem(f"customers[{bad.row}]", bad.reason) for bad in rejected]
        raise RegistryError(
            f"{source}: none of {len(rejected)} customers can be used; nothing was changed:\n"
            + _listed(reasons)
        )


def _listed(problems: Sequence[RowProblem]) -> str:
    lines = [f"  {problem}" for problem in problems[:_MOST_SHOWN]]
    left = len(problems) - _MOST_SHOWN
    return "\n".join([*lines, f"  and {left} more"] if left > 0 else lines)


def _model_content(model: ModelSpec) -> list[Json]:
    return [
        model.id,
        [[step.name, step.estimator] for step in model.steps],
        dict(model.params),
        grid_content(model.grid),
        model.cost,
        [list(model.when.tags), model.when.min_rows],
    ]


def _customer_content(customer: Customer) -> list[Json]:
    return [
        customer.id,
        customer.data,
        customer.segment,
        list(customer.tags),
        customer.active,
        {model: grid_content(grid) for model, grid in customer.grids.items()},
    ]
