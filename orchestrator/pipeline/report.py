"""The report of a flow run, for people and machines.

Touches no library; pure; runs on the driver.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from orchestrator.ledger import Changes
from orchestrator.mapping import Outcome, Outcomes
from orchestrator.pipeline.customer_flow import CustomerResult
from orchestrator.records import FlowRun, Promotion, Rejected, State, TrialResult
from orchestrator.reports.status import promoted
from orchestrator.tabular import TableView, Tabular, facts


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureSummary:
    """Failures for one reason: the number of trials or instances, and the first of them."""

    reason: str
    count: int
    first: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unserved:
    """A customer of the flow run that has no model, and the reason."""

    customer: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Tabular):
    """The result of a flow run.

    Attributes:
        flow_run: The record of the flow run: id, state, counts.
        snapshot: The snapshot's id.
        changes: The changes in the registry since the snapshot before.
        rejected: The rejected rows.
        customers: The number of active customers.
        served: The number of these customers that have a champion now.
        trials: The number of trials by state; `reused` counts those of recorded studies, except
            failed ones. `pruned` and `timed_out` are present only if there were any.
        studies: The number of studies by state.
        failures: The reasons why trials or instances failed, most frequent first.
        promotions: The champions that changed.
        fit_seconds: The seconds spent in fitting, over all workers.
        seconds: The seconds from start to end.
        objections: The reasons why the flow run is not a success although it ended, a sentence
            each: more trials failed, or more customers got no decision or no deployed champion,
            than the experiment tolerates.
        unserved: The customers of the flow run that have no model, each with the reason.
        links: The addresses of pages to look at, by name.
        behind: A sentence on what MLflow lacks of the ledger, the reason, and the cure; None if
            it has everything.
        notes: Further remarks for the user.
    """

    flow_run: FlowRun
    snapshot: str
    changes: Changes
    rejected: tuple[Rejected, ...]
    customers: int
    served: int
    trials: Mapping[str, int]
    studies: Mapping[str, int]
    failures: tuple[FailureSummary, ...]
    promotions: tuple[Promotion, ...]
    fit_seconds: float
    seconds: float
    objections: tuple[str, ...]
    unserved: tuple[Unserved, ...]
    links: Mapping[str, str]
    behind: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def tolerated(self) -> bool:
        """Whether the failures are within the experiment's tolerance."""
        return not self.objections

    def tables(self) -> tuple[TableView, ...]:
        """Return the promotions, then the flow run in figures, and what failed."""
        figures = {
            "flow run": self.flow_run.id,
            "state": self.flow_run.state,
            "customers": self.customers,
            "served": self.served,
            "studies": self.studies,
            "trials": self.trials,
            "seconds": self.seconds,
            "seconds of fits": self.fit_seconds,
        }
        known = [
            TableView(title="failures", rows=[asdict(each) for each in self.failures]),
            TableView(
                title="customers without a model", rows=[asdict(each) for each in self.unserved]
            ),
            TableView(title="objections", rows=[{"objection": each} for each in self.objections]),
        ]
        return (promoted(self.promotions), facts("flow run", figures), *filter(_has_rows, known))


def _has_rows(table: TableView) -> bool:
    return bool(table.rows)


def all_results(evaluated: Sequence[Outcomes]) -> list[TrialResult]:
    """The results of all studies, including those that were recorded before."""
    return [result for outcomes in evaluated for results in outcomes for result in results]


def fresh_results(evaluated: Sequence[Outcomes]) -> list[TrialResult]:
    """The results of studies that were run, not recalled."""
    return [
        result
        for outcomes in evaluated
        for outcome in outcomes.items()
        if outcome.state is State.SUCCESS
        for result in outcome.value
    ]


def count_trials(evaluated: Sequence[Outcomes], choices: Outcomes) -> dict[str, int]:
    """The number of trials by state; a recorded failure counts as failed, not as reused."""
    counts = Counter({"success": 0, "failed": 0, "reused": 0})
    for outcomes in evaluated:
        for outcome in outcomes.items():
            recorded = outcome.state is State.CACHED
            for result in outcome.value or ():
                counts["reused" if recorded and not result.is_failure else result.state] += 1
    counts["failed"] += sum(len(choice.unfinished) for choice in choices)
    return dict(counts)


def count_studies(evaluated: Sequence[Outcomes]) -> dict[str, int]:
    """The number of studies by the state of their last instance; one without trials is skipped."""
    last = {o.key: _state(o) for outcomes in evaluated for o in outcomes.items()}
    return dict(Counter(last.values()))


def _state(evaluated: Outcome) -> str:
    has_none = evaluated.value is not None and not evaluated.value
    return str(State.SKIPPED if has_none else evaluated.state)


def failures(
    results: Sequence[TrialResult], choices: Outcomes, others: Mapping[str, Outcomes]
) -> tuple[FailureSummary, ...]:
    """The reasons why trials and instances failed, most frequent first.

    Args:
        results: The results of all trials, including those recorded before.
        choices: The outcomes of the node `choose`, one per customer.
        others: The outcomes of further nodes of the flow, by the node's name.
    """
    found: list[tuple[str, str]] = [
        (result.error or "unknown", result.trial.key) for result in results if result.is_failure
    ]
    done: Sequence[CustomerResult] = choices
    found += [(r.error or "unknown", r.trial.key) for choice in done for r in choice.unfinished]
    for name, outcomes in {"choose": choices, **others}.items():
        found += [
            (outcome.error, f"{name} {outcome.key}".strip())
            for outcome in outcomes.failed
            if outcome.error
        ]
    counts = Counter(reason for reason, _ in found)
    first = dict(reversed(found))
    return tuple(
        FailureSummary(reason=reason, count=count, first=first[reason])
        for reason, count in counts.most_common()
    )
