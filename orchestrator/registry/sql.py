"""The source `sql`: lists in a SQL database, each a table or a SELECT.

The tables that `orchestrator registry import` creates have the columns of
`orchestrator.registry.importing`; a query may select any columns under those names. A column that
holds a list or a mapping may hold JSON text.

Touches SQLAlchemy; takes a URL and queries; gives rows; runs on the driver. Only reads.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import sqlalchemy
from pydantic import Field, SecretStr, field_validator, model_validator
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from orchestrator.errors import ConfigError, RegistryError
from orchestrator.registry.sources import Kind, Listing, Settings

_TABLE = re.compile(r"(?:(?P<schema>\w+)\.)?(?P<name>\w+)")
_QUERY = re.compile(r"\s*(select|with|values)\b", re.IGNORECASE)
_ROWS_AT_ONCE = 1_000


class SqlSource(Settings):
    """Models and customers in a SQL database.

    Attributes:
        url: The database's SQLAlchemy URL; `postgresql://` uses the driver psycopg.
        models: The table of models, or a SELECT.
        customers: The table of customers, or a SELECT.
        parameters: The values of the `:name` parameters of the queries; they are bound, never
            formatted in.
        timeout: The seconds that a connection and a statement may take, where the database
            supports a limit.
    """

    url: SecretStr
    models: str = "models"
    customers: str = "customers"
    parameters: dict[str, str | int | float | bool | None] = Field(default_factory=dict)
    timeout: float = Field(default=60, gt=0)

    @field_validator("url")
    @classmethod
    def _is_database_url(cls, value: SecretStr) -> SecretStr:
        _address(value.get_secret_value())
        return value

    @field_validator("models", "customers")
    @classmethod
    def _is_table_or_query(cls, value: str) -> str:
        if not _TABLE.fullmatch(value) and not _QUERY.match(value):
            raise ValueError(f"expected a table's name or a SELECT, got {value!r}")
        return value

    @model_validator(mode="after")
    def _parameters_match(self) -> Self:
        wanted = {name for query in (self.models, self.customers) for name in _parameters(query)}
        for name in sorted(wanted ^ self.parameters.keys()):
            what = (
                "has no value under `parameters`" if name in wanted else "is not used by any query"
            )
            raise ValueError(f"the parameter :{name} {what}")
        return self

    @property
    def description(self) -> str:
        """The URL without password and query, for messages."""
        return described(self.url.get_secret_value())

    def read(self, kind: Kind) -> Listing:
        """Return the rows of the table or query."""
        return Listing(rows=self._rows(kind))

    def _rows(self, kind: Kind) -> Iterator[Mapping[str, Any]]:
        wanted = self.models if kind == "models" else self.customers
        with (
            opened(self.url.get_secret_value(), self.timeout) as engine,
            _failures_named(self.description, kind, wanted),
            engine.connect() as connection,
        ):
            _require_table(connection, kind, wanted, self.description)
            _make_read_only(connection, self.timeout)
            statement = _statement(wanted, self.parameters)
            result = connection.execution_options(yield_per=_ROWS_AT_ONCE).execute(statement)
            yield from (dict(row) for row in result.mappings())


def described(url: str) -> str:
    """Return a SQLAlchemy URL without its password and its query, which may hold secrets."""
    try:
        return sqlalchemy.make_url(url).set(query={}).render_as_string(hide_password=True)
    except ArgumentError:
        return "(a database URL that cannot be read)"


@contextmanager
def opened(url: str, timeout: float, *, create: bool = False) -> Iterator[sqlalchemy.Engine]:
    """Open an engine for the duration of the block.

    Args:
        url: A SQLAlchemy URL.
        timeout: The time limit of a connection, in seconds.
        create: Whether to create a missing SQLite file; SQLite alone always would.

    Raises:
        ConfigError: The URL is not valid, or its driver is not installed.
        RegistryError: The SQLite file does not exist.
    """
    address = _address(url)
    if address.get_backend_name() == "sqlite":
        _prepare_sqlite_file(address, create=create)
    try:
        engine = sqlalchemy.create_engine(address, connect_args=_connect_args(address, timeout))
    except (ImportError, NoSuchModuleError) as error:
        problem = f"{described(url)} needs a driver that is not installed ({error})"
        hint = "; install the extra 'postgres'" if "psycopg" in address.drivername else ""
        raise ConfigError(problem + hint, key="url") from error
    try:
        yield engine
    finally:
        engine.dispose()


def _address(url: str) -> sqlalchemy.URL:
    try:
        address = sqlalchemy.make_url(url)
    except (ArgumentError, ValueError):  # ValueError: the port is not a number
        problem = (
            "is not a database URL; write e.g. sqlite:///registry.db or postgresql://host/name"
        )
        raise ConfigError(problem, key="url") from None  # the cause would show the password
    if address.drivername in {"postgresql", "postgres"}:
        return address.set(drivername="postgresql+psycopg")
    return address


def _prepare_sqlite_file(address: sqlalchemy.URL, *, create: bool) -> None:
    if address.database in {None, "", ":memory:"} or "uri" in address.query:
        return
    file = Path(str(address.database))
    if create:
        file.parent.mkdir(parents=True, exist_ok=True)
    elif not file.is_file():
        raise RegistryError(
            f"the registry {file} does not exist; create it by `orchestrator registry import FILE`"
        )


def _connect_args(address: sqlalchemy.URL, timeout: float) -> dict[str, Any]:
    match address.drivername:
        case "postgresql+psycopg":
            return {"connect_timeout": max(1, round(timeout))}
        case "sqlite" | "sqlite+pysqlite":
            return {"timeout": timeout}
    return {}


def _require_table(
    connection: sqlalchemy.Connection, kind: Kind, wanted: str, description: str
) -> None:
    """Refuse a missing table: that is a mistake in the configuration."""
    table = _TABLE.fullmatch(wanted)
    if table and not sqlalchemy.inspect(connection).has_table(table["name"], table["schema"]):
        cure = (
            "create it by `orchestrator registry import FILE`"
            if wanted == kind
            else f"name one that is there, or leave out `{kind}` for the table that "
            "`orchestrator registry import FILE` creates"
        )
        problem = f"{description} has no table {wanted!r}; {cure}"
        raise ConfigError(problem, key=f"registry.{kind}")


def _make_read_only(connection: sqlalchemy.Connection, timeout: float) -> None:
    """Make the database refuse to write: a configured query may only select."""
    match connection.dialect.name:
        case "sqlite":
            connection.exec_driver_sql("PRAGMA query_only = ON")
        case "postgresql":
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {round(timeout * 1000)}")


def _statement(wanted: str, parameters: Mapping[str, Any]) -> sqlalchemy.Executable:
    table = _TABLE.fullmatch(wanted)
    if table:
        source = sqlalchemy.table(table["name"], schema=table["schema"])
        return sqlalchemy.select(sqlalchemy.text("*")).select_from(source)
    query = sqlalchemy.text(wanted)
    return query.bindparams(**{name: parameters[name] for name in _parameters(wanted)})


def _parameters(wanted: str) -> list[str]:
    """Return the `:name` parameters of a query; a table has none."""
    return [] if _TABLE.fullmatch(wanted) else list(sqlalchemy.text(wanted).compile().params)


@contextmanager
def _failures_named(source: str, kind: Kind, wanted: str) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        what = f"table {wanted!r}" if _TABLE.fullmatch(wanted) else f"query {wanted!r}"
        raise RegistryError(
            f"{source}: the list of {kind} ({what}) cannot be read: {' '.join(str(cause).split())}"
        ) from error
