"""The version of a customer's data, found without loading the data where possible.

The version is the first of these that is available: the result of the loader's own
`version(customer)`; for a customer whose `data` is the address of one file (a string with a scheme
that rows may name, or a path that exists), the file's ETag, or else its size and time of change; a
hash of the loaded data, which takes a worker (`loaded_version`).

If a loader's `version` fails, no hash is used instead: every result recorded under the loader's
versions would count as out of date, and a momentary failure would train everything again. The same
holds for a look-up that takes too long. Look-ups run in parallel (`parallel_looks`).

Touches fsspec and joblib; takes a `Customer`; gives a `Version`; driver and workers.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from orchestrator.identity import digest
from orchestrator.permissions import Addresses
from orchestrator.permissions.addresses import has_no_host, scheme_of
from orchestrator.records import Customer, Study
from orchestrator.training.data import DataError, Loader
from orchestrator.training.parallel_looks import Looks, Overdue, look_at_all
from orchestrator.user_code import RaisedError, user_code

_TAGS = ("ETag", "etag", "Content-MD5", "content_md5", "md5Hash")
_TIMES = ("mtime", "LastModified", "last_modified", "Last-Modified", "updated")


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """The version of a customer's data.

    Attributes:
        text: The version; "" if it can be found only by loading the data.
        problem: The reason why no version was found and the data must not be loaded to find one;
            else "".
    """

    text: str = ""
    problem: str = ""


def data_versions(
    loader: Loader,
    customers: Sequence[Customer],
    addresses: Addresses | None = None,
    limits: Looks | None = None,
) -> list[Version]:
    """Return the versions of these customers' data where they are known without loading it.

    Args:
        loader: The loader, whose `version` is called from several threads at once.
        customers: The customers to look up.
        addresses: The addresses that rows may name; None stands for the standard ones.
        limits: The time limits of the look-ups; None stands for the standard limits.

    Returns:
        One version a customer, in the same order.
    """
    addresses, limits = addresses or Addresses(), limits or Looks()
    looks: dict[int, Callable[[], Version]] = {}
    for index, customer in enumerate(customers):
        if loader.version is not None:
            looks[index] = partial(_told_by_loader, loader, customer)
        elif limits.by_address and isinstance(customer.data, str) and _is_address(customer.data):
            looks[index] = partial(_told_by_file, customer.data, addresses, limits.seconds)
    known = [Version()] * len(customers)
    for index, found in zip(looks, look_at_all(list(looks.values()), limits), strict=True):
        if isinstance(found, Overdue):
            known[index] = Version(problem=_overdue(loader, customers[index], found))
        else:
            known[index] = found
    return known


def loaded_version(study: Study) -> str:
    """Return a hash of a customer's data as its loader returns it; this runs on a worker.

    Raises:
        DataError: The data cannot be used.
    """
    # scikit-learn is imported on the workers only
    import joblib

    from orchestrator.training.cache import of_this_process
    from orchestrator.training.dataset import prepare

    data = prepare(study, of_this_process()).data
    return str(joblib.hash([data.X, data.y, data.groups, data.sample_weight]))


def _told_by_loader(loader: Loader, customer: Customer) -> Version:
    try:
        with user_code():
            return Version(text=loader.version_of(customer) or "")
    except RaisedError as raised:
        if isinstance(raised.error, DataError):
            return Version(problem=str(raised.error).removeprefix(f"customer {customer.id!r}: "))
        reason = " ".join(str(raised).split())
        return Version(problem=f"`version` beside loader {loader.path} raised {reason}")


def _overdue(loader: Loader, customer: Customer, found: Overdue) -> str:
    if loader.version is not None:
        return f"`version` beside loader {loader.path} {found.reason}"
    return (
        f"the look at its data {customer.data!r} {found.reason}; if this machine cannot reach it, "
        "set `versions.by_address: false`, and workers will hash the data"
    )


def _is_address(data: str) -> bool:
    if scheme_of(data):
        return True
    try:
        return "::" not in data and "://" not in data and Path(data).is_file()
    except (OSError, ValueError):  # such as a name too long for a file
        return False


def _told_by_file(address: str, addresses: Addresses, seconds: float) -> Version:
    reason = addresses.refusal(address)
    if reason:
        return Version(problem=f"data: {reason}")
    # late: httpx and fsspec are needed only where data is a file
    from orchestrator.training.web_files import ForbiddenAddressError

    try:
        return Version(text=_version_in(_description(address, addresses, seconds)))
    except ForbiddenAddressError as error:
        return Version(problem=f"data: {error}")
    except Exception:  # noqa: BLE001 - protocols raise anything; the loader meets the same error
        return Version()


def _description(address: str, addresses: Addresses, seconds: float) -> Mapping[str, Any]:
    """The attributes of a file, as its server or file system gives them."""
    import fsspec

    from orchestrator.training.web_files import checked_addresses, file_headers

    scheme = scheme_of(address)
    if scheme in {"http", "https"}:
        headers = file_headers(address, addresses, seconds)
        length = headers.get("Content-Length", "")
        return {**_as_written(headers), "size": int(length) if length.isdigit() else None}
    if scheme and not has_no_host(scheme):
        parts = urlsplit(address)
        with suppress(OSError):  # a host that cannot be resolved cannot be reached either
            checked_addresses(parts.hostname or "", parts.port or 0, addresses)
    files, path = fsspec.url_to_fs(address)
    described: Mapping[str, Any] = files.info(path)
    return described


def _as_written(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that distinguish versions, by their usual spelling."""
    return {name: headers[name] for name in (*_TAGS, *_TIMES) if name in headers}


def _version_in(info: Mapping[str, Any]) -> str:
    """A hash of the file's tag, or else of size and time; a size alone does not suffice."""
    tag = next((str(info[name]) for name in _TAGS if info.get(name)), "")
    if tag:
        return digest("file", tag)
    time = next((str(info[name]) for name in _TIMES if info.get(name)), "")
    is_file = info.get("type", "file") == "file"
    return digest("file", info.get("size"), time) if time and is_file else ""
