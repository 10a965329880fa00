"""The plan of a flow run: what it would do now for all customers, and why.

Touches no library itself; takes an `ExperimentSettings`; gives a `Plan`; writes nothing, not even
an empty ledger where there is none; runs on the driver.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from orchestrator.ledger import Champion, Changes, Ledger
from orchestrator.pipeline.clearance import Clearance
from orchestrator.pipeline.estimate import Estimate, estimate
from orchestrator.pipeline.notes import notes
from orchestrator.pipeline.preparation import (
    Preparation,
    check_models,
    count_trials,
    fetch_snapshot,
    prepare,
)
from orchestrator.pipeline.resolution import resolve
from orchestrator.promotion.storability import require_storable
from orchestrator.records import Rejected, Study
from orchestrator.registry.guards import require_guards
from orchestrator.search import Strategy
from orchestrator.settings import ExperimentSettings
from orchestrator.tabular import TableView, Tabular, facts
from orchestrator.training.fingerprint import PARTS

NEW = "new"
UNVERSIONED = "unversioned"
NEVER_SUCCEEDED = "never succeeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The part of a plan that belongs to one model, or to one group of customers.

    Attributes:
        name: The model's id; or the change of the customers: added, changed, unchanged, ...
        customers: The number of customers.
        studies: The number of their studies.
        reused: The number of studies whose recorded results would be reused.
        trials: The number of trials that the other studies would make.
    """

    name: str
    customers: int
    studies: int
    reused: int
    trials: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Tabular):
    """The work a flow run would do if it started now; a plan writes nothing.

    Attributes:
        snapshot: The snapshot's id.
        source: The source it was fetched from.
        changes: The differences between the snapshot and the ledger.
        rejected: The rejected rows.
        customers: The number of active customers.
        studies: The number of studies: one per customer and model that its tags match.
        reused: The number of studies whose recorded results would be reused.
        trials: The number of trials, at most.
        least_trials: The number of trials, at least: without the studies that a worker may find
            unchanged once it has loaded their data.
        rescored: The number of champions that may have to be scored on today's folds, one trial
            each.
        reasons: The reasons to run the other studies, each with its number of studies: the parts
            that changed (`training.fingerprint` lists them), `new`, `never succeeded`, or
            `unversioned`: a worker has to load the data to find out whether it changed.
        by_model: The studies by model.
        by_group: The studies by the change of their customers.
        estimate: The duration, at most.
        least: The duration, at least.
        writes: The number of things written, at most, by their kind.
        refusals: The objections of guards, by the guard's name.
        accepted: The objections that were accepted, by the guard's name.
        notes: Further remarks for the user.
    """

    snapshot: str
    source: str
    changes: Changes
    rejected: tuple[Rejected, ...]
    customers: int
    studies: int
    reused: int
    trials: int
    least_trials: int
    rescored: int
    reasons: Mapping[str, int]
    by_model: tuple[Share, ...]
    by_group: tuple[Share, ...]
    estimate: Estimate
    least: Estimate
    writes: Mapping[str, int]
    refusals: Mapping[str, str]
    accepted: Mapping[str, str]
    notes: tuple[str, ...]

    def tables(self) -> tuple[TableView, ...]:
        """Return the studies by model, then the plan in figures, and what guards object to."""
        figures = {
            "snapshot": self.snapshot[:12],
            "source": self.source,
            "customers": self.customers,
            "studies": self.studies,
            "reused": self.reused,
            "trials, at least": self.least_trials,
            "trials, at most": self.trials,
            "rescored": self.rescored,
            "reasons": self.reasons,
            "seconds, at most": self.estimate.duration,
        }
        objections = [{"guard": guard, "reason": why} for guard, why in self.refusals.items()]
        return (
            TableView(title="studies", rows=[asdict(share) for share in self.by_model]),
            facts("plan", figures),
            *([TableView(title="a run would be refused", rows=objections)] if objections else []),
        )


def plan(experiment: ExperimentSettings, accept: Collection[str] = ()) -> Plan:
    """Plan a flow run that would start now, without writing anything.

    Args:
        experiment: The settings of the experiment.
        accept: Names of the guards to override.

    Raises:
        UsageError: `accept` has a name that no guard has.
        ConfigError: Configuration or models are wrong.
        RegistryError: The registry failed.
    """
    require_guards(accept)
    resolved = resolve(experiment, Clearance.of(experiment))
    snapshot = fetch_snapshot(experiment, accept, clearance=resolved.clearance)
    check_models(resolved, snapshot)
    with Ledger.look(experiment.ledger) as ledger:
        ledger.require_owner(experiment.name)
        prepared = prepare(resolved, ledger, snapshot)
        require_storable(experiment, prepared.new)
        certain = [study for study in prepared.new if study.fingerprint]
        least_trials = count_trials(resolved.strategy, certain)
        refused = {refusal.guard: refusal.reason for refusal in prepared.refusals}
        return Plan(
            snapshot=snapshot.id,
            source=snapshot.source,
            changes=prepared.changes,
            rejected=snapshot.rejected,
            customers=len(prepared.work),
            studies=prepared.studies,
            reused=prepared.studies - len(prepared.new),
            trials=prepared.trials,
            least_trials=least_trials,
            rescored=len(prepared.rescored),
            reasons=dict(reasons(ledger, prepared.new, experiment).most_common()),
            by_model=_shares(resolved.strategy, prepared, lambda study: study.model.id),
            by_group=_shares(resolved.strategy, prepared, _group_of(prepared.changes)),
            estimate=estimate(
                ledger, resolved, prepared.new, prepared.trials + len(prepared.rescored)
            ),
            least=estimate(ledger, resolved, certain, least_trials),
            writes=_writes(prepared),
            refusals={guard: why for guard, why in refused.items() if guard not in accept},
            accepted={guard: why for guard, why in refused.items() if guard in accept},
            notes=notes(ledger, prepared, _champions(prepared)),
        )


def reasons(ledger: Ledger, new: Sequence[Study], experiment: ExperimentSettings) -> Counter[str]:
    """The reasons why these studies have no recorded results, each with its number of studies."""
    last = ledger.studies.parts() if new else {}
    return Counter(why_new(study, last.get(study.key), experiment) for study in new)


def why_new(study: Study, last: Mapping[str, str] | None, experiment: ExperimentSettings) -> str:
    """The reason why a study has no recorded results.

    Args:
        study: The study without results.
        last: The parts that its last run followed from; None if it never ran.
        experiment: The settings, which say whether a change of the environment counts.
    """
    if not last:
        return NEW
    counted = PARTS if experiment.retrain_on == "environment" else PARTS[:-1]
    changed = [part for part in counted if study.follows_from[part] != last.get(part)]
    if study.fingerprint:
        return ", ".join(changed) or NEVER_SUCCEEDED
    # Without the data's version, that part always differs; the other parts are certain.
    return ", ".join(part for part in changed if part != "data") or UNVERSIONED


def _shares(
    strategy: Strategy, prepared: Preparation, name_of: Callable[[Study], str]
) -> tuple[Share, ...]:
    """The studies grouped by a name, in the order of names."""
    new = _by_name(prepared.new, name_of)
    every = _by_name((s for piece in prepared.work for s in piece.studies), name_of)
    return tuple(
        Share(
            name=name,
            customers=len({study.customer.id for study in studies}),
            studies=len(studies),
            reused=len(studies) - len(new.get(name, ())),
            trials=count_trials(strategy, new.get(name, ())),
        )
        for name, studies in sorted(every.items())
    )


def _by_name(
    studies: Iterable[Study], name_of: Callable[[Study], str]
) -> Mapping[str, Sequence[Study]]:
    named: dict[str, list[Study]] = {}
    for study in studies:
        named.setdefault(name_of(study), []).append(study)
    return named


def _group_of(changes: Changes) -> Callable[[Study], str]:
    """A function that gives the change of a study's customer since the last flow run."""
    customers = changes.customers
    groups = dict.fromkeys((change.key for change in customers.changed), "changed")
    for event in ("added", "resumed", "restored", "kept"):
        groups |= dict.fromkeys(getattr(customers, event), event)
    return lambda study: groups.get(study.customer.id, "unchanged")


def _champions(prepared: Preparation) -> Mapping[str, Champion]:
    return {piece.id: piece.champion for piece in prepared.work if piece.champion is not None}


def _writes(prepared: Preparation) -> Mapping[str, int]:
    """The things written, at most, by kind; a customer without a new study keeps its champion."""
    changes = (prepared.changes.customers, prepared.changes.models)
    periods = sum(
        len({c.key for c in difference.changed} | set(keys))
        for difference in changes
        for keys in [
            difference.added
            + difference.paused
            + difference.resumed
            + difference.removed
            + difference.restored
        ]
    )
    return {
        "periods of customers and models": periods,
        "MLflow runs": prepared.trials + len(prepared.rescored),
        "model versions": len({s.customer.id for s in prepared.new + prepared.rescored}),
    }
