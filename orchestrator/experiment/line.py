"""THE LINE: registry, ledger, cluster, training, MLflow, deployment, in this order.

Touches no library itself; takes an `Experiment`; gives a `Report`; runs on the driver.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from orchestrator.clusters import connect, threads, warm_up
from orchestrator.errors import MachineryError
from orchestrator.experiment.courier import Courier
from orchestrator.experiment.desk import Desk
from orchestrator.experiment.flow import refitting_flow, training_flow, trials_of
from orchestrator.experiment.generations import carried_over
from orchestrator.experiment.notes import notes
from orchestrator.experiment.opening import Opening, opening
from orchestrator.experiment.placing import to_spread
from orchestrator.experiment.preparing import (
    Prepared,
    check,
    check_models,
    fetch_snapshot,
    fingerprints,
    prepare,
)
from orchestrator.experiment.report import (
    Report,
    all_results,
    count_studies,
    count_trials,
    failures,
    fresh_results,
)
from orchestrator.experiment.searching import STUDIES
from orchestrator.experiment.settings import Experiment
from orchestrator.ledger import Hold, Ledger
from orchestrator.mapping import Outcomes, Run
from orchestrator.mapping.flows import new_id
from orchestrator.mapping.run import Observer
from orchestrator.records import Promotion, Snapshot
from orchestrator.redaction import redacted
from orchestrator.registry import guards
from orchestrator.tracking.views import UI_PORT, links, views
from orchestrator.training.cache import forget

_EVALUATING = "orchestrator.training.evaluate"
"""What workers need first; it takes them a second or two to import."""


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
        MachineryError: Ledger or cluster failed; what was recorded is kept.
    """
    started = time.time()
    guards.require_guards(accept)
    check(experiment)
    snapshot = fetch_snapshot(experiment, accept, leave_copies=True)
    check_models(experiment, snapshot)
    flow_run = new_id()
    with (
        opening(experiment) as opened,
        Ledger.open(experiment.ledger) as ledger,
        _driving(experiment, ledger, flow_run, force=force, say=say) as hold,
    ):
        prepared = prepare(experiment, ledger, snapshot, flow_run=flow_run, fresh=fresh)
        guards.enforce(prepared.refusals, accept)
        say(_in_a_sentence(prepared))
        desk = Desk(ledger, opened, allow_pickle=experiment.allow_pickle)
        courier = Courier(desk, experiment.evaluation, flow_run)
        with _cluster(experiment, say) as client:
            durations = ledger.trials.durations() if prepared.new else {}
            flow = training_flow(
                experiment,
                prepared.work,
                desk,
                flow_run=flow_run,
                fingerprints=fingerprints(experiment),
                to_spread=to_spread(prepared.new, durations, threads(client)),
                carried={} if fresh else carried_over(ledger, prepared.new),
            )
            _wait_until_open(opened, say)
            _take_over(ledger, experiment, snapshot)
            with courier:
                ended = flow.run(
                    client,
                    ledger.recorder(trials_of, prepared.recorded),
                    flow_run_id=flow_run,
                    context={"snapshot": snapshot.id, "config": experiment.config},
                    observer=observer,
                    stop=hold.guarded(stop),
                    grace=experiment.grace,
                    again=_everything if fresh else None,
                )
            _release_data(client)
        return _report(
            experiment,
            ended,
            prepared,
            ledger,
            behind=_what_mlflow_lacks(desk, courier),
            refused=desk.refused,
            links=_links(experiment, opened, flow_run),
            seconds=time.time() - started,
        )


def sync(experiment: Experiment) -> tuple[int, int]:
    """Send MLflow what the ledger has and it lacks: how many trials, how many promotions.

    Models that could not be written are fitted and written in this process.

    Raises:
        HeldError: A driver is at work on the experiment; it sends them itself.
        MachineryError: MLflow refused, or a model could not be written.
    """
    with (
        opening(experiment) as opened,
        Ledger.open(experiment.ledger) as ledger,
        _driving(experiment, ledger),
    ):
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


def _driving(
    experiment: Experiment,
    ledger: Ledger,
    flow_run: str = "",
    *,
    force: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> AbstractContextManager[Hold]:
    """Be the experiment's one driver, if the ledger is its own."""
    ledger.require_owner(experiment.name)
    return ledger.holding(experiment.name, flow_run, force=force, say=say)


def _in_a_sentence(prepared: Prepared) -> str:
    again = f", and at most {len(prepared.rescored)} champions to score again"
    return (
        f"{len(prepared.work)} customers, {prepared.studies} studies, of which "
        f"{len(prepared.new)} to train with at most {prepared.trials} trials"
        f"{again if prepared.rescored else ''}"
    )


@contextmanager
def _cluster(experiment: Experiment, say: Callable[[str], None]) -> Iterator[Any]:
    """The experiment's cluster, its workers importing already what they will need."""
    with connect(experiment.cluster) as client:
        if client is not None:
            if experiment.cluster.dashboard:
                say(f"Dask dashboard while it runs: {client.dashboard_link}")
            warm_up(client, [_EVALUATING, experiment.evaluation.loader.partition(":")[0]])
        yield client


def _take_over(ledger: Ledger, experiment: Experiment, snapshot: Snapshot) -> None:
    """Write what was fetched as what is; nothing but the machine can stop the run from here on."""
    ledger.require_owner(experiment.name, claim=True)
    ledger.snapshots.save(snapshot)
    ledger.lives.apply(snapshot)


def _everything(_node: str, _key: str) -> bool:
    """What runs again with `fresh`."""
    return True


def _wait_until_open(opened: Opening, say: Callable[[str], None]) -> None:
    """MLflow in trouble stops no run; an address or an experiment that cannot be does.

    Raises:
        UsageError: MLflow's address is none, or its experiment was deleted there.
    """
    try:
        opened.result()
    except MachineryError as error:
        say(f"{error}. The run goes on without; the ledger keeps what MLflow lacks")


def _release_data(client: Any) -> None:
    """Processes that outlive the flow run let go of its customers' data."""
    if client is None:
        forget()
    else:
        client.run(forget, on_error="ignore")


def _what_mlflow_lacks(desk: Desk, courier: Courier) -> str | None:
    """Send what is left; what could not be sent, and why, in a sentence; None if all was."""
    trouble = ""
    try:
        courier.catch_up()
    except MachineryError as error:
        trouble = f": {error}"
    trials, promotions = desk.lacking()
    if not (trials or promotions or trouble):
        return None
    return (
        f"MLflow lacks {trials} trials and {promotions} champions of this ledger{trouble}. Nothing "
        "is lost: the ledger has them, and `orchestrator sync` sends them"
    )


def _report(
    experiment: Experiment,
    ended: Run,
    prepared: Prepared,
    ledger: Ledger,
    *,
    behind: str | None,
    refused: Mapping[str, str],
    links: Mapping[str, str],
    seconds: float,
) -> Report:
    evaluated, choices = [o for name in STUDIES for o in ended.outcomes(name)], ended["choose"]
    results = all_results(evaluated)
    trials = count_trials(evaluated, choices)
    others = {name: ended[name] for name in ("publish", "refit", "deploy")}
    unserved = len(choices.failed) + len(ended["refit"].failed) + len(refused)
    champions = ledger.promotions.champions()
    return Report(
        flow_run=ended.flow_run,
        snapshot=prepared.snapshot.id,
        changes=prepared.changes,
        rejected=prepared.snapshot.rejected,
        customers=len(prepared.work),
        served=sum(piece.id in champions for piece in prepared.work),
        trials=trials,
        studies=count_studies(evaluated),
        failures=failures(results, choices, others),
        promotions=_promotions(ended["deploy"]),
        fit_seconds=sum(sum(result.fit_seconds) for result in fresh_results(evaluated)),
        seconds=seconds,
        tolerated=trials["failed"] + trials.get("timed_out", 0)
        <= experiment.tolerance * sum(trials.values())
        and unserved <= experiment.tolerance * len(prepared.work),
        links=links,
        behind=behind,
        notes=notes(ledger, prepared, champions)
        + tuple(f"customer {customer!r} is not served: {why}" for customer, why in refused.items()),
    )


def _promotions(deployed: Outcomes) -> tuple[Promotion, ...]:
    return tuple(
        promotion for promotions in deployed.items() for promotion in promotions.value or ()
    )


def _links(experiment: Experiment, opened: Opening, flow_run: str) -> Mapping[str, str]:
    """Where to look; nowhere while MLflow cannot be opened."""
    if not opened.is_open:
        return {}
    is_server = experiment.tracking.startswith(("http://", "https://"))
    base = redacted(experiment.tracking) if is_server else f"http://127.0.0.1:{UI_PORT}"
    experiment_id = opened.result().tracker.experiment_id
    return links(base, experiment_id, views(experiment.evaluation, flow_run))
