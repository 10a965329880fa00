"""The fields of a registry row, and the values each may hold.

A model's row, in YAML (every source gives the same fields; a source without types gives lists and
mappings as JSON text, and tags as `a;b`):

    id: logreg                                    # no "/"; at most 250 characters
    estimator: sklearn.linear_model:LogisticRegression        # this, or a pipeline:
    pipeline:                                     # names default as in sklearn's make_pipeline
      - sklearn.preprocessing:StandardScaler
      - {name: clf, estimator: sklearn.linear_model:LogisticRegression}
    params: {clf__max_iter: 200}                  # fixed
    grid: {clf__C: [0.1, 1.0]}                    # or a list of grids: their union
    space: {clf__C: {float: [0.01, 100], log: true}}   # ranges; instead of `grid`, see `spaces`
    cost: 1.0                                     # with equal scores the cheaper model wins
    when: {tags: [large], min_rows: 500}          # the customers it is meant for

A customer's row:

    id: AA-DFW
    data: flights/AA-DFW.parquet                  # text, a list or a mapping, for the loader
    segment: hub
    tags: [large, domestic]
    active: true                                  # false: keep serving, stop training
    grids: {logreg: {clf__C: [0.5]}}              # replaces that model's grid or space
    spaces: {logreg: {clf__C: {float: [1, 2]}}}   # likewise

Touches pydantic; takes rows; gives `ModelRow` and `CustomerRow`; runs on the driver.
"""

import reprlib
import unicodedata
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    ValidationError,
)
from pydantic import Tag as UnionTag

from orchestrator.records import CHAMPION, Distribution, Json
from orchestrator.registry.cells import BadRowError, RowProblem, parted_tags, plain_row
from orchestrator.registry.spaces import read_distribution, read_values

_LONGEST_ID = 250
_ONE, _MANY = "one grid", "many grids"


def identifier(value: Any) -> str:
    """Return a customer's or model's id as text that is usable in every name.

    Raises:
        ValueError: The id is missing, too long, or has control characters.
    """
    if isinstance(value, bool | float) or not isinstance(value, str | int):
        raise ValueError(f"is {reprlib.repr(value)}, not text; put it in quotes")
    text = str(value)
    if not text.strip():
        raise ValueError("is blank")
    if len(text) > _LONGEST_ID:
        raise ValueError(f"has {len(text)} characters; at most {_LONGEST_ID} are allowed")
    if any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in text):
        raise ValueError(f"{text!r} has a control character or a line break")
    return text


def _model_identifier(text: str) -> str:
    # A trial's key is `customer/model/number`. Customers' ids may have a slash, so models' may not.
    if "/" in text:
        raise ValueError(f"{text!r} has a '/', which a model's id cannot have")
    if text.endswith(CHAMPION):
        raise ValueError(f"{text!r} ends in {CHAMPION!r}, which is reserved for rescored champions")
    return text


def _address(value: Json) -> Json:
    if isinstance(value, bool | float):
        raise ValueError(f"is {value!r}; give text, a list or a mapping")
    return str(value) if isinstance(value, int) else value


def _named_step(value: Any) -> Any:
    return {"estimator": value} if isinstance(value, str) else value


def _none_if_empty(value: Any) -> Any:
    """Read the empty text of SQL and CSV like a key that a YAML row leaves out."""
    return None if value == "" else value


def _values(value: Any) -> tuple[Any, ...] | Distribution:
    return read_distribution(value) if isinstance(value, dict) else read_values(value)


def _one_or_many(value: Any) -> str:
    return _MANY if isinstance(value, list) else _ONE


_Values = Annotated[tuple[Any, ...] | Distribution, PlainValidator(_values)]
_GridField = Annotated[
    Annotated[dict[str, _Values], UnionTag(_ONE)]
    | Annotated[list[dict[str, _Values]], UnionTag(_MANY)],
    Discriminator(_one_or_many),
]
_Tags = Annotated[
    tuple[str, ...],
    BeforeValidator(parted_tags),
    AfterValidator(lambda tags: tuple(sorted(set(tags)))),
]


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StepFields(_Fields):
    """One estimator of a pipeline."""

    name: str | None = Field(default=None, min_length=1)
    estimator: str


class SelectorFields(_Fields):
    """The criteria of the customers that a model is meant for."""

    tags: _Tags = ()
    min_rows: int = Field(default=0, ge=0)


class ModelRow(_Fields):
    """A model as a source lists it."""

    id: Annotated[str, BeforeValidator(identifier), AfterValidator(_model_identifier)]
    estimator: Annotated[str | None, BeforeValidator(_none_if_empty)] = None
    pipeline: Annotated[
        list[Annotated[StepFields, BeforeValidator(_named_step)]] | None,
        BeforeValidator(_none_if_empty),
    ] = None
    params: dict[str, Any] = {}
    grid: _GridField = {}
    space: _GridField | None = None
    cost: float = Field(default=1.0, ge=0)
    when: SelectorFields = SelectorFields()


class CustomerRow(_Fields):
    """A customer as a source lists it."""

    id: Annotated[str, BeforeValidator(identifier)]
    data: Annotated[Any, AfterValidator(_address)] = None
    segment: str = ""
    tags: _Tags = ()
    active: bool = True
    grids: dict[str, _GridField] = {}
    spaces: dict[str, _GridField] = {}


_Row = TypeVar("_Row", bound=_Fields)


def validated(kind: type[_Row], row: object) -> _Row:
    """Parse a row.

    Args:
        kind: The class of the row.
        row: The fields by name.

    Raises:
        BadRowError: The row has problems; each is keyed like `grid.C` or `grid[1].C`.
    """
    fields = plain_row(row)
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        names = ", ".join(kind.model_fields)
        raise BadRowError(*(_problem(dict(found), names) for found in error.errors())) from None


def _problem(found: dict[str, Any], names: str) -> RowProblem:
    """Translate one of pydantic's errors."""
    key = ""
    for part in found["loc"]:
        if part not in {_ONE, _MANY}:
            key += f"[{part}]" if isinstance(part, int) else f".{part}" if key else str(part)
    match found["type"]:
        case "missing":
            return RowProblem(key, "is missing")
        case "extra_forbidden":
            hint = f"; a row has {names}" if len(found["loc"]) == 1 else ""
            return RowProblem(key, f"is not a known field{hint}")
    return RowProblem(key, found["msg"].removeprefix("Value error, "))
