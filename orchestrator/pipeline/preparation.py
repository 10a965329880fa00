"""The steps before a flow run, which are also all of a plan: fetch, compare, look up results.

Touches no library itself; takes an `ExperimentSettings` and a ledger; writes nothing; runs on the
driver.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.estimators import Estimators
from orchestrator.ledger import Champion, Changes, Ledger
from orchestrator.mapping.driver.fingerprints import fingerprint
from orchestrator.mlflow.model_files.checksums import is_lost
from orchestrator.pipeline.clearance import Clearance
from orchestrator.pipeline.customer_plan import (
    CustomerPlan,
    as_ended,
    outdated,
    plan_work,
    recoded,
    rescoring,
)
from orchestrator.pipeline.resolution import CODE, Resolved, named_in
from orchestrator.promotion.storability import rules_of
from orchestrator.records import PassedOver, Promotion, PromotionState, Snapshot, Study
from orchestrator.registry import guards
from orchestrator.registry.snapshots import fetch
from orchestrator.registry.sources import drop_copies, open_sources, read_only
from orchestrator.search import Strategy
from orchestrator.settings import ExperimentSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """The work of a flow run, found before it starts.

    Attributes:
        snapshot: The snapshot of the registry.
        changes: The differences between the snapshot and the ledger.
        work: One plan per customer.
        recorded: Whether a study's results are recorded, by the name they are recorded under.
        new: The studies without a recorded result.
        trials: The number of trials that these would make, at most.
        rescored: Studies of one trial each that may have to score a champion on today's folds.
        refusals: The objections of guards.
        outdated: The customers whose data changed after their studies ended, in a resumed flow
            run.
        recoded: The studies that ended with code that has changed since, in a resumed flow run.
        lost: The champions whose files are gone and have to be written again.
    """

    snapshot: Snapshot
    changes: Changes
    work: tuple[CustomerPlan, ...]
    recorded: Mapping[str, bool]
    new: tuple[Study, ...]
    trials: int
    rescored: tuple[Study, ...]
    refusals: tuple[guards.Refusal, ...]
    outdated: tuple[str, ...]
    recoded: tuple[str, ...]
    lost: tuple[Promotion, ...] = ()

    @property
    def studies(self) -> int:
        """The number of studies: one per customer and model that its tags match."""
        return sum(len(piece.studies) for piece in self.work)

    @property
    def has_work(self) -> bool:
        """Whether a worker is needed, judging by the recorded results."""
        return bool(self.new or self.rescored or self.lost)


def fetch_snapshot(
    experiment: ExperimentSettings,
    accept: Collection[str] = (),
    *,
    leave_copies: bool = False,
    clearance: Clearance | None = None,
) -> Snapshot:
    """Fetch a snapshot of the experiment's registry.

    Args:
        experiment: The settings of the experiment.
        accept: Names of the guards to override.
        leave_copies: Whether a source may keep copies of the lists it fetched, for the next time.
        clearance: Knows whether equal lists were checked before; None checks them in any case.

    Raises:
        ConfigError: Settings of a source, or a model's row, are wrong.
        RegistryError: A source cannot be read, or returns nothing.
    """
    clearance = clearance or Clearance(experiment)
    with named_in(experiment.config):
        models, customers = open_sources(experiment.registry, file=experiment.config)
        if not leave_copies:
            models, customers = read_only(models), read_only(customers)
        return fetch(
            models,
            customers,
            estimators=Estimators(experiment.evaluation.allowed),
            addresses=experiment.addresses,
            accept=tuple(accept),
            is_cleared=clearance.covers,
        )


def drop_copies_of_lists(experiment: ExperimentSettings) -> None:
    """Remove the sources' copies of the lists they fetched; the next run fetches them again.

    Raises:
        ConfigError: Settings of a source are wrong.
    """
    for source in open_sources(experiment.registry, file=experiment.config):
        drop_copies(source)


def check_models(resolved: Resolved, snapshot: Snapshot) -> None:
    """Refuse models that could never be scored, unless they were checked before.

    Args:
        resolved: The experiment, with its metrics and its strategy.
        snapshot: The snapshot that lists the models.

    Raises:
        ConfigError: A metric asks for a method that a model does not have, or a strategy for
            iterations that a model does not count.
    """
    if resolved.clearance.covers(snapshot.models, snapshot.customers):
        return
    # late: they import scikit-learn
    from orchestrator.training.budgets import require_iterations
    from orchestrator.training.scorers import Scorers

    experiment = resolved.experiment
    with named_in(experiment.config):
        Scorers.of(experiment.evaluation).require_methods(snapshot.models)
        if resolved.strategy.traits.resource == "iterations":
            require_iterations(snapshot.models, resolved.estimators)


def prepare(
    resolved: Resolved,
    ledger: Ledger,
    snapshot: Snapshot,
    *,
    flow_run: str = "",
    fresh: bool = False,
) -> Preparation:
    """Compare a snapshot with the ledger, and find the work to be done.

    Args:
        resolved: The experiment, with everything it names.
        ledger: The ledger with recorded results and champions.
        snapshot: The snapshot of the registry.
        flow_run: The flow run the studies belong to; it may have begun before.
        fresh: Whether to ignore recorded results.
    """
    experiment, named = resolved.experiment, resolved.fingerprints
    changes = ledger.lives.preview(snapshot)
    # The incumbent is the champion last decided on, deployed or not. A resumed flow run compares
    # with the incumbents it had when it began.
    champions = ledger.promotions.incumbents(before=flow_run)
    ended = ledger.studies.ended_in(flow_run)
    barred = still_barred(experiment, ledger, flow_run)
    planned = plan_work(resolved, snapshot, champions, flow_run, passed_over=barred)
    work = as_ended(planned, ended)
    searched = _by_name(study for piece in work for study in piece.studies)
    rescored = _by_name(study for piece in work if (study := rescoring(piece, named)) is not None)
    names = [name for _, name in (*searched, *rescored) if name]
    known = frozenset() if fresh else ledger.recorder().known(names)
    new = tuple(study for study, name in searched if name not in known)
    left = tuple(study for study, name in rescored if name not in known)
    with named_in(experiment.config):
        trials = count_trials(resolved.strategy, new)
    removed = ledger.lives.removed("customer")
    return Preparation(
        snapshot=snapshot,
        changes=changes,
        work=work,
        recorded={name: name in known for name in names},
        new=new,
        trials=trials,
        rescored=left,
        refusals=guards.refusals(
            changes, trials + len(left), experiment.limits, removed_before=removed
        ),
        outdated=tuple(outdated(planned, ended)),
        recoded=tuple(recoded(planned, ended)),
        lost=tuple(_lost(ledger, snapshot, champions)),
    )


def still_barred(
    experiment: ExperimentSettings, ledger: Ledger, flow_run: str
) -> Mapping[str, Sequence[PassedOver]]:
    """The candidates that could not be deployed under the current rules, by customer."""
    rules = rules_of(experiment)
    return {
        customer: [each for each in passed if each.rules == rules]
        for customer, passed in ledger.promotions.passed_over(before=flow_run).items()
    }


def _lost(
    ledger: Ledger, snapshot: Snapshot, champions: Mapping[str, Champion]
) -> Iterator[Promotion]:
    """The promotions of listed customers' champions that are served but have lost their files."""
    for customer in snapshot.customers:
        champion = champions.get(customer.id)
        if champion is not None and _is_lost(champion):
            known = ledger.promotions.of_customer(customer.id)
            yield next(p for p in reversed(known) if p.state is PromotionState.DEPLOYED)


def _is_lost(champion: Champion) -> bool:
    """Whether a champion that is served has lost its files."""
    model = champion.model
    if champion.deployed is None or model is None:
        return False
    return is_lost(model.source, model.files)


def _by_name(studies: Iterable[Study]) -> list[tuple[Study, str]]:
    """The studies, each with the name its results are recorded under; "" for those without one."""
    return [(study, result_name(study)) for study in studies]


def result_name(study: Study) -> str:
    """The name a study's results are recorded under; "" if they must not be reused."""
    return (study.fingerprint and fingerprint(CODE, study.fingerprint)) or ""


def count_trials(strategy: Strategy, studies: Collection[Study]) -> int:
    """The number of trials that the search of these studies makes at most."""
    return sum(strategy.count(study) for study in studies)
