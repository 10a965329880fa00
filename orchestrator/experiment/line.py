"""THE LINE: registry, ledger, cluster, training, MLflow, deployment, in this order.

Touches no library itself; takes an `Experiment`; gives a `Report`; runs on the driver.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from orchestrator.clusters import connect
from orchestrator.errors import MachineryError
from orchestrator.experiment.desk import Desk
from orchestrator.experiment.environment import scored_elsewhere
from orchestrator.experiment.flow import training_flow, trials_of
from orchestrator.experiment.preparing import check, fetch_snapshot, fingerprints, prepare
from orchestrator.experiment.report import (
    Report,
    count_studies,
    count_trials,
    failures,
    fresh_results,
)
from orchestrator.experiment.settings import Experiment
from orchestrator.experiment.work import Work
from orchestrator.ledger import Champion, Changes, Ledger
from orchestrator.mapping import Outcomes, Run
from orchestrator.mapping.flows import new_id
from orchestrator.mapping.run import Observer
from orchestrator.records import Promotion, Snapshot, State
from orchestrator.registry import guards
from orchestrator.tracking.tracker import Tracker

UI_ADDRESS = "http://127.0.0.1:5000"
"""Where `orchestrator ui` serves MLflow's page unless it is told otherwise."""


def run(
    experiment: Experiment,
    *,
    fresh: bool = False,
    accept: Collection[str] = (),
    observer: Observer | None = None,
    stop: Callable[[], bool] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Report:
    """Train, track, select and deploy, for every active customer the registry lists now.

    Args:
        experiment: What to run.
        fresh: Train studies again that have a recorded success.
        accept: Names of guards whose objections are known and meant.
        observer: Told of the flow's progress.
        stop: Asked often; once it says yes, nothing more is started.
        say: Told what happens, in sentences.

    Raises:
        ConfigError: Configuration or models are wrong; nothing was started.
        RegistryError: The registry failed, or a guard refused; nothing was changed.
        MachineryError: Ledger, cluster or MLflow failed; what was recorded is kept.
    """
    started = time.time()
    guards.require_guards(accept)
    check(experiment)
    snapshot = fetch_snapshot(experiment, accept)
    flow_run = new_id()
    with _opening(experiment) as opened, Ledger.open(experiment.ledger) as ledger:
        champions = ledger.promotions.champions()
        prepared = prepare(
            experiment, ledger, snapshot, champions=champions, flow_run=flow_run, fresh=fresh
        )
        guards.enforce(prepared.refusals, accept)
        ledger.snapshots.save(snapshot)
        ledger.lives.apply(snapshot)
        say(
            f"{len(prepared.work)} customers, {prepared.studies} studies, of which "
            f"{len(prepared.new)} to train with at most {prepared.trials} trials"
        )
        with connect(experiment.cluster) as client:
            if client is not None and client.dashboard_link:
                say(f"Dask dashboard while it runs: {client.dashboard_link}")
            tracker, desk = opened.result()(flow_run, ledger)
            flow = training_flow(
                experiment,
                prepared.work,
                desk,
                fingerprints=fingerprints(experiment),
                fresh=fresh,
            )
            ended = flow.run(
                client,
                ledger.recorder(trials_of, prepared.recorded),
                flow_run_id=flow_run,
                context={"snapshot": snapshot.id, "config": experiment.config},
                observer=observer,
                stop=stop,
            )
        notes = _wrap_up(desk, tracker, experiment, snapshot, flow_run)
        if desk.has_sent:
            champions = ledger.promotions.champions()
        notes += _left_behind(champions, snapshot)
        notes += scored_elsewhere(ledger, prepared)
        return _report(
            experiment,
            ended,
            champions=champions,
            snapshot=snapshot,
            changes=prepared.changes,
            work=prepared.work,
            seconds=time.time() - started,
            tracker=tracker,
            notes=notes,
        )


def sync(experiment: Experiment) -> tuple[int, int]:
    """Send MLflow what the ledger has and it lacks: how many trials, how many promotions.

    Raises:
        MachineryError: MLflow refused.
    """
    with _opening(experiment) as opened, Ledger.open(experiment.ledger) as ledger:
        _, desk = opened.result()("", ledger)
        return desk.send_trials(), len(desk.deploy_pending())


_MakeDesk = Callable[[str, Ledger], tuple[Tracker, Desk]]


@contextmanager
def _opening(experiment: Experiment) -> Iterator["Future[_MakeDesk]"]:
    """MLflow being opened, beside whatever the caller does: it takes seconds to import."""
    with ThreadPoolExecutor(1, thread_name_prefix="opening-mlflow") as pool:
        yield pool.submit(_open_mlflow, experiment)


def _open_mlflow(experiment: Experiment) -> _MakeDesk:
    from orchestrator.deployment.opening import open_deployer  # late: they import MLflow
    from orchestrator.tracking.opening import open_tracker

    tracker = open_tracker(experiment.tracking, experiment.name, experiment.artifacts)
    deployer = open_deployer(experiment.tracking, experiment.name)

    def make(flow_run: str, ledger: Ledger) -> tuple[Tracker, Desk]:
        return tracker, Desk(
            flow_run,
            ledger,
            tracker,
            deployer,
            tracking_uri=experiment.tracking,
            allow_pickle=experiment.allow_pickle,
        )

    return make


def _wrap_up(
    desk: Desk, tracker: Tracker, experiment: Experiment, snapshot: Snapshot, flow_run: str
) -> tuple[str, ...]:
    """What follows the flow: late trials, retired customers, saved views.

    A flow run that had nothing to send leaves MLflow as it is, its saved views included.
    """
    from orchestrator.tracking.views import view_tags, views

    listed = {customer.id for customer in snapshot.customers}
    listed |= {row.id for row in snapshot.rejected if row.id is not None}
    try:
        desk.send_trials()
        desk.mark_listed(listed)
        if desk.has_sent:
            shown = views(experiment.evaluation, flow_run)
            tracker.tag_experiment(view_tags(shown, at=time.time()))
    except MachineryError as error:
        return (
            f"MLflow is behind: {error}. Everything is in the ledger; `orchestrator sync` sends it",
        )
    return ()


def _left_behind(champions: Mapping[str, Champion], snapshot: Snapshot) -> tuple[str, ...]:
    """A note for each model that left the registry and still serves customers."""
    listed = {model.id for model in snapshot.models}
    active = {customer.id for customer in snapshot.customers}
    serving = Counter(
        champion.result.trial.study.model.id
        for customer, champion in champions.items()
        if customer in active
    )
    return tuple(
        f"model {model!r} left the registry and still serves {number} customers, whose candidates "
        "have not beaten it"
        for model, number in sorted(serving.items())
        if model not in listed
    )


def _report(
    experiment: Experiment,
    ended: Run,
    *,
    champions: Mapping[str, Champion],
    snapshot: Snapshot,
    changes: Changes,
    work: Sequence[Work],
    seconds: float,
    tracker: Tracker,
    notes: tuple[str, ...],
) -> Report:
    evaluated, choices = ended.outcomes("evaluate") + ended.outcomes("evaluate_2"), ended["choose"]
    results = fresh_results(evaluated)
    trials = count_trials(evaluated, choices)
    others = {name: ended[name] for name in ("publish", "refit", "deploy")}
    made = trials["success"] + trials["failed"]
    return Report(
        flow_run=ended.flow_run,
        snapshot=snapshot.id,
        changes=changes,
        rejected=snapshot.rejected,
        customers=len(work),
        served=sum(piece.id in champions for piece in work),
        trials=trials,
        studies=count_studies(evaluated),
        failures=failures(results, choices, others),
        promotions=_promotions(ended["deploy"]),
        fit_seconds=sum(sum(result.fit_seconds) for result in results),
        seconds=seconds,
        tolerated=trials["failed"] <= experiment.tolerance * made and not _machinery_failed(others),
        links=_links(experiment, tracker, ended.id),
        notes=notes,
    )


def _promotions(deployed: Outcomes) -> tuple[Promotion, ...]:
    return tuple(
        promotion for promotions in deployed.items() for promotion in promotions.value or ()
    )


def _machinery_failed(others: dict[str, Outcomes]) -> bool:
    return any(outcome.state is State.FAILED for o in others.values() for outcome in o.items())


def _links(experiment: Experiment, tracker: Tracker, flow_run: str) -> dict[str, str]:
    from orchestrator.tracking.views import links, views

    is_server = experiment.tracking.startswith(("http://", "https://"))
    base = experiment.tracking if is_server else UI_ADDRESS
    return dict(links(base, tracker.experiment_id, views(experiment.evaluation, flow_run)))
