"""The seam to wherever lists of models and customers live, and how a source is opened by name.

A source of your own is a class with the two members of `Source`, made with keyword settings, and
named by an entry point in the group `orchestrator.sources`; the built-in ones register the same
way, in pyproject.toml.

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
    """Stands in a list for a row that could not be read: its id if that could, and why."""

    id: str | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One list as it was read.

    Attributes:
        rows: Its rows, each a `Row` or an `Unreadable`; of anything else the checks complain.
        etag: The version of the list in its server's own words; "" where there is none.
    """

    rows: Iterable[Any]
    etag: str = ""


class Source(Protocol):
    """Where lists of models and customers are fetched from.

    The contract: `read` fetches anew each time and changes nothing. Rows may come lazily and in
    any order. A list that cannot be read, now or while it is iterated, is a `RegistryError` that
    names the source and what to do; a mistake in the settings is a `ConfigError`. One bad row is
    no error: it is passed on as it is.
    """

    @property
    def description(self) -> str:
        """Where the lists are, for messages and records; without any secret."""
        ...

    def read(self, kind: Kind) -> Listing:
        """Fetch one of the two lists."""
        ...


@runtime_checkable
class KeepsCopies(Source, Protocol):
    """A source that keeps copies of what it fetched, which hold rows of customers."""

    def read_only(self) -> Source:
        """The same source, which uses copies and leaves none."""
        ...

    def drop_copies(self) -> None:
        """Remove every copy."""
        ...


class Settings(BaseModel, ABC):
    """Settings of a built-in source: checked when it is opened, immutable, nothing unknown."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, allow_inf_nan=False
    )

    @property
    @abstractmethod
    def description(self) -> str:
        """Where the lists are, without any secret."""

    def __repr_args__(self) -> Iterator[tuple[None, str]]:
        """What a message or a traceback shows: not the settings, of which some are secret."""
        yield None, self.description


class InlineSource(Settings):
    """Lists that stand in the configuration itself, or in memory.

    Attributes:
        models: The rows of the models.
        customers: The rows of the customers.
    """

    models: list[Any] = []
    customers: list[Any] = []

    @property
    def description(self) -> str:
        """Where the lists are."""
        return "the configuration's own lists"

    def read(self, kind: Kind) -> Listing:
        """One of the two lists."""
        return Listing(rows=self.models if kind == "models" else self.customers)


def open_sources(
    settings: Mapping[str, Any], *, file: str | None = None, key: str = "registry"
) -> tuple[Source, Source]:
    """The sources of models and of customers that a configuration names.

    Args:
        settings: One source for both, `{source: sql, url: ...}`, or one for each,
            `{models: {source: file, ...}, customers: {source: http, ...}}`.
        file: The configuration file the settings stand in, for messages.
        key: Where they stand in it, for messages.

    Raises:
        ConfigError: No source is named, none has this name, or it refuses its settings.
    """
    if "source" in settings:
        rest = {name: value for name, value in settings.items() if name != "source"}
        both = open_source(settings["source"], rest, file=file, key=key)
        return both, both
    if settings.keys() != {"models", "customers"}:
        problem = "give `source` and its settings, or `models` and `customers`, each with a source"
        raise ConfigError(problem, file=file, key=key)
    models, customers = (
        _open_one(settings[kind], file=file, key=f"{key}.{kind}")
        for kind in ("models", "customers")
    )
    return models, customers


def read_only(source: Source) -> Source:
    """The source as a plan may use it: whatever it reads, it leaves nothing behind."""
    return source.read_only() if isinstance(source, KeepsCopies) else source


def drop_copies(source: Source) -> None:
    """Remove the copies a source may keep of what it fetched."""
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
    """The source registered under `name`, made with `settings`; nothing is fetched yet.

    Args:
        name: An entry point of the group `orchestrator.sources`.
        settings: Its keyword settings.
        file: The configuration file the settings stand in, for messages.
        key: Where they stand in it, for messages.

    Raises:
        ConfigError: No source has this name, or it refuses the settings.
    """
    make = plugins.load(ENTRY_POINTS, name, noun="source", file=file, key=f"{key}.source")
    with _settings_refused(file=file, key=key):
        source: Source = make(**settings)
        return source


@contextmanager
def _settings_refused(*, file: str | None, key: str) -> Iterator[None]:
    """A constructor's complaint as an error of the configuration; values may be secret."""
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
    except (Exception, SystemExit) as error:  # a source from elsewhere may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(
            f"the source refuses its settings: {reason}", file=file, key=key
        ) from error


def public_address(url: str) -> str:
    """The address without user, password, query and fragment, any of which may hold a secret.

    A path without a protocol has none of these. In a chain, `zip://a.csv::s3://bucket/all.zip`,
    each part is an address.
    """
    return "::".join(map(_shown, _LINKS.split(url)))


def well_formed(address: str) -> str:
    """The address, if those who split addresses can read its host and port.

    Raises:
        ValueError: They cannot.
    """
    for part in _LINKS.split(address):
        if "://" in part:
            try:
                _ = urlsplit(part).port
            except ValueError as error:
                raise ValueError(
                    f"has a host or a port that cannot be read ({error}); an IPv6 address stands "
                    "in brackets: http://[::1]:8080/models"
                ) from None
    return address


def _shown(url: str) -> str:
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
