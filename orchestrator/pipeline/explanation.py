"""The explanation of what a flow run would do for one customer, and of its current champion.

Touches no library itself; takes an `ExperimentSettings` and a customer's id; writes nothing;
driver.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from orchestrator.errors import UsageError
from orchestrator.ledger import Champion, Ledger
from orchestrator.pipeline.clearance import Clearance
from orchestrator.pipeline.customer_flow import barred_among, scored_already, without
from orchestrator.pipeline.customer_plan import CustomerPlan, is_meant_for, plan_work
from orchestrator.pipeline.plan import why_new
from orchestrator.pipeline.preparation import (
    count_trials,
    fetch_snapshot,
    result_name,
    still_barred,
)
from orchestrator.pipeline.resolution import Resolved, resolve
from orchestrator.records import Customer, ModelSpec, Snapshot, Study, TrialResult
from orchestrator.registry.guards import require_guards
from orchestrator.reports.status import served_by
from orchestrator.selection import best_result, decide
from orchestrator.settings import ExperimentSettings
from orchestrator.tabular import TableView, Tabular, facts

Recorded = Mapping[str, Sequence[TrialResult]]
"""The results that would be reused, by the study's key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan:
    """The planned action for one model of the customer.

    Attributes:
        model: The model's id.
        action: `reuse` its recorded results, `train`, or `leave` it out.
        reason: The reason for the action.
        trials: The number of trials that are recorded or would be made.
        best: The best recorded score; None without one.
        flow_run: The flow run that recorded the results; "" without any.
    """

    model: str
    action: str
    reason: str
    trials: int = 0
    best: float | None = None
    flow_run: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Why(Tabular):
    """The planned actions for one customer, with their reasons.

    Attributes:
        customer: The customer's id.
        state: `active`, `paused`, `removed`, or `set aside` with a bad row.
        note: A remark on the state, or the error in the row.
        data_version: The current version of its data; "" if it is known only by loading the data.
        studies: One entry per listed model.
        champion: The customer's current champion; None without one.
        model_listed: Whether the champion's model is still in the registry.
        decision: The decision, as far as it is known before training.
    """

    customer: str
    state: str
    note: str = ""
    data_version: str = ""
    studies: tuple[StudyPlan, ...] = ()
    champion: Champion | None
    model_listed: bool
    decision: str

    def tables(self) -> tuple[TableView, ...]:
        """Return the studies, one row per model, then the customer's state and champion."""
        known = {"state": self.state, "note": self.note, "decision": self.decision}
        if self.champion is not None:
            known |= served_by(self.champion)
        rows = [asdict(study) for study in self.studies]
        names = tuple(each.name for each in fields(StudyPlan))
        return TableView(title="studies", rows=rows, columns=names), facts(self.customer, known)


def why(experiment: ExperimentSettings, customer: str, accept: Collection[str] = ()) -> Why:
    """Explain what a flow run would do for one customer, without writing anything.

    Args:
        experiment: The settings of the experiment.
        customer: The customer's id.
        accept: Names of the guards to override; only `empty` matters here.

    Raises:
        UsageError: Neither the registry nor the ledger knows such a customer.
        ConfigError: Configuration or models are wrong.
        RegistryError: The registry failed.
    """
    require_guards(accept)
    resolved = resolve(experiment, Clearance.of(experiment))
    snapshot = fetch_snapshot(experiment, accept, clearance=resolved.clearance)
    with Ledger.look(experiment.ledger) as ledger:
        state, note, listed = _state(ledger, snapshot, customer)
        champion = ledger.promotions.champion(customer)
        told: dict[str, Any] = {
            "customer": customer,
            "state": state,
            "note": note,
            "champion": champion,
            "model_listed": champion is None
            or champion.result.trial.study.model.id in {model.id for model in snapshot.models},
        }
        if listed is None or not listed.active:
            return Why(**told, decision="it is not trained, and what serves it goes on serving")
        return _of_active(resolved, ledger, snapshot, listed, told)


def _state(ledger: Ledger, snapshot: Snapshot, customer: str) -> tuple[str, str, Customer | None]:
    """The customer's state, a note on it, and its row if the registry has a valid one."""
    for row in snapshot.customers:
        if row.id == customer:
            paused = "" if row.active else "`active` is false in the registry"
            return "active" if row.active else "paused", paused, row
    for bad in snapshot.rejected:
        if bad.kind == "customer" and bad.id == customer:
            return "set aside", f"its row is wrong: {bad.reason}", None
    if not ledger.lives.history("customer", customer):
        raise UsageError(
            f"no customer {customer!r} is or was ever listed; `orchestrator registry show` lists "
            "those of now"
        )
    return "removed", "the registry no longer lists it; its history is kept", None


def _of_active(
    resolved: Resolved,
    ledger: Ledger,
    snapshot: Snapshot,
    customer: Customer,
    told: Mapping[str, Any],
) -> Why:
    experiment = resolved.experiment
    only = Snapshot(id=snapshot.id, models=snapshot.models, customers=(customer,))
    champion: Champion | None = told["champion"]
    champions = {} if champion is None else {customer.id: champion}
    (work,) = plan_work(
        resolved,
        only,
        champions,
        "",
        passed_over=still_barred(experiment, ledger, ""),
    )
    if work.problem:
        cannot = "its data's version cannot be had: it is not trained, and what serves it goes on"
        return Why(**{**told, "note": work.problem}, decision=cannot)
    recorded = _recorded(ledger, work.studies)
    last = ledger.studies.parts(customer.id)
    planned = {
        study.model.id: _reused(study, recorded[study.key])
        if study.key in recorded
        else StudyPlan(
            model=study.model.id,
            action="train",
            reason=why_new(study, last.get(study.key), experiment),
            trials=count_trials(resolved.strategy, [study]),
        )
        for study in work.studies
    }
    return Why(
        **told,
        data_version=work.studies[0].data_version if work.studies else "",
        studies=tuple(
            planned.get(model.id) or _left_out(model, customer) for model in snapshot.models
        ),
        decision=_decision(resolved, work, recorded),
    )


def _recorded(ledger: Ledger, studies: Sequence[Study]) -> Recorded:
    names = {result_name(study): study.key for study in studies if study.fingerprint}
    values = ledger.recorder().recall(list(names))
    return {names[name]: value for name, value in values.items()}


def _reused(study: Study, results: Sequence[TrialResult]) -> StudyPlan:
    best = best_result(results, study.evaluation)
    too_small = f"the customer has fewer than {study.model.when.min_rows} rows"
    return StudyPlan(
        model=study.model.id,
        action="reuse" if results else "leave",
        reason="nothing it follows from has changed" if results else too_small,
        trials=len(results),
        best=None if best is None else best.mean(study.evaluation.metric),
        flow_run=results[0].trial.study.flow_run if results else "",
    )


def _left_out(model: ModelSpec, customer: Customer) -> StudyPlan:
    assert not is_meant_for(model, customer)  # noqa: S101 - else it had a study
    missing = sorted(set(model.when.tags) - set(customer.tags))
    reason = f"it is for customers with the tag {', '.join(missing)}"
    return StudyPlan(model=model.id, action="leave", reason=reason)


def _decision(resolved: Resolved, work: CustomerPlan, recorded: Recorded) -> str:
    """The decision of the gate, if nothing has to be trained first; else what it waits for."""
    experiment = resolved.experiment
    left = len(work.studies) - len(recorded)
    if left:
        return f"known once {left} of {len(work.studies)} studies are trained"
    found = [result for study in work.studies for result in recorded[study.key]]
    barred = barred_among(work, found)
    results = without(found, {each.run_id for each in barred})
    incumbent = scored_already(work, results, resolved.fingerprints)
    if incumbent is None and work.champion is not None and results:
        return "known once the champion is scored on today's folds"
    decision = decide(
        "",
        work.customer,
        results,
        incumbent,
        evaluation=experiment.evaluation,
        gate=experiment.gate,
        deployed_data=work.champion.result.data_version if work.champion else "",
        deployed_code=work.deployed_code,
    )
    outcome = "a new version would be deployed" if decision.promote else "nothing would change"
    left_out = "".join(f"; {each.trial} is left out, since {each.reason}" for each in barred)
    return f"{outcome}: {decision.reason}{left_out}"
