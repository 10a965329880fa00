"""Which version of a customer's data there is, without loading it; or else after loading it.

In this order: what the loader's own `version(customer)` says; for a customer whose `data` is the
address of one file (a text with `://`, or a path that exists), its ETag, or else its size and
time of change; a hash of what was loaded, which takes a worker (`loaded_version`).

A loader whose `version` fails is not asked for a hash instead: every result under its own versions
would count as out of date, and one moment's failure would train everything again.

Touches fsspec and joblib; takes a `Customer`; gives a `Version`; driver and workers.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.identity import digest
from orchestrator.records import Customer, Study
from orchestrator.training.data import DataError, Loader

_FILES_AT_ONCE = 16
"""An object store takes some 30 ms for an answer, and gives many at once."""

_TAGS = ("ETag", "etag", "Content-MD5", "content_md5", "md5Hash")
_TIMES = ("mtime", "LastModified", "last_modified", "Last-Modified", "updated")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """The version of a customer's data: `text` is "" where only loading the data can tell.

    `problem` is why the loader's own `version` did not tell; "" unless it failed.
    """

    text: str = ""
    problem: str = ""


def data_versions(loader: Loader, customers: Sequence[Customer]) -> list[Version]:
    """The versions of these customers' data as far as they are known without loading it."""
    if loader.version is not None:
        return [_told_by_loader(loader, customer) for customer in customers]
    known = [Version()] * len(customers)
    files = [i for i, customer in enumerate(customers) if _is_address(customer.data)]
    with ThreadPoolExecutor(_FILES_AT_ONCE) as threads:
        versions = threads.map(lambda i: _told_by_file(str(customers[i].data)), files)
        for index, version in zip(files, versions, strict=True):
            known[index] = Version(text=version)
    return known


def loaded_version(study: Study) -> str:
    """A hash of a customer's data as its loader gives it; on a worker.

    Raises:
        DataError: The data cannot be used.
    """
    # scikit-learn is imported on the workers only
    import joblib

    from orchestrator.training.cache import of_this_process
    from orchestrator.training.prepared import prepare

    data = prepare(study, of_this_process()).data
    return str(joblib.hash([data.X, data.y, data.groups, data.sample_weight]))


def _told_by_loader(loader: Loader, customer: Customer) -> Version:
    try:
        return Version(text=loader.version_of(customer) or "")
    except DataError as error:
        return Version(problem=str(error).removeprefix(f"customer {customer.id!r}: "))
    except Exception as error:  # noqa: BLE001 - a user's function may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return Version(problem=f"`version` beside loader {loader.path} raised {reason}")


def _is_address(data: object) -> bool:
    if not isinstance(data, str):
        return False
    try:
        return "://" in data or Path(data).is_file()
    except OSError:  # such as a name too long for a file
        return False


def _told_by_file(address: str) -> str:
    import fsspec  # late: only where data is a file

    try:
        files, path = fsspec.url_to_fs(address)
        return _version_in(files.info(path))
    except Exception:  # noqa: BLE001 - protocols raise anything; loading fails again, as above
        return ""


def _version_in(info: dict[str, Any]) -> str:
    """The file's tag, or else size and time; a size alone does not tell versions apart."""
    tag = next((str(info[name]) for name in _TAGS if info.get(name)), "")
    if tag:
        return digest("file", tag)
    time = next((str(info[name]) for name in _TIMES if info.get(name)), "")
    is_file = info.get("type", "file") == "file"
    return digest("file", info.get("size"), time) if time and is_file else ""
