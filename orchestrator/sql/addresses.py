"""A ledger's address in SQLAlchemy's form, and its file on SQLite.

Touches SQLAlchemy; takes a configured address; runs on the driver.
"""

from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from orchestrator.errors import UsageError

_LONGEST_NAME = 255

_FORM = "sqlite:///ledger.db or postgresql://user@host/database"


def url_of(address: str | Path) -> URL:
    """The address with the driver this package depends on.

    Raises:
        UsageError: The ledger cannot use the address.
    """
    if not isinstance(address, str | Path) or not str(address).strip():
        raise UsageError(f"ledger address: {address!r} names no database; it has the form {_FORM}")
    text = str(address)
    if "://" not in text:
        return _with_file_name(URL.create("sqlite", database=text))
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        # The message omits the address itself, which may hold a password.
        raise UsageError(f"ledger address: {error}; it has the form {_FORM}") from error
    if url.drivername.startswith("sqlite+") and url.drivername != "sqlite+pysqlite":
        raise UsageError(f"ledger address: unknown driver {url.drivername!r}; write sqlite:///")
    match url.get_backend_name():
        case "postgresql" | "postgres":
            return url.set(drivername="postgresql+psycopg")
        case "sqlite" if url.database and url.database != ":memory:":
            return _with_file_name(url)
        case "sqlite":
            raise UsageError("the ledger outlives the process: give a file, sqlite:///ledger.db")
        case other:
            raise UsageError(f"ledger address: {other!r} is neither sqlite nor postgresql")


def file_name_problem(path: str) -> str:
    """The reason why no file system can hold a file of this path; "" if one can."""
    if "\0" in path:
        return "its path has a NUL character"
    longest = max((len(part.encode(errors="replace")) for part in path.split("/")), default=0)
    if longest > _LONGEST_NAME:
        return f"a name in its path has {longest} bytes; file systems allow {_LONGEST_NAME}"
    return ""


def _with_file_name(url: URL) -> URL:
    problem = file_name_problem(str(url.database))
    if problem:
        raise UsageError(f"ledger address: {problem}")
    return url


def file_of(url: URL) -> Path | None:
    """The file of an SQLite database; None for a server's."""
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def for_tools(url: URL) -> str:
    """The address in the form of PostgreSQL's own programs, without a password."""
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)
