"""The Protocol of a source of models and customers, and opening a source by name.

To add a source, write a class with the two members of `Source` that is constructed with keyword
settings, and name it by an entry point in the group `orchestrator.sources`. The built-in sources
register the same way, in pyproject.toml.

Touches pydantic (settings of sources); takes a name and settings; gives `Source`; driver only.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestrator import plugins
from orchestrator.errors import ConfigError, OrchestratorError

ENTRY_POINTS = "orchestrator.sources"
_LINKS = re.compile(r"::(?=\w+://)")

Kind = Literal["models", "customers"]
"""The two lists of a registry."""

Row = Mapping[str, Any]
"""One entry of a list: fields by name, as `orchestrator.registry.rows` describes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A row that could not be read: its id, if that could be read, and the reason."""

    id: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One list, as the source returned it.

    Attributes:
        rows: The rows, each a `Row` or an `Unreadable`; the checks reject anything else.
        etag: The version of the list that its server names; "" without one.
    """

    rows: Iterable[Any]
    etag: str = ""


class Source(Protocol):
    """A source of lists of models and customers.

    The contract: `read` fetches the list on every call and changes nothing. Rows may come lazily
    and in any order. A list that cannot be read, at once or while it is iterated, raises a
    `RegistryError` that names the source and the cure; a mistake in the settings raises a
    `ConfigError`. A single bad row is not an error: `read` returns it unchanged.
    """

    @property
    def description(self) -> str:
        """The addresses of the lists for messages and records, without secrets."""
        ...

    def read(self, kind: Kind) -> Listing:
        """Fetch one of the two lists."""
        ...


@runtime_checkable
class KeepsCopies(Source, Protocol):
    """A source that caches the pages it fetched, which hold customers' rows."""

    def read_only(self) -> Source:
        """Return the same source, but reading copies only and writing none."""
        ...

    def drop_copies(self) -> None:
        """Remove every copy."""
        ...


class Settings(BaseModel, ABC):
    """Settings of a built-in source: checked when it is opened, immutable, no unknown keys."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False
    )

    @property
    @abstractmethod
    def description(self) -> str:
        """The addresses of the lists, without secrets."""

    def __repr_args__(self) -> Iterator[tuple[None, str]]:
        """Show the description in messages and tracebacks, since settings may hold secrets."""
        yield None, self.description


class InlineSource(Settings):
    """Lists in the configuration itself, or in memory.

    Attributes:
        models: The rows of the models.
        customers: The rows of the customers.
    """

    models: list[Any] = []
    customers: list[Any] = []

    @property
    def description(self) -> str:
        """The place of the lists, for messages."""
        return "the configuration's own lists"

    def read(self, kind: Kind) -> Listing:
        """Return one of the two lists."""
        return Listing(rows=self.models if kind == "models" else self.customers)


def open_sources(
    settings: Mapping[str, Any], *, file: str | None = None, key: str = "registry"
) -> tuple[Source, Source]:
    """Open the sources of models and of customers that a configuration names.

    Args:
        settings: One source for both, `{source: sql, url: ...}`, or one for each,
            `{models: {source: file, ...}, customers: {source: http, ...}}`.
        file: The configuration file that holds the settings, for messages.
        key: The key of the settings in that file, for messages.

    Raises:
        ConfigError: No source is named, the name is unknown, or the source refuses its settings.
    """
    if "source" in settings:
        rest = {name: value for name, value in settings.items() if name != "source"}
        both = open_source(settings["source"], rest, file=file, key=key)
        return both, both
    if settings.keys() != {"models", "customers"}:
        problem = (
            "expected `source` and its settings, or `models` and `customers`, each with a source"
        )
        raise ConfigError(problem, file=file, key=key)
    models, customers = (
        _open_one(settings[kind], file=file, key=f"{key}.{kind}")
        for kind in ("models", "customers")
    )
    return models, customers


def read_only(source: Source) -> Source:
    """Return the source for a plan: it reads, and leaves no copies behind."""
    return source.read_only() if isinstance(source, KeepsCopies) else source


def drop_copies(source: Source) -> None:
    """Remove the copies that a source may have cached."""
    if isinstance(source, KeepsCopies):
        source.drop_copies()


def _open_one(settings: Any, *, file: str | None, key: str) -> Source:
    if not isinstance(settings, Mapping) or "source" not in settings:
        raise ConfigError("give `source` and its settings", file=file, key=key)
    source, _ = open_sources(settings, file=file, key=key)
    return source


def open_source(
    name: Any, settings: Mapping[str, Any], *, file: str | None = None, key: str = "registry"
) -> Source:
    """Open the source registered under `name`; nothing is fetched yet.

    Args:
        name: An entry point of the group `orchestrator.sources`.
        settings: Its keyword settings.
        file: The configuration file that holds the settings, for messages.
        key: The key of the settings in that file, for messages.

    Raises:
        ConfigError: The name is unknown, or the source refuses the settings.
    """
    make = plugins.load(ENTRY_POINTS, name, noun="source", file=file, key=f"{key}.source")
    with _settings_refused(file=file, key=key):
        source: Source = make(**settings)
        return source


@contextmanager
def _settings_refused(*, file: str | None, key: str) -> Iterator[None]:
    """Turn a constructor's error into a configuration error without values, which may be secret."""
    try:
        yield
    except ConfigError as error:
        inner = f"{key}.{error.key}" if error.key else key
        raise ConfigError(error.problem, file=file, key=inner) from error
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        inner = ".".join([key, *map(str, first["loc"])])
        problem = first["msg"].removeprefix("Value error, ")
        raise ConfigError(problem, file=file, key=inner) from None
    except OrchestratorError:
        raise
    except (Exception, SystemExit) as error:  # a third-party source may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(
            f"the source refuses its settings: {reason}", file=file, key=key
        ) from error


def public_address(url: str) -> str:
    """Return the address without user, password, query and fragment, which may hold secrets.

    A path without a protocol has none of these. In a chain, `zip://a.csv::s3://bucket/all.zip`,
    each part is an address.
    """
    return "::".join(map(_shown, _LINKS.split(url)))


def well_formed(address: str) -> str:
    """Return the address if its host and port can be parsed.

    Raises:
        ValueError: They cannot be parsed.
    """
    for part in _LINKS.split(address):
        if "://" in part:
            try:
                _ = urlsplit(part).port
            except ValueError as error:
                raise ValueError(
                    f"has a host or port that cannot be parsed ({error}); write an IPv6 address "
                    "in brackets: http://[::1]:8080/models"
                ) from None
    return address


def _shown(url: str) -> str:
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
