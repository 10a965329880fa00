"""A glob whose files are the customers.

A customer's id is the file's path below the glob's fixed part, without the ending that the glob
names: `data/*.csv` makes `data/AA.1.csv` the customer `AA.1`, and `data/*` makes it `AA.1.csv`. Its
data is the file's address. Hidden files are left out, as a shell leaves them out, unless the glob
names the dot.

Touches the file systems of fsspec; takes a pattern; gives rows; runs on the driver. Only reads.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import PurePosixPath
from typing import IO, Any, Literal, Self

import fsspec
from pydantic import Field, SecretStr, field_validator, model_validator

from orchestrator.deadline import within
from orchestrator.errors import RegistryError
from orchestrator.registry.documents import read_json, read_yaml
from orchestrator.registry.sources import (
    Kind,
    Listing,
    Row,
    Settings,
    Unreadable,
    public_address,
    well_formed,
)

_WILD = re.compile(r"[*?\[\]]")


def is_glob(address: str) -> bool:
    """Whether an address has a wildcard; after a protocol, `?` begins a query instead."""
    return "*" in address or "[" in address or ("?" in address and "://" not in address)


def row_for_each_file(files: Any, pattern: str, *, with_protocol: bool) -> list[Row]:
    """Return one customer row per file.

    Args:
        files: A file system of fsspec.
        pattern: The glob, as that file system names paths.
        with_protocol: Whether each customer's `data` keeps the protocol.
    """
    fixed = _WILD.split(pattern, maxsplit=1)[0].rpartition("/")[0]
    below = pattern.removeprefix(fixed).lstrip("/")
    ending = _ending(below)
    names_hidden = any(part.startswith(".") for part in below.split("/"))
    return [
        {
            "id": str(inside).removesuffix(ending),
            "data": files.unstrip_protocol(path) if with_protocol else path,
        }
        for path in files.glob(pattern, withdirs=False)
        for inside in [PurePosixPath(path).relative_to(fixed)]
        if names_hidden or not any(part.startswith(".") for part in inside.parts)
    ]


def _ending(pattern: str) -> str:
    """Return the ending that all matched file names share, from its first dot."""
    literal = _WILD.split(pattern)[-1].rpartition("/")[2]
    return literal[literal.index(".") :] if "." in literal else ""


Format = Literal["yaml", "json", "csv", "parquet"]

_FORMATS: Mapping[str, Format] = {
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}

_AT_A_WEB_SERVER = re.compile(r"(^|::)https?://", re.IGNORECASE)


class FileSource(Settings):
    """Models and customers in files.

    Attributes:
        path: A YAML or JSON file with both lists; a list that has its own file is not read from it.
        models: The file with only the list of models.
        customers: The file with only the list of customers, or a glob whose files are the
            customers.
        format: The format of the files; needed if the ending of their names does not show it.
        storage_options: The arguments that fsspec needs to open the files, such as the keys of an
            object store.
        timeout: The seconds that reading one list may take.
        max_bytes: The maximum size of one file in bytes.
    """

    path: str | None = None
    models: str | None = None
    customers: str | None = None
    format: Format | None = None
    storage_options: dict[str, SecretStr | bool | int | float] = Field(default_factory=dict)
    timeout: float = Field(default=60, gt=0)
    max_bytes: int = Field(default=100_000_000, gt=0)

    @field_validator("path", "models", "customers")
    @classmethod
    def _is_not_a_web_address(cls, address: str | None) -> str | None:
        if address is not None and _AT_A_WEB_SERVER.search(address):
            raise ValueError(
                "is the address of a web server; use `source: http`, which reads JSON and reports "
                "the server's answer"
            )
        return address and well_formed(address)

    @model_validator(mode="after")
    def _names_a_file(self) -> Self:
        if not (self.path or self.models or self.customers):
            raise ValueError("names no file; give `path`, or `models` and `customers`")
        return self

    @property
    def description(self) -> str:
        """The addresses, without user and password, for messages."""
        return ", ".join(
            public_address(address)
            for address in (self.path, self.models, self.customers)
            if address
        )

    def read(self, kind: Kind) -> Listing:
        """Return the rows of the file, or one row per file of the glob."""
        address = (self.models if kind == "models" else self.customers) or self.path
        if not address:
            raise RegistryError(f"{self.description}: no file is given for the list of {kind}")
        with _failures_named(address, self.timeout):
            return within(self.timeout, partial(self._read, address, kind))

    def _read(self, address: str, kind: Kind) -> Listing:
        files, path = fsspec.core.url_to_fs(address, **self._options)
        if kind == "customers" and is_glob(address):
            return Listing(rows=row_for_each_file(files, path, with_protocol="://" in address))
        document = _READERS[self.format or _format(address)](self._content(files, path))
        rows = _rows(document, kind, shared=address == self.path)
        return Listing(rows=rows, etag=_etag(files, path))

    def _content(self, files: Any, path: str) -> IO[bytes]:
        """Read the whole file."""
        with files.open(path, "rb") as file:
            content = file.read(self.max_bytes + 1)
        if len(content) > self.max_bytes:
            raise ValueError(
                f"has more than {self.max_bytes:,} bytes; raise `max_bytes` for longer lists"
            )
        return io.BytesIO(content)

    @property
    def _options(self) -> dict[str, Any]:
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in self.storage_options.items()
        }


@contextmanager
def _failures_named(address: str, timeout: float) -> Iterator[None]:
    """Turn any failure to read into an error that names the file."""
    name = public_address(address)
    try:
        yield
    except FileNotFoundError as error:
        raise RegistryError(f"{name}: the file does not exist") from error
    except TimeoutError as error:
        problem = f"{name}: did not answer within {timeout:g} seconds (`timeout`)"
        raise RegistryError(problem) from error
    except ImportError as error:
        raise RegistryError(
            f"{name}: fsspec needs another package to read this address: {error}"
        ) from error
    except (OSError, ValueError, csv.Error) as error:
        raise RegistryError(f"{name}: cannot be read: {error}") from error


def _etag(files: Any, path: str) -> str:
    """Return the store's ETag of a file, "" if it has none."""
    return str(files.info(path).get("ETag", "")).strip('"')


def _format(address: str) -> Format:
    suffix = PurePosixPath(public_address(address)).suffix.lower()
    if suffix not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise ValueError(f"unknown format; set `format`, or use a file name that ends in {known}")
    return _FORMATS[suffix]


def _rows(document: Any, kind: Kind, *, shared: bool) -> list[Any]:
    """Return the list of a file that is a list, or that holds one under its name."""
    if isinstance(document, list) and not shared:
        return document
    if not isinstance(document, Mapping):
        raise ValueError("expected `models:` and `customers:`, each a list")
    unknown = [str(key) for key in document if key not in {"models", "customers"}]
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}; a registry has `models` and `customers`")
    rows = document.get(kind)
    if not isinstance(rows, list):
        raise ValueError(f"`{kind}:` is missing or is not a list")
    return rows


def _read_yaml(file: IO[bytes]) -> Any:
    return read_yaml(file.read().decode("utf-8-sig"))


def _read_json(file: IO[bytes]) -> Any:
    return read_json(file.read().decode("utf-8-sig"))


def _read_csv(file: IO[bytes]) -> list[Row | Unreadable]:
    with io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        lines = csv.reader(text, strict=True)
        header = next(lines, [])
        if "id" not in header or len(set(header)) < len(header):
            raise ValueError(f"its first line must name columns once, with `id`: {header}")
        return [_csv_row(header, _on_one_line(cells, lines.line_num)) for cells in lines if cells]


def _on_one_line(cells: list[str], line: int) -> list[str]:
    """Refuse a cell that spans several lines of the file.

    After a missing quote such a cell swallows whole rows, and their customers would seem to have
    left.
    """
    if any("\n" in cell or "\r" in cell for cell in cells):
        raise ValueError(
            f"line {line}: a cell spans several lines; check the quotes before it, or write the "
            "cell on one line"
        )
    return cells


def _csv_row(header: Sequence[str], cells: Sequence[str]) -> Row | Unreadable:
    if len(cells) == len(header):
        return {name: cell or None for name, cell in zip(header, cells, strict=True)}
    place = header.index("id")
    return Unreadable(
        id=cells[place] if place < len(cells) else None,
        reason=f"has {len(cells)} cells where the first line has {len(header)}; check its quotes",
    )


def _read_parquet(file: IO[bytes]) -> list[Row]:
    # Late: pyarrow takes a moment to load, and few registries are Parquet files.
    from pyarrow import parquet

    rows: list[Row] = parquet.read_table(file).to_pylist()
    return rows


_READERS: Mapping[Format, Callable[[IO[bytes]], Any]] = {
    "yaml": _read_yaml,
    "json": _read_json,
    "csv": _read_csv,
    "parquet": _read_parquet,
}
