"""The check that a remote cluster can run the calls of a flow, and with equal packages.

It makes one short call to each worker, and one to the scheduler. The calls do not queue behind
tasks, so a cluster that is busy with other work also answers.

Touches distributed; takes a client and `Needs`; gives `Readiness`; runs on the driver.
"""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from orchestrator.clusters.probing import (
    COMPARED,
    OF_DASK,
    Found,
    probe,
    probe_scheduler,
    versions_here,
)
from orchestrator.clusters.settings import Cluster
from orchestrator.errors import MachineryError, as_machinery_error, chain_of
from orchestrator.user_code import described

if TYPE_CHECKING:
    from distributed import Client

_LONGER = "give it longer by `cluster.connect_timeout`"
_ANSWER = f"end it, or {_LONGER}"
_INSTALL = "install what is missing there, or start it with a PYTHONPATH that has it"
_EQUAL = "install equal versions"
_EQUAL_OR_ALLOWED = f"{_EQUAL}, or allow other results by `cluster: {{versions: warn}}`"

_SHARE = 0.8
"""The share of the time for an answer that imports may take.

A slow disk or a busy machine then causes a note, and not a refusal.
"""

_SCHEDULER = "the Dask scheduler"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """The modules and packages that a cluster has to have.

    Attributes:
        modules: Modules that every worker must be able to import.
        decisive: The driver's versions, by package, of packages that can change results.
    """

    modules: Sequence[str] = ()
    decisive: Mapping[str, str] = field(default_factory=dict)


class ClusterDifference(NamedTuple):
    """A way in which a cluster differs from this process.

    Attributes:
        kind: With a `lack` calls would fail; a `decisive` difference can change results.
        problem: A sentence that begins with the place.
        cure: The way to remove it.
    """

    kind: Literal["lack", "decisive", "note"]
    problem: str
    cure: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """The result of a check: the number of workers, and the differences of the cluster."""

    workers: int
    differences: tuple[ClusterDifference, ...]


def require_ready(client: "Client", cluster: Cluster, needs: Needs) -> tuple[str, ...]:
    """Refuse a cluster that does not meet the needs.

    Args:
        client: A client of the cluster.
        cluster: The cluster's settings; each answer may take its `connect_timeout`.
        needs: The modules and packages that it has to have.

    Returns:
        A sentence for each difference that does not cause a refusal.

    Raises:
        MachineryError: Scheduler or workers lack a module, have packages of other versions that
            can change results, or do not answer.
    """
    found = readiness(client, needs, cluster.connect_timeout).differences
    kinds = {"lack"} if cluster.versions == "warn" else {"lack", "decisive"}
    refused = [each for each in found if each.kind in kinds]
    if refused:
        cures = dict.fromkeys(each.cure for each in refused)
        problems = "; ".join(each.problem for each in refused)
        raise MachineryError(f"{problems}: {', or '.join(cures)}; nothing was started")
    return tuple(each.problem for each in found)


def readiness(client: "Client", needs: Needs, seconds: float) -> Readiness:
    """Check modules and versions of scheduler and workers.

    Args:
        client: A client of the cluster.
        needs: The modules and packages that it has to have.
        seconds: The time that each of them may take to answer.

    Raises:
        MachineryError: The scheduler was lost.
    """
    with as_machinery_error("the cluster was lost while it was checked", OSError):
        addresses = list(client.scheduler_info(n_workers=-1)["workers"])
        scheduler, *answers = client.sync(_ask, client, addresses, needs, seconds)
    workers = dict(zip(addresses, answers, strict=True))
    here = versions_here((*OF_DASK, *COMPARED))
    places: dict[ClusterDifference, list[str]] = {}
    for place, answer in {_SCHEDULER: scheduler, **workers}.items():
        for difference in _judged(answer, needs, here, seconds):
            places.setdefault(difference, []).append(place)
    differences = tuple(
        each._replace(problem=f"{_in_words(those)} {each.problem}")
        for each, those in places.items()
    )
    return Readiness(workers=len(workers), differences=differences)


async def _ask(
    client: "Client", addresses: Sequence[str], needs: Needs, seconds: float
) -> list[Found | Exception]:
    """Return the answers of the scheduler and of the workers, in this order; in Dask's thread."""
    packages = tuple({*OF_DASK, *COMPARED, *needs.decisive})
    importing = _SHARE * seconds

    async def of_worker(address: str) -> Any:
        asked = client.run(
            probe, needs.modules, packages, importing, workers=[address], on_error="return"
        )
        answers = await _in_time(asked, seconds)
        return answers[address] if isinstance(answers, dict) else answers

    of_scheduler = _in_time(client.run_on_scheduler(probe_scheduler, importing), seconds)
    return list(await asyncio.gather(of_scheduler, *map(of_worker, addresses)))


async def _in_time(asked: Awaitable[Any], seconds: float) -> Any:
    """Return the answer, or the error in its place."""
    try:
        return await asyncio.wait_for(asked, seconds)
    except Exception as error:  # noqa: BLE001 - the other side may raise anything
        return error


def _judged(
    answer: Found | Exception, needs: Needs, here: Found, seconds: float
) -> Iterator[ClusterDifference]:
    """Yield the differences of one place; the problems do not name it yet."""
    if isinstance(answer, TimeoutError):
        yield ClusterDifference("lack", f"did not answer within {seconds:g} s", _ANSWER)
    elif isinstance(answer, OSError):  # the worker may have left meanwhile
        yield ClusterDifference("note", f"could not be asked: {chain_of(answer)}", _ANSWER)
    elif isinstance(answer, Exception):
        problem = f"cannot run the package orchestrator: {described(answer)}"
        yield ClusterDifference("lack", problem, _INSTALL)
    else:
        if answer.is_slow:
            problem = f"was still importing after {_SHARE * seconds:g} s, and was not checked"
            yield ClusterDifference("note", problem, _LONGER)
        for module, error in answer.failures.items():
            yield ClusterDifference("lack", f"cannot import {module!r}: {error}", _INSTALL)
        if answer.python != here.python:
            problem = f"runs Python {answer.python}, the driver {here.python}"
            yield ClusterDifference("note", problem, _EQUAL)
        yield from _other_versions(answer, needs, here)


def _other_versions(answer: Found, needs: Needs, here: Found) -> Iterator[ClusterDifference]:
    for package, there in sorted(answer.versions.items()):
        known = needs.decisive.get(package) or here.versions.get(package)
        if there != known:
            problem = f"has {package} {there or 'not installed'}, the driver has {known or 'none'}"
            if package in needs.decisive:
                yield ClusterDifference("decisive", problem, _EQUAL_OR_ALLOWED)
            else:
                yield ClusterDifference("note", problem, _EQUAL)


def _in_words(places: Sequence[str]) -> str:
    """Return the first place, and the number of the others."""
    first = places[0] if places[0] == _SCHEDULER else f"worker {places[0]}"
    return f"{first} (and {len(places) - 1} more)" if len(places) > 1 else first
