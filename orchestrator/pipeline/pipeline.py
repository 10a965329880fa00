"""The pipeline: registry, ledger, cluster, training, MLflow, deployment, in this order.

This module has the steps before a flow run, `execution` the others. Touches no library itself;
takes an `ExperimentSettings`; gives a `Report`; runs on the driver.
"""

import time
from collections.abc import Callable, Collection, Sequence

from orchestrator.errors import UsageError
from orchestrator.events import EventObserver, GuardRefused, observing
from orchestrator.mapping.driver.progress import Observer
from orchestrator.mapping.driver.task_logs import Listener
from orchestrator.mapping.flows import new_id
from orchestrator.pipeline.clearance import Clearance
from orchestrator.pipeline.execution import Execution, carry_out, require_wanted
from orchestrator.pipeline.preparation import check_models, fetch_snapshot, prepare
from orchestrator.pipeline.report import Report
from orchestrator.pipeline.resolution import Resolved, resolve
from orchestrator.promotion.session import at_work
from orchestrator.promotion.storability import require_storable
from orchestrator.records import ExperimentRun, FlowRun, Snapshot
from orchestrator.registry import guards
from orchestrator.settings import ExperimentSettings


def run(
    experiment: ExperimentSettings,
    *,
    fresh: bool = False,
    accept: Collection[str] = (),
    force: bool = False,
    observer: Observer | None = None,
    stop: Callable[[], bool] | None = None,
    say: Callable[[str], None] = lambda _: None,
    on_log: Listener | None = None,
    observers: Sequence[EventObserver] = (),
) -> Report:
    """Train, track, select and deploy, for every active customer the registry lists now.

    Args:
        experiment: The settings of the experiment to run.
        fresh: Whether to train studies again that have a recorded success.
        accept: Names of the guards to override.
        force: Whether to take over from a driver that may be at work on the experiment.
        observer: Receives the flow's progress.
        stop: Called often; once it returns True, nothing more is started.
        say: Receives sentences about what happens, for the user.
        on_log: Receives the log of each attempt of a task, once it has ended.
        observers: Receive the records of `orchestrator.events`, as installed ones do.

    Raises:
        ConfigError: Configuration or models are wrong; nothing was started.
        RegistryError: The registry failed, or a guard refused; nothing was changed.
        HeldError: Another driver is at work on the experiment; nothing was changed.
        StoppedError: `stop` returned True before the flow run began; nothing was changed.
        MachineryError: Ledger or cluster failed; what was recorded is kept.
    """
    started, flow_run = time.time(), new_id()
    guards.require_guards(accept)
    resolved = resolve(experiment, Clearance.of(experiment))
    snapshot = _fetched(resolved, accept, stop)
    with (
        observing(observers) as events,
        at_work(experiment, flow_run, force=force, say=say) as driver,
    ):
        ledger = driver.ledger
        require_wanted(stop)
        left = ledger.flow_runs.left_unfinished(experiment.name)
        prepared = prepare(resolved, ledger, snapshot, flow_run=flow_run, fresh=fresh)
        for refusal in prepared.refusals:
            if refusal.guard not in accept:
                events.emit(
                    GuardRefused(
                        experiment=experiment.name, guard=refusal.guard, reason=refusal.reason
                    )
                )
        guards.enforce(prepared.refusals, accept)
        require_storable(experiment, prepared.new)
        if left is not None:
            say(
                f"flow run {left.id} is unfinished; starting a new one, which reuses its recorded "
                "trials. To continue it instead: `orchestrator resume`"
            )
        execution = Execution(
            resolved=resolved,
            driver=driver,
            prepared=prepared,
            flow_run=flow_run,
            cleared=resolved.clearance.digests(snapshot),
            fresh=fresh,
            observer=observer,
            stop=driver.hold.guarded(stop),
            say=say,
            on_log=on_log,
            events=events,
            started=started,
        )
        return carry_out(execution)


def resume(
    experiment: ExperimentSettings,
    flow_run: FlowRun,
    *,
    force: bool = False,
    observer: Observer | None = None,
    stop: Callable[[], bool] | None = None,
    say: Callable[[str], None] = lambda _: None,
    on_log: Listener | None = None,
    observers: Sequence[EventObserver] = (),
) -> Report:
    """Resume a flow run under its own id, with its snapshot and its decisions.

    The registry is not read. Work that the flow run has recorded is not repeated.

    Args:
        experiment: The settings of the experiment that the flow run belongs to.
        flow_run: A flow run of the ledger that was interrupted or killed, or that failed.
        force: Whether to take over from a driver that may be at work on the experiment.
        observer: Receives the flow's progress.
        stop: Called often; once it returns True, nothing more is started.
        say: Receives sentences about what happens, for the user.
        on_log: Receives the log of each attempt of a task, once it has ended.
        observers: Receive the records of `orchestrator.events`, as installed ones do.

    Raises:
        ConfigError: Configuration or models are wrong; nothing was started.
        HeldError: Another driver is at work on the experiment; nothing was changed.
        UsageError: The flow run is not one of an experiment.
        MachineryError: Ledger or cluster failed; what was recorded is kept.
    """
    started = time.time()
    origin = _experiment_run(flow_run)
    clearance = Clearance.left_by(flow_run, experiment)
    resolved = resolve(experiment, clearance)
    with (
        observing(observers) as events,
        at_work(experiment, flow_run.id, force=force, say=say) as driver,
    ):
        ledger = driver.ledger
        snapshot = ledger.snapshots.get(origin.snapshot)
        prepared = prepare(resolved, ledger, snapshot, flow_run=flow_run.id)
        execution = Execution(
            resolved=resolved,
            driver=driver,
            prepared=prepared,
            flow_run=flow_run.id,
            resumed=flow_run,
            cleared=clearance.known,
            fresh=origin.fresh,
            observer=observer,
            stop=driver.hold.guarded(stop),
            say=say,
            on_log=on_log,
            events=events,
            started=started,
        )
        return carry_out(execution)


def _fetched(
    resolved: Resolved, accept: Collection[str], stop: Callable[[], bool] | None
) -> Snapshot:
    """Return the snapshot of the registry, once it has passed every check."""
    snapshot = fetch_snapshot(
        resolved.experiment, accept, leave_copies=True, clearance=resolved.clearance
    )
    require_wanted(stop)
    check_models(resolved, snapshot)
    return snapshot


def _experiment_run(flow_run: FlowRun) -> ExperimentRun:
    """Return the record that lets an experiment's flow run be resumed."""
    if not isinstance(flow_run.origin, ExperimentRun):
        raise UsageError(
            f"flow run {flow_run.id} of {flow_run.flow} is not one of an experiment: only such a "
            "one can be resumed with its configuration"
        )
    return flow_run.origin
