"""What follows when a batch has ended without results: who is to blame, and what is made again.

Touches distributed for its exceptions only; takes a `Running` and an error; gives a `Verdict`. It
does nothing itself. Runs on the driver.
"""

from dataclasses import dataclass

from distributed.client import FutureCancelledError
from distributed.scheduler import KilledWorker

from orchestrator.mapping.calling import Failure
from orchestrator.mapping.dask.backlog import Work
from orchestrator.mapping.dask.cluster import Members
from orchestrator.mapping.dask.reports import failed_report, hung_report
from orchestrator.mapping.dask.running import (
    Aftermath,
    Running,
    after_death,
    after_timeout,
    put_back,
)
from orchestrator.mapping.dask.worker import timed_out
from orchestrator.mapping.executing import Calls, Event, Lost, Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What follows.

    Attributes:
        event: What the engine is to hear, if anything.
        again: What is to be made again without a word.
        broken: Why the whole cluster is given up; "" when it is not.
    """

    event: Event | None = None
    again: tuple[Work, ...] = ()
    broken: str = ""


def verdict(
    running: Running, error: BaseException, members: Members, ending: frozenset[str]
) -> Verdict:
    """Judge a batch that ended without results.

    Args:
        running: The batch.
        error: What its future holds.
        members: Who is in the cluster.
        ending: Workers that were ended for the sake of a call that hung.
    """
    calls = running.calls
    if isinstance(error, KilledWorker) and error.task == running.future.key:
        if running.ending is not None:
            return _hung(running, members)
        return _dead(running, error.last_worker.address, members, ending)
    if isinstance(error, KilledWorker) or getattr(error, "reason", "") == "lost dependencies":
        what = "a value it needs, kept on the cluster, was lost with its worker and could not be"
        return Verdict(event=all_failed(calls, f"{what} computed again: {error}"))
    if isinstance(error, FutureCancelledError):
        return Verdict(broken=f"Dask gave up a batch of {calls.name}: {error}")
    return Verdict(event=all_failed(calls, f"{type(error).__name__}: {error}"))


def all_failed(calls: Calls, error: str) -> Report:
    """Every one of the calls has failed of the same."""
    return failed_report(calls, dict.fromkeys(range(len(calls.indices)), Failure(error=error)))


def _dead(running: Running, address: str, members: Members, ending: frozenset[str]) -> Verdict:
    """Its worker died: by our own hand for another batch's sake, or perhaps of one of its calls."""
    aftermath = put_back(running) if address in ending else after_death(running)
    event = _lost(running.calls, aftermath, members.death_of(address))
    return Verdict(event=event, again=aftermath.again)


def _hung(running: Running, members: Members) -> Verdict:
    """Its worker was ended because one of its calls took too long."""
    worker, timeout = running.worker, running.calls.placement.timeout or 0.0
    alone = running.alone or members.has_one_thread(worker)
    aftermath = after_timeout(running, alone=alone)
    if aftermath.culprit is None:
        reason = f"worker {worker} was ended because calls on it hung"
        return Verdict(event=_lost(running.calls, aftermath, reason), again=aftermath.again)
    remark = "" if members.has_nanny(worker) else _without_nanny(worker)
    report = hung_report(running, aftermath.culprit, timed_out(timeout, remark))
    return Verdict(event=report, again=aftermath.again)


def _lost(calls: Calls, aftermath: Aftermath, reason: str) -> Lost | None:
    """The call to blame, or all of them where that remains unclear."""
    if aftermath.culprit is not None:
        culprit = calls.indices[aftermath.culprit]
        return Lost(node=calls.node, indices=[culprit], culprit=culprit, reason=reason)
    if aftermath.unclear:
        return Lost(node=calls.node, indices=calls.indices, culprit=None, reason=reason)
    return None


def _without_nanny(worker: str) -> str:
    return (
        f"; worker {worker} has no nanny that could end it, so it was taken out of the cluster: "
        "start workers with a nanny"
    )
