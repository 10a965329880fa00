"""THE LINE: registry, ledger, cluster, training, MLflow, deployment, in this order.

Touches no library itself; takes an `Experiment`; gives a `Report` or a `Plan`; runs on the driver.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from orchestrator.clusters import connect
from orchestrator.errors import ConfigError, MachineryError
from orchestrator.experiment.desk import Desk
from orchestrator.experiment.flow import evaluate, training_flow, trials_of
from orchestrator.experiment.report import (
    Plan,
    Report,
    count_studies,
    count_trials,
    failures,
    fresh_results,
)
from orchestrator.experiment.settings import Experiment
from orchestrator.experiment.work import Work, plan_work
from orchestrator.ledger import Changes, Ledger
from orchestrator.mapping import Outcomes, Run
from orchestrator.mapping.fingerprints import code_digest, fingerprint
from orchestrator.mapping.flows import new_id
from orchestrator.mapping.run import Observer
from orchestrator.records import Promotion, Snapshot, State, Study
from orchestrator.registry import guards
from orchestrator.registry.snapshots import fetch
from orchestrator.registry.sources import open_sources
from orchestrator.search import count, find_strategy
from orchestrator.tracking.tracker import Tracker
from orchestrator.training.data import find_loader
from orchestrator.training.fingerprint import study_fingerprint

UI_ADDRESS = "http://127.0.0.1:5000"
"""Where `orchestrator ui` serves MLflow's page unless it is told otherwise."""


def fetch_snapshot(experiment: Experiment, accept: Collection[str] = ()) -> Snapshot:
    """What the experiment's registry returns now.

    Raises:
        ConfigError: Settings of a source, or a model's row, are wrong.
        RegistryError: A source cannot be read, or returns nothing.
    """
    with _in_file(experiment):
        models, customers = open_sources(experiment.registry, file=experiment.config)
        return fetch(models, customers, allowed=experiment.evaluation.allowed, accept=tuple(accept))


def check(experiment: Experiment) -> None:
    """Refuse settings that could not work, before anything is started.

    Raises:
        ConfigError: Naming the key.
    """
    from orchestrator.training.metrics import require_metrics  # late: it imports scikit-learn

    with _in_file(experiment):
        find_strategy(experiment.search)
        find_loader(experiment.evaluation.loader)
        require_metrics(experiment.evaluation.metrics)


def plan(experiment: Experiment) -> Plan:
    """What a flow run would do now; nothing is written.

    Raises:
        ConfigError: As `check` and `fetch_snapshot`.
        RegistryError: As `fetch_snapshot`.
    """
    check(experiment)
    snapshot = fetch_snapshot(experiment)
    with Ledger.open(experiment.ledger) as ledger:
        changes = ledger.lives.preview(snapshot)
        work = plan_work(experiment, snapshot, ledger.promotions.champions(), flow_run="")
        studies = [study for piece in work for study in piece.studies]
        reused = _recorded(ledger, studies)
        new = [study for study, is_reused in zip(studies, reused, strict=True) if not is_reused]
        trials = _count(experiment, new)
        return Plan(
            snapshot=snapshot.id,
            source=snapshot.source,
            changes=changes,
            rejected=snapshot.rejected,
            customers=len(work),
            studies=len(studies),
            reused=sum(reused),
            trials=trials,
            seconds=_estimate(ledger, experiment, new),
            refusals={r.guard: r.reason for r in _refusals(experiment, changes, trials)},
        )


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
        changes = ledger.lives.preview(snapshot)
        work = plan_work(experiment, snapshot, ledger.promotions.champions(), flow_run)
        studies = [study for piece in work for study in piece.studies]
        trials = _count(experiment, studies)
        guards.enforce(_refusals(experiment, changes, trials), accept)
        ledger.snapshots.save(snapshot)
        ledger.lives.apply(snapshot)
        say(f"{len(work)} customers, {len(studies)} studies, at most {trials} trials")
        with connect(experiment.cluster) as client:
            if client is not None and client.dashboard_link:
                say(f"Dask dashboard while it runs: {client.dashboard_link}")
            tracker, desk = opened.result()(flow_run, ledger)
            ended = training_flow(experiment, work, desk, fresh=fresh).run(
                client,
                ledger.recorder(trials_of),
                flow_run_id=flow_run,
                context={"snapshot": snapshot.id, "config": experiment.config},
                observer=observer,
                stop=stop,
            )
        notes = _wrap_up(desk, tracker, experiment, snapshot, flow_run)
        notes += _left_behind(ledger, snapshot)
        return _report(
            experiment,
            ended,
            ledger=ledger,
            snapshot=snapshot,
            changes=changes,
            work=work,
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


@contextmanager
def _in_file(experiment: Experiment) -> Iterator[None]:
    """Name the configuration file in errors of settings that do not know it."""
    try:
        yield
    except ConfigError as error:
        if error.file is not None:
            raise
        raise ConfigError(error.problem, file=experiment.config, key=error.key) from error


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
    """What follows the flow: late trials, retired customers, saved views."""
    from orchestrator.tracking.views import view_tags, views

    listed = {customer.id for customer in snapshot.customers}
    listed |= {row.id for row in snapshot.rejected if row.id is not None}
    try:
        desk.send_trials()
        desk.mark_listed(listed)
        shown = views(experiment.evaluation, flow_run)
        tracker.tag_experiment(view_tags(shown, at=time.time()))
    except MachineryError as error:
        return (
            f"MLflow is behind: {error}. Everything is in the ledger; `orchestrator sync` sends it",
        )
    return ()


def _left_behind(ledger: Ledger, snapshot: Snapshot) -> tuple[str, ...]:
    """A note for each model that left the registry and still serves customers."""
    listed = {model.id for model in snapshot.models}
    active = {customer.id for customer in snapshot.customers}
    serving = Counter(
        champion.result.trial.study.model.id
        for customer, champion in ledger.promotions.champions().items()
        if customer in active
    )
    return tuple(
        f"model {model!r} left the registry and still serves {number} customers, whose candidates "
        "have not beaten it"
        for model, number in sorted(serving.items())
        if model not in listed
    )


def _recorded(ledger: Ledger, studies: Sequence[Study]) -> list[bool]:
    """Of each study, whether its results are recorded."""
    code = code_digest(evaluate.function)
    told = [study_fingerprint(study) for study in studies]
    names = [None if code is None or t is None else fingerprint(code, t) for t in told]
    known = ledger.recorder().recall([name for name in names if name is not None])
    return [name in known for name in names]


def _count(experiment: Experiment, studies: Sequence[Study]) -> int:
    return sum(count(experiment.search, study) for study in studies)


def _estimate(ledger: Ledger, experiment: Experiment, studies: Sequence[Study]) -> float | None:
    """Seconds of one core that the studies would take, by what their like took; None if unknown."""
    known = ledger.trials.durations()
    if not known:
        return None
    typical = sum(known.values()) / len(known)
    return sum(
        count(experiment.search, study) * known.get((study.customer.id, study.model.id), typical)
        for study in studies
    )


def _refusals(experiment: Experiment, changes: Changes, trials: int) -> tuple[guards.Refusal, ...]:
    return guards.refusals(changes, trials, experiment.limits)


def _report(
    experiment: Experiment,
    ended: Run,
    *,
    ledger: Ledger,
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
    champions = ledger.promotions.champions()
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
