"""What a flow run came to, for people and machines; and what a plan says would come.

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
    """Failures for one reason: how many trials or instances, and which was the first."""

    reason: str
    count: int
    first: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unserved:
    """A customer that was worked on and has no model, and why."""

    customer: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Tabular):
    """What a flow run came to.

    Attributes:
        flow_run: Its record: id, state, counts.
        snapshot: The snapshot's id.
        changes: What had changed in the registry.
        rejected: Rows set aside.
        customers: How many were worked on.
        served: Customers among them that have a champion now.
        trials: Trials by state; `reused` are those of recorded studies, unless they failed.
            `pruned` and `timed_out` are there where there were any.
        studies: Studies by state.
        failures: Reasons why trials or instances failed, most frequent first.
        promotions: Champions that changed.
        fit_seconds: Spent in fitting, over all workers.
        seconds: From start to end.
        objections: Why the flow run is not a success although it ended, a sentence each: more
            trials failed, or more champions could not be deployed, than the experiment tolerates.
        unserved: Customers that were worked on and have no model, each with the reason.
        links: Where to look, by name.
        behind: What MLflow lacks of the ledger, why, and the cure; None when it has everything.
        notes: What a person should know besides.
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
        """Whether what failed is within the experiment's tolerance."""
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
    """The results of all studies, those that were recorded before included."""
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
    """Trials by what became of them; one that failed is a failure, whenever it did."""
    counts = Counter({"success": 0, "failed": 0, "reused": 0})
    for outcomes in evaluated:
        for outcome in outcomes.items():
            recorded = outcome.state is State.CACHED
            for result in outcome.value or ():
                counts["reused" if recorded and not result.is_failure else result.state] += 1
    counts["failed"] += sum(len(choice.unfinished) for choice in choices)
    return dict(counts)


def count_studies(evaluated: Sequence[Outcomes]) -> dict[str, int]:
    """Studies by the state of their last instance; one without any trial counts as skipped."""
    last = {o.key: _state(o) for outcomes in evaluated for o in outcomes.items()}
    return dict(Counter(last.values()))


def _state(evaluated: Outcome) -> str:
    has_none = evaluated.value is not None and not evaluated.value
    return str(State.SKIPPED if has_none else evaluated.state)


def failures(
    results: Sequence[TrialResult], choices: Outcomes, others: Mapping[str, Outcomes]
) -> tuple[FailureSummary, ...]:
    """Why trials and instances failed, most frequent reason first.

    Args:
        results: Trials, those recorded before included.
        choices: What became of the customers.
        others: Further nodes of the flow, by name.
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
