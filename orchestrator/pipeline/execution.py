"""The second part of the pipeline, once the work is known: cluster, flow, MLflow, report.

Touches no library itself; takes an `Execution`; gives a `Report`; runs on the driver.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.clusters import find_kind, threads
from orchestrator.errors import MachineryError, StoppedError
from orchestrator.events import FlowRunBegan, FlowRunEnded, MlflowBehind, Promoted, Stream
from orchestrator.ledger import Ledger
from orchestrator.mapping import Run
from orchestrator.mapping.driver.progress import Observer
from orchestrator.mapping.driver.task_logs import Listener
from orchestrator.mlflow.model_files.readers import reader
from orchestrator.mlflow.views import link_to_file
from orchestrator.pipeline.carry_over import carried_over
from orchestrator.pipeline.cluster import OnDemandCluster
from orchestrator.pipeline.config_snapshot import kept
from orchestrator.pipeline.placement import Durations, longest_first, to_spread
from orchestrator.pipeline.preparation import Preparation
from orchestrator.pipeline.report import Report
from orchestrator.pipeline.report_building import put_together, web_page, where_to_look
from orchestrator.pipeline.resolution import Resolved
from orchestrator.pipeline.training_flow import training_flow, trials_of
from orchestrator.promotion.background_sync import BackgroundSync
from orchestrator.promotion.delivery import Delivery
from orchestrator.promotion.dispatch import Dispatch
from orchestrator.promotion.outbox import Outbox
from orchestrator.promotion.session import DriverSession
from orchestrator.promotion.storability import rules_of
from orchestrator.records import ExperimentRun, FlowRun, Snapshot, study_key
from orchestrator.settings import ExperimentSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One execution of the pipeline, until it ends or is stopped.

    Attributes:
        resolved: The experiment, with everything it names.
        driver: The driver's session: MLflow, the ledger, and the lease on the experiment.
        prepared: The work to be done.
        flow_run: The flow run's id.
        resumed: The flow run that is resumed; None for a new one.
        cleared: Digests of the metrics and lists that have passed every check (`clearance`).
        fresh: Whether to ignore results that other flow runs recorded.
        observer: Receives the flow's progress.
        stop: Called often; once it returns True, nothing more is started.
        say: Receives sentences about what happens, for the user.
        on_log: Receives the log of each attempt of a task once it has ended; None to drop logs.
        events: Passes events to the observers.
        started: The time of the start, in epoch seconds.
    """

    resolved: Resolved
    driver: DriverSession
    prepared: Preparation
    flow_run: str
    resumed: FlowRun | None = None
    cleared: tuple[str, ...]
    fresh: bool
    observer: Observer | None
    stop: Callable[[], bool]
    say: Callable[[str], None]
    on_log: Listener | None = None
    events: Stream
    started: float

    @property
    def experiment(self) -> ExperimentSettings:
        """The settings of what is run."""
        return self.resolved.experiment


def carry_out(execution: Execution) -> Report:
    """Do the work of an execution, and return a report on it.

    Raises:
        StoppedError: `stop` returned True before the flow run began; nothing was changed.
        LeaseLostError: Another driver took over the experiment.
        MachineryError: Ledger or cluster failed; what was recorded is kept.
    """
    experiment = execution.experiment
    ledger, mlflow = execution.driver.ledger, execution.driver.mlflow
    execution.say(_in_a_sentence(execution.prepared))
    outbox = Outbox(ledger, mlflow)
    courier = BackgroundSync(outbox, experiment.evaluation, execution.flow_run, say=execution.say)
    models = execution.prepared.snapshot.models
    with OnDemandCluster(experiment, execution.say, models) as cluster:
        if execution.prepared.has_work:
            cluster.client()  # before the ledger takes the lists: it may not start, or not fit
        if execution.resumed is None:
            require_wanted(execution.stop)
            _take_over(ledger, experiment, execution.prepared.snapshot)
        execution.events.emit(
            FlowRunBegan(
                experiment=experiment.name,
                flow_run=execution.flow_run,
                resumed=execution.resumed is not None,
            )
        )
        with courier:
            ended = _run_flow(execution, outbox, cluster)
        of_cluster = (*cluster.differences, *cluster.short_of_memory())
        cluster.release_data()
    behind = courier.what_is_lacking()
    _emit_end(execution, outbox, ended.flow_run, behind)
    links = where_to_look(experiment, mlflow, execution.flow_run)
    if experiment.summary and outbox.has_sent and behind is None:
        links |= _summary(execution, outbox, ended.flow_run)
    return put_together(
        experiment,
        ended,
        execution.prepared,
        ledger,
        behind=behind,
        outbox=outbox,
        of_cluster=of_cluster,
        links=links,
        seconds=time.time() - execution.started,
    )


def _emit_end(execution: Execution, outbox: Outbox, flow_run: FlowRun, behind: str | None) -> None:
    """Notify observers of what the flow run has changed, and of how it ended."""
    name, emit = execution.experiment.name, execution.events.emit
    for promotion in outbox.deployed:
        emit(
            Promoted(
                experiment=name,
                flow_run=promotion.decision.flow_run,
                customer=promotion.decision.customer.id,
                model_name=promotion.deployed_version.model_name,
                version=promotion.deployed_version.version,
                reason=promotion.decision.reason,
            )
        )
    if behind is not None:
        emit(MlflowBehind(experiment=name, flow_run=flow_run.id, reason=behind))
    emit(
        FlowRunEnded(
            experiment=name,
            flow_run=flow_run.id,
            state=flow_run.state,
            counts={str(state): number for state, number in flow_run.counts.items()},
            seconds=time.time() - execution.started,
        )
    )


def require_wanted(stop: Callable[[], bool] | None) -> None:
    """Raise `StoppedError` if a stop was requested; a running flow checks this itself."""
    if stop is not None and stop():
        raise StoppedError


def _summary(execution: Execution, outbox: Outbox, flow_run: FlowRun) -> dict[str, str]:
    """Write the flow run's report to MLflow; return its link, or nothing if MLflow refused it."""
    from orchestrator.reports.mlflow_summary import FILE, send_summary  # late: plotly and Optuna

    experiment, tracker = execution.experiment, outbox.mlflow.tracker
    searched = sorted({study.customer.id for study in execution.prepared.new})
    try:
        place = send_summary(experiment.name, execution.driver.ledger, tracker, flow_run, searched)
    except MachineryError as error:
        execution.say(f"{error}; `orchestrator report` writes the report at any time")
        return {}
    page = web_page(experiment)
    return {"Report": link_to_file(page, tracker.experiment_id, place.run_id, FILE)}


def _run_flow(execution: Execution, outbox: Outbox, cluster: OnDemandCluster) -> Run:
    experiment, prepared = execution.experiment, execution.prepared
    durations: Durations = execution.driver.ledger.trials.durations() if prepared.new else {}
    spread = _to_spread(execution, cluster, durations)
    dispatch = Dispatch(
        execution.driver.ledger,
        outbox,
        allow_pickle=experiment.allow_pickle,
        rules=rules_of(experiment),
    )
    writes_itself = find_kind(experiment.cluster).traits.in_process
    flow = training_flow(
        experiment,
        longest_first(prepared.work, prepared.new, durations),
        outbox,
        dispatch,
        Delivery(dispatch, reader(wrote_itself=writes_itself)),
        flow_run=execution.flow_run,
        fingerprints=execution.resolved.fingerprints,
        to_spread={study_key(customer, model) for customer, model in spread},
        carried={} if execution.fresh else carried_over(execution.driver.ledger, prepared.new),
        lost=prepared.lost,
    )
    return flow.run(
        client=cluster.client() if prepared.has_work else cluster.client,
        ledger=execution.driver.ledger.recorder(trials_of, prepared.recorded),
        flow_run_id=execution.flow_run,
        resumed=execution.resumed,
        origin=ExperimentRun(
            snapshot=prepared.snapshot.id,
            config=experiment.config,
            settings=kept(experiment.document),
            fresh=execution.fresh,
            spread=tuple(sorted(spread)),
            cleared=execution.cleared,
            logs=experiment.logs,
        ),
        logs=experiment.logs,
        on_log=execution.on_log,
        observer=execution.observer,
        stop=execution.stop,
        grace=experiment.grace,
        again=_everything if execution.fresh else None,
    )


def _in_a_sentence(prepared: Preparation) -> str:
    again = f", and at most {len(prepared.rescored)} champions to score again"
    return (
        f"{len(prepared.work)} customers, {prepared.studies} studies, of which "
        f"{len(prepared.new)} to train with at most {prepared.trials} trials"
        f"{again if prepared.rescored else ''}"
    )


def _to_spread(
    execution: Execution, cluster: OnDemandCluster, durations: Durations
) -> frozenset[tuple[str, str]]:
    """The studies to spread, by customer and model; a resumed flow run keeps its earlier ones."""
    prepared, resumed = execution.prepared, execution.resumed
    found = frozenset[tuple[str, str]]()
    if prepared.new:
        keys = to_spread(prepared.new, durations, threads(cluster.client()))
        spread = (study for study in prepared.new if study.key in keys)
        found = frozenset((study.customer.id, study.model.id) for study in spread)
    if resumed is None or not isinstance(resumed.origin, ExperimentRun):
        return found
    return found.union(resumed.origin.spread)


def _take_over(ledger: Ledger, experiment: ExperimentSettings, snapshot: Snapshot) -> None:
    """Make the snapshot current in the ledger; from here on, no check can refuse the run."""
    ledger.require_owner(experiment.name, claim=True)
    ledger.snapshots.save(snapshot)
    ledger.lives.apply(snapshot)


def _everything(_node: str, _key: str) -> bool:
    """Return True for every instance: with `fresh`, all of them run again."""
    return True
