"""The status of all customers with their champions, and the history of one customer or model.

Touches no library; reads the ledger only; gives records for people and machines; driver.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from orchestrator.errors import UsageError
from orchestrator.ledger import Champion, Ledger, Period, RecordedTrial
from orchestrator.ledger.changes import FieldChange, Kind, field_changes
from orchestrator.ledger.codec import canonical
from orchestrator.records import FlowRun, Promotion
from orchestrator.tabular import TableView, Tabular, time_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerStatus:
    """The status of one customer at a point in time.

    Attributes:
        customer: The customer's id.
        state: `active`, `paused` or `removed`.
        champion: The champion that serves the customer; None if there is none.
        model_listed: Whether the champion's model is still in the registry.
    """

    customer: str
    state: str
    champion: Champion | None
    model_listed: bool

    def row(self) -> dict[str, Any]:
        """Return a flat record, with the cells of `served_by` if the customer has a champion."""
        row: dict[str, Any] = {"customer": self.customer, "state": self.state}
        if self.champion is None:
            return {**row, "model": None}
        return {**row, "model_listed": self.model_listed, **served_by(self.champion)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Status(Tabular):
    """The status of every customer that is listed or served, at a point in time.

    Attributes:
        at: The time in epoch seconds; None is now.
        customers: The customers, sorted by id.
        unfinished: The experiment's last flow run, if it has not ended.
    """

    at: float | None
    customers: tuple[CustomerStatus, ...]
    unfinished: FlowRun | None = None

    def tables(self) -> tuple[TableView, ...]:
        """Return a row per customer."""
        columns = ("customer", "state", "model")
        return (TableView(rows=[each.row() for each in self.customers], columns=columns),)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialsOfRun:
    """The trials of a customer or model in one flow run; `failure` is the most common reason."""

    flow_run: str
    at: float
    trials: int
    failed: int
    failure: str
    best: str
    score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Life(Tabular):
    """The history of one customer or model.

    Attributes:
        kind, key: `customer` or `model`, and its id.
        periods: The versions of its registry row, oldest first.
        changes: For each period, the fields that differ from the period before.
        flow_runs: Its trials, grouped by flow run.
        promotions: A customer's promotions, oldest first; for a model, the promotions that made it
            a champion.
    """

    kind: str
    key: str
    periods: tuple[Period, ...]
    changes: tuple[tuple[FieldChange, ...], ...]
    flow_runs: tuple[TrialsOfRun, ...]
    promotions: tuple[Promotion, ...]

    def tables(self) -> tuple[TableView, ...]:
        """Return the periods, the trials by flow run, and the promotions."""
        runs = [{**asdict(each), "at": time_of(each.at)} for each in self.flow_runs]
        title = f"{self.kind} {self.key}"
        return self._periods(title), TableView(title="trials", rows=runs), promoted(self.promotions)

    def _periods(self, title: str) -> TableView:
        rows = [
            {
                "from": time_of(period.start),
                "to": time_of(period.end),
                "event": period.event,
                "state": period.state,
                "changed": [f"{each.field}: {each.old} -> {each.new}" for each in changes],
            }
            for period, changes in zip(self.periods, self.changes, strict=True)
        ]
        return TableView(title=title, rows=rows)


def served_by(champion: Champion) -> dict[str, Any]:
    """Return a champion as cells: its model, parameters, score, version, and start time."""
    study, deployed = champion.result.trial.study, champion.deployed
    return {
        "model": study.model.id,
        "params": dict(champion.result.trial.params),
        "metric": study.evaluation.metric,
        "score": champion.result.mean(study.evaluation.metric),
        "registered_model": None if deployed is None else deployed.model_name,
        "version": None if deployed is None else deployed.version,
        "run_id": champion.run_id,
        "since": time_of(champion.at),
    }


def promoted(promotions: Sequence[Promotion]) -> TableView:
    """Return promotions as a table with one row each."""
    rows = []
    for promotion in promotions:
        best = promotion.decision.best
        if best is None:
            continue
        study, deployed = best.trial.study, promotion.deployed
        rows.append(
            {
                "customer": promotion.decision.customer.id,
                "model": study.model.id,
                "score": best.mean(study.evaluation.metric),
                "registered_model": None if deployed is None else deployed.model_name,
                "version": None if deployed is None else deployed.version,
                "at": time_of(promotion.at),
                "reason": promotion.decision.reason,
            }
        )
    columns = ("customer", "model", "score", "registered_model", "version", "at", "reason")
    return TableView(title="promotions", rows=rows, columns=columns)


def status(ledger: Ledger, experiment: str, at: float | None = None) -> Status:
    """Return every customer with its champion.

    Args:
        ledger: The experiment's ledger.
        experiment: The experiment's name.
        at: The time in epoch seconds; None is now.
    """
    unfinished = ledger.flow_runs.left_unfinished(experiment)
    return Status(at=at, customers=standings(ledger, at), unfinished=unfinished)


def standings(ledger: Ledger, at: float | None = None) -> tuple[CustomerStatus, ...]:
    """Return the status of every listed customer, and of those still served but no longer listed.

    Args:
        ledger: The experiment's ledger.
        at: The time in epoch seconds; None is now.
    """
    live = ledger.lives.live() if at is None else ledger.lives.live_at(at)
    champions = ledger.promotions.champions() if at is None else ledger.promotions.at(at)
    models = {period.key for period in live if period.kind == "model"}
    states = {period.key: period.state for period in live if period.kind == "customer"}
    return tuple(
        CustomerStatus(
            customer=customer,
            state=states.get(customer, "removed"),
            champion=champions.get(customer),
            model_listed=customer not in champions or _model(champions[customer]) in models,
        )
        for customer in sorted(states.keys() | champions.keys())
    )


def life(ledger: Ledger, key: str, kind: Kind | None = None) -> Life:
    """Return the history of the customer or model with this id.

    Args:
        ledger: The experiment's ledger.
        key: The id.
        kind: `customer` or `model`; None selects the customer if there is one, else the model.

    Raises:
        UsageError: The ledger has never recorded such an id.
    """
    kinds: tuple[Kind, ...] = ("customer", "model") if kind is None else (kind,)
    lives = {kind: ledger.lives.history(kind, key) for kind in kinds}
    if lives.get("customer"):
        trials, promotions = ledger.trials.of_customer(key), ledger.promotions.of_customer(key)
        return _life("customer", key, lives["customer"], trials, promotions)
    if lives.get("model"):
        trials = ledger.trials.of_model(key)
        return _life("model", key, lives["model"], trials, _became(ledger, key, trials))
    raise UsageError(
        f"no {' and no '.join(kinds)} {key!r} has ever been listed; "
        "`orchestrator status` lists the customers"
    )


def _became(ledger: Ledger, model: str, trials: Sequence[RecordedTrial]) -> list[Promotion]:
    """Return the promotions that made a model the champion of a customer it was tried for."""
    return [
        promotion
        for customer in {trial.result.trial.study.customer.id for trial in trials}
        for promotion in ledger.promotions.of_customer(customer)
        if promotion.decision.best and promotion.decision.best.trial.study.model.id == model
    ]


def _model(champion: Champion) -> str:
    return champion.result.trial.study.model.id


def _life(
    kind: str,
    key: str,
    periods: Sequence[Period],
    trials: Sequence[RecordedTrial],
    promotions: Sequence[Promotion],
) -> Life:
    by_run: dict[str, list[RecordedTrial]] = {}
    for trial in trials:
        by_run.setdefault(trial.flow_run, []).append(trial)
    return Life(
        kind=kind,
        key=key,
        periods=tuple(periods),
        changes=_changes(key, periods),
        flow_runs=tuple(_of_run(flow_run, some) for flow_run, some in by_run.items()),
        promotions=tuple(promotions),
    )


def _changes(key: str, periods: Sequence[Period]) -> tuple[tuple[FieldChange, ...], ...]:
    rows = [canonical(period.row) for period in periods]
    before = [*rows[:1], *rows]  # the first period has no changes
    return tuple(tuple(field_changes(key, *pair)) for pair in zip(before, rows, strict=False))


def _of_run(flow_run: str, trials: Sequence[RecordedTrial]) -> TrialsOfRun:
    errors = Counter(t.result.error or "unknown" for t in trials if t.result.is_failure)
    scored = [trial.result for trial in trials if trial.result.state == "success"]
    evaluation = trials[0].result.trial.study.evaluation
    metric = evaluation.selecting
    best = max(scored, key=lambda r: metric.goodness(r.mean(metric.name)), default=None)
    return TrialsOfRun(
        flow_run=flow_run,
        at=min(trial.result.started for trial in trials),
        trials=len(trials),
        failed=errors.total(),
        failure=errors.most_common(1)[0][0] if errors else "",
        best=best.trial.key if best else "",
        score=best.mean(evaluation.metric) if best else None,
    )
