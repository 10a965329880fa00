"""The report of a flow run, built from the ended run and from the ledger.

Touches no library itself; takes a `Run`; gives a `Report`; runs on the driver.
"""

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.ledger import Champion, Ledger
from orchestrator.mapping import Run
from orchestrator.mlflow.views import UI_PORT, links, views
from orchestrator.pipeline.customer_plan import CustomerPlan
from orchestrator.pipeline.notes import made_way, notes
from orchestrator.pipeline.preparation import Preparation
from orchestrator.pipeline.report import (
    Report,
    Unserved,
    all_results,
    count_studies,
    count_trials,
    failures,
    fresh_results,
)
from orchestrator.pipeline.study_flow import STUDIES
from orchestrator.promotion.mlflow_session import MlflowSession
from orchestrator.promotion.outbox import Outbox
from orchestrator.redaction import redacted
from orchestrator.settings import ExperimentSettings


def put_together(
    experiment: ExperimentSettings,
    ended: Run,
    prepared: Preparation,
    ledger: Ledger,
    *,
    behind: str | None,
    outbox: Outbox,
    of_cluster: tuple[str, ...],
    links: Mapping[str, str],
    seconds: float,
) -> Report:
    """Build the report of a flow run.

    Args:
        experiment: The settings of the experiment.
        ended: The ended run of the training flow.
        prepared: The work of the flow run.
        ledger: The ledger, with the results of the flow run.
        behind: A sentence on what MLflow lacks of the ledger; None if it has everything.
        outbox: Knows which champions were deployed, and which ones MLflow refused.
        of_cluster: Notes on differences between workers and driver, and on workers short of memory.
        links: The addresses of pages to look at, by name.
        seconds: The seconds from start to end.
    """
    evaluated, choices = [o for name in STUDIES for o in ended.outcomes(name)], ended["choose"]
    trials = count_trials(evaluated, choices)
    others = {name: ended[name] for name in ("publish", "deliver", "deploy")}
    undeployed = len(choices.failed) + len(ended["deliver"].failed) + len(outbox.refused)
    undeployed += sum(bool(choice.barred) and choice.decision.best is None for choice in choices)
    champions = ledger.promotions.champions()
    not_served = (f"customer {name!r} is not served: {why}" for name, why in outbox.refused.items())
    return Report(
        flow_run=ended.flow_run,
        snapshot=prepared.snapshot.id,
        changes=prepared.changes,
        rejected=prepared.snapshot.rejected,
        customers=len(prepared.work),
        served=sum(piece.id in champions for piece in prepared.work),
        trials=trials,
        studies=count_studies(evaluated),
        failures=failures(all_results(evaluated), choices, others),
        promotions=tuple(outbox.deployed),
        fit_seconds=sum(sum(result.fit_seconds) for result in fresh_results(evaluated)),
        seconds=seconds,
        objections=tuple(_objections(experiment.tolerance, trials, undeployed, len(prepared.work))),
        unserved=tuple(_unserved(ended, prepared.work, champions, outbox.refused)),
        links=links,
        behind=behind,
        notes=(
            *notes(ledger, prepared, champions),
            *of_cluster,
            *not_served,
            *made_way(ledger, ended.id),
        ),
    )


def _objections(
    tolerance: float, trials: Mapping[str, int], undeployed: int, customers: int
) -> Iterator[str]:
    """A sentence for each share of failures that exceeds the tolerance."""
    failed, made = trials["failed"] + trials.get("timed_out", 0), sum(trials.values())
    allowed = f"`tolerance: {tolerance:g}` allows"
    if failed > tolerance * made:
        yield f"{failed:,} of {made:,} trials failed, and {allowed} {int(tolerance * made):,}"
    if undeployed > tolerance * customers:
        yield (
            f"{undeployed:,} of {customers:,} customers got no decision or no deployed champion, "
            f"and {allowed} {int(tolerance * customers):,}"
        )


def _unserved(
    ended: Run,
    work: Sequence[CustomerPlan],
    champions: Mapping[str, Champion],
    refused: Mapping[str, str],
) -> Iterator[Unserved]:
    """Every customer of the flow run that has no model, with the most specific reason known."""
    failed = {
        outcome.key: outcome.error
        for name in ("choose", "deliver")
        for outcome in ended[name].failed
        if outcome.error
    }
    decided = {choice.decision.customer.id: choice.decision.reason for choice in ended["choose"]}
    for piece in work:
        if piece.id not in champions:
            reasons = (refused, failed, {piece.id: piece.problem}, decided)
            found = (each[piece.id] for each in reasons if each.get(piece.id))
            yield Unserved(customer=piece.id, reason=next(found, "no study of it was run"))


def where_to_look(
    experiment: ExperimentSettings, mlflow: MlflowSession, flow_run: str
) -> dict[str, str]:
    """The addresses of MLflow's pages by name; empty while MLflow cannot be opened."""
    if not mlflow.is_open:
        return {}
    experiment_id = mlflow.tracker.experiment_id
    return links(web_page(experiment), experiment_id, views(experiment.evaluation, flow_run))


def web_page(experiment: ExperimentSettings) -> str:
    """The address of MLflow's web page."""
    is_server = experiment.tracking.startswith(("http://", "https://"))
    return redacted(experiment.tracking) if is_server else f"http://127.0.0.1:{UI_PORT}"
