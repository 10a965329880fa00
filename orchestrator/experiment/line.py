"""THE LINE: registry, ledger, cluster, training, MLflow, deployment, in this order.

Touches no library itself; takes an `Experiment`; gives a `Report`; runs on the driver.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from orchestrator.clusters import threads
from orchestrator.errors import MachineryError, StoppedError
from orchestrator.experiment.courier import Courier
from orchestrator.experiment.desk import Desk
from orchestrator.experiment.documents import kept
from orchestrator.experiment.flow import refitting_flow, training_flow, trials_of
from orchestrator.experiment.generations import carried_over
from orchestrator.experiment.opening import Opening, at_work, cluster, release_data, short_of_memory
from orchestrator.experiment.placing import Durations, longest_first, to_spread
from orchestrator.experiment.preparing import (
    Prepared,
    check,
    check_models,
    fetch_snapshot,
    fingerprints,
    prepare,
)
from orchestrator.experiment.report import Report
from orchestrator.experiment.reporting import put_together, web_page, where_to_look
from orchestrator.experiment.settings import Experiment
from orchestrator.ledger import Ledger
from orchestrator.mapping import Run
from orchestrator.mapping.flows import new_id
from orchestrator.mapping.run import Observer
from orchestrator.records import FlowRun, Snapshot
from orchestrator.registry import guards
from orchestrator.tracking.views import link_to_file


def run(
    experiment: Experiment,
    *,
    fresh: bool = False,
    accept: Collection[str] = (),
    force: bool = False,
    observer: Observer | None = None,
    stop: Callable[[], bool] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Train, track, select and deploy, for every active customer the registry lists now.

    Args:
        experiment: What to run.
        fresh: Train studies again that have a recorded success.
        accept: Names of guards whose objections are known and meant.
        force: Take the place of a driver that may be at work on the experiment.
        observer: Told of the flow's progress.
        stop: Asked often; once it says yes, nothing more is started.
        say: Told what happens, in sentences.

    Raises:
        ConfigError: Configuration or models are wrong; nothing was started.
        RegistryError: The registry failed, or a guard refused; nothing was changed.
        HeldError: Another driver is at work on the experiment; nothing was changed.
        StoppedError: `stop` said yes before the flow run began; nothing was changed.
        MachineryError: Ledger or cluster failed; what was recorded is kept.
    """
    started = time.time()
    guards.require_guards(accept)
    check(experiment)
    snapshot = fetch_snapshot(experiment, accept, leave_copies=True)
    _require_wanted(stop)
    check_models(experiment, snapshot)
    flow_run = new_id()
    with at_work(experiment, flow_run, force=force, say=say) as (opened, ledger, hold):
        _require_wanted(stop)
        left = ledger.flow_runs.left_unfinished(experiment.name)
        prepared = prepare(experiment, ledger, snapshot, flow_run=flow_run, fresh=fresh)
        guards.enforce(prepared.refusals, accept)
        if left is not None:
            say(
                f"flow run {left.id} has not ended: `orchestrator resume` would have gone on with "
                "it; this is a new one, which uses what it recorded"
            )
        execution = _Execution(
            experiment=experiment,
            opened=opened,
            ledger=ledger,
            prepared=prepared,
            flow_run=flow_run,
            fresh=fresh,
            observer=observer,
            stop=hold.guarded(stop),
            say=say,
            started=started,
        )
        return _carry_out(execution)


def resume(
    experiment: Experiment,
    flow_run: FlowRun,
    *,
    force: bool = False,
    observer: Observer | None = None,
    stop: Callable[[], bool] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Go on with a flow run under its own id: its snapshot, its decisions, and what is left to do.

    The registry is not asked. What is recorded of the flow run is not repeated.

    Args:
        experiment: What to run; the flow run was one of it.
        flow_run: One of the ledger that was interrupted, or killed, or has failed.
        force: Take the place of a driver that may be at work on the experiment.
        observer: Told of the flow's progress.
        stop: Asked often; once it says yes, nothing more is started.
        say: Told what happens, in sentences.

    Raises:
        ConfigError: Configuration or models are wrong; nothing was started.
        HeldError: Another driver is at work on the experiment; nothing was changed.
        MachineryError: Ledger or cluster failed; what was recorded is kept.
    """
    started = time.time()
    check(experiment)
    with at_work(experiment, flow_run.id, force=force, say=say) as (opened, ledger, hold):
        snapshot = ledger.snapshots.get(flow_run.context["snapshot"])
        prepared = prepare(experiment, ledger, snapshot, flow_run=flow_run.id)
        execution = _Execution(
            experiment=experiment,
            opened=opened,
            ledger=ledger,
            prepared=prepared,
            flow_run=flow_run.id,
            resumed=flow_run,
            fresh=flow_run.context.get("fresh", False),
            observer=observer,
            stop=hold.guarded(stop),
            say=say,
            started=started,
        )
        return _carry_out(execution)


def sync(experiment: Experiment) -> tuple[int, int]:
    """Send MLflow what the ledger has and it lacks: how many trials, how many promotions.

    Models that could not be written are fitted and written in this process.

    Raises:
        HeldError: A driver is at work on the experiment; it sends them itself.
        MachineryError: MLflow refused, or a model could not be written.
    """
    with at_work(experiment) as (opened, ledger, _):
        desk = Desk(ledger, opened, allow_pickle=experiment.allow_pickle)
        trials = desk.send_trials()
        unwritten = [promotion for promotion in ledger.promotions.pending() if not promotion.source]
        refitted = refitting_flow(desk.orders(unwritten)).run()["refit"]
        promotions = len(desk.deploy(list(refitted)))
        desk.mark_listed()
        if refitted.failed:
            first = refitted.failed[0]
            raise MachineryError(
                f"sent {trials} trials and {promotions} promotions, but the models of "
                f"{len(refitted.failed)} customers could not be written, such as {first.key}: "
                f"{first.error}"
            )
        return trials, promotions


@dataclass(frozen=True, slots=True, kw_only=True)
class _Execution:
    """One execution of the line, up to its end or to where it is stopped.

    Attributes:
        experiment: What is run.
        opened: Its MLflow.
        ledger: Its ledger, which this driver alone writes to.
        prepared: What is to be done.
        flow_run: The flow run's id.
        resumed: The flow run that goes on; None for a new one.
        fresh: Use no result that another flow run recorded.
        observer: Told of the flow's progress.
        stop: Asked often; once it says yes, nothing more is started.
        say: Told what happens.
        started: When, in epoch seconds.
    """

    experiment: Experiment
    opened: Opening
    ledger: Ledger
    prepared: Prepared
    flow_run: str
    resumed: FlowRun | None = None
    fresh: bool
    observer: Observer | None
    stop: Callable[[], bool]
    say: Callable[[str], None]
    started: float


def _carry_out(execution: _Execution) -> Report:
    experiment, ledger, opened = execution.experiment, execution.ledger, execution.opened
    execution.say(_in_a_sentence(execution.prepared))
    desk = Desk(ledger, opened, allow_pickle=experiment.allow_pickle)
    courier = Courier(desk, experiment.evaluation, execution.flow_run, say=execution.say)
    with cluster(experiment, execution.say) as client:
        if execution.resumed is None:
            _require_wanted(execution.stop)
            _take_over(ledger, experiment, execution.prepared.snapshot)
        with courier:
            ended = _run_flow(execution, desk, client)
        tight = short_of_memory(client)
        release_data(client)
    behind = courier.what_is_lacking()
    links = where_to_look(experiment, opened, execution.flow_run)
    if experiment.summary and desk.has_sent and behind is None:
        links |= _summary(execution, desk, ended.flow_run)
    return put_together(
        experiment,
        ended,
        execution.prepared,
        ledger,
        behind=behind,
        refused=desk.refused,
        tight=tight,
        links=links,
        seconds=time.time() - execution.started,
    )


def _require_wanted(stop: Callable[[], bool] | None) -> None:
    """Go on only if nobody has asked to stop; the flow itself asks from its beginning on."""
    if stop is not None and stop():
        raise StoppedError


def _summary(execution: _Execution, desk: Desk, flow_run: FlowRun) -> dict[str, str]:
    """Write the flow run's report to MLflow; where it is, or nothing where MLflow refused."""
    from orchestrator.experiment.summary import FILE, send_summary  # late: plotly and Optuna

    experiment, tracker = execution.experiment, desk.mlflow.tracker
    searched = sorted({study.customer.id for study in execution.prepared.new})
    try:
        place = send_summary(experiment.name, execution.ledger, tracker, flow_run, searched)
    except MachineryError as error:
        execution.say(f"{error}; `orchestrator report` writes the report at any time")
        return {}
    page = web_page(experiment)
    return {"Report": link_to_file(page, tracker.experiment_id, place.run_id, FILE)}


def _run_flow(execution: _Execution, desk: Desk, client: Any) -> Run:
    experiment, prepared = execution.experiment, execution.prepared
    durations: Durations = execution.ledger.trials.durations() if prepared.new else {}
    spread = _to_spread(execution, client, durations)
    flow = training_flow(
        experiment,
        longest_first(prepared.work, prepared.new, durations),
        desk,
        flow_run=execution.flow_run,
        fingerprints=fingerprints(experiment),
        to_spread=spread,
        carried={} if execution.fresh else carried_over(execution.ledger, prepared.new),
    )
    return flow.run(
        client,
        execution.ledger.recorder(trials_of, prepared.recorded),
        flow_run_id=execution.flow_run,
        resumed=execution.resumed,
        context={
            "snapshot": prepared.snapshot.id,
            "config": experiment.config,
            "settings": kept(experiment.document),
            "fresh": execution.fresh,
            "spread": sorted(spread),
        },
        observer=execution.observer,
        stop=execution.stop,
        grace=experiment.grace,
        again=_everything if execution.fresh else None,
    )


def _in_a_sentence(prepared: Prepared) -> str:
    again = f", and at most {len(prepared.rescored)} champions to score again"
    return (
        f"{len(prepared.work)} customers, {prepared.studies} studies, of which "
        f"{len(prepared.new)} to train with at most {prepared.trials} trials"
        f"{again if prepared.rescored else ''}"
    )


def _to_spread(execution: _Execution, client: Any, durations: Durations) -> frozenset[str]:
    """The keys of the studies to be spread; those that were stay so in a resumed flow run."""
    prepared, before = execution.prepared, execution.resumed
    found = to_spread(prepared.new, durations, threads(client))
    return found if before is None else found.union(before.context.get("spread", ()))


def _take_over(ledger: Ledger, experiment: Experiment, snapshot: Snapshot) -> None:
    """Write what was fetched as what is; nothing but the machine can stop the run from here on."""
    ledger.require_owner(experiment.name, claim=True)
    ledger.snapshots.save(snapshot)
    ledger.lives.apply(snapshot)


def _everything(_node: str, _key: str) -> bool:
    """What runs again with `fresh`."""
    return True
