"""Recovery from a batch without results: the calls to blame, and the calls to make again.

Touches distributed for its exceptions only; takes a `Running` and an error; gives a `Verdict`. It
does nothing itself. Runs on the driver.
"""

from dataclasses import dataclass

from distributed.scheduler import KilledWorker

from orchestrator.mapping.dask.attribution import Cause, cause_of
from orchestrator.mapping.dask.backlog import PendingCalls
from orchestrator.mapping.dask.batch_results import failed_report, hung_report
from orchestrator.mapping.dask.batches import (
    Attribution,
    Running,
    after_death,
    after_timeout,
    put_back,
    returned,
)
from orchestrator.mapping.dask.cluster import Members
from orchestrator.mapping.dask.worker import timed_out
from orchestrator.mapping.execution.executor import Calls, Ended, Event, Lost
from orchestrator.mapping.execution.invoke import Failure
from orchestrator.user_code import described


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The consequences of a batch without results.

    Attributes:
        event: The event for the engine, if any.
        again: The calls to make again silently.
        broken: The reason why the whole cluster is unusable; "" if it is usable.
    """

    event: Event | None = None
    again: tuple[PendingCalls, ...] = ()
    broken: str = ""


def verdict(
    running: Running, error: BaseException, members: Members, ending: frozenset[str]
) -> Verdict:
    """Judge a batch that ended without results.

    Args:
        running: The batch.
        error: The error in its future.
        members: The workers of the cluster.
        ending: Workers that were ended because of a call that hung.
    """
    calls = running.calls
    match cause_of(error, running.future.key):
        case Cause.DEATH if running.ending is not None:
            return _hung(running, members)
        case Cause.DEATH:
            assert isinstance(error, KilledWorker)  # noqa: S101 - that is what the cause means
            return _dead(running, error.last_worker.address, members, ending)
        case Cause.VALUE:
            what = "a value kept on the cluster is gone and could not be computed again"
            return Verdict(broken=f"{what}, which {calls.name} takes: {error}")
        case Cause.SCHEDULER:
            return Verdict(broken=f"Dask cancelled a batch of {calls.name}: {error}")
        case Cause.MACHINERY:
            return _not_run(running, error)
        case Cause.CALL:
            return Verdict(event=all_failed(calls, described(error)))


def all_failed(calls: Calls, error: str) -> Ended:
    """The report of calls that all failed with one error."""
    return failed_report(calls, dict.fromkeys(range(len(calls.indices)), Failure(error=error)))


def _not_run(running: Running, error: BaseException) -> Verdict:
    """The machinery failed: the calls are made again, a limited number of times."""
    aftermath = returned(running)
    if aftermath.unclear:
        name, count = running.calls.name, running.work.returns
        problem = f"the cluster failed to run a batch of {name} {count} times: {described(error)}"
        return Verdict(broken=problem)
    return Verdict(again=aftermath.again)


def _dead(running: Running, address: str, members: Members, ending: frozenset[str]) -> Verdict:
    """Its worker died: we ended it because of another batch, or one of its calls killed it."""
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


def _lost(calls: Calls, aftermath: Attribution, reason: str) -> Lost | None:
    """The event that blames one call, or all of them if the culprit is unclear."""
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
