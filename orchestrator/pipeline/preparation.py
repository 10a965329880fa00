"""What comes before a flow run, and is all of a plan: fetch, compare, find what is recorded.

Touches no library itself; takes an `Experiment` and a ledger; writes nothing; runs on the driver.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from orchestrator.errors import ConfigError
from orchestrator.ledger import Champion, Changes, Ledger
from orchestrator.mapping.driver.fingerprints import code_digest, fingerprint
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
from orchestrator.pipeline.study_flow import evaluate
from orchestrator.promotion.storability import rules_of
from orchestrator.records import PassedOver, Promotion, Snapshot, Study
from orchestrator.registry import guards
from orchestrator.registry.snapshots import fetch
from orchestrator.registry.sources import drop_copies, open_sources, read_only
from orchestrator.search import (
    find_strategy,
    require_one_objective,
    require_reproducible,
    require_usable,
    told,
)
from orchestrator.settings import Experiment
from orchestrator.training.data import find_loader
from orchestrator.training.fingerprint import Fingerprints

_CODE = code_digest(evaluate.function) or b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What a flow run would be about, had it started now.

    Attributes:
        snapshot: What the registry returned.
        changes: What differs from what the ledger knows.
        work: One entry a customer.
        recorded: By the name results are recorded under, whether those of a study are.
        new: The studies without a recorded result.
        trials: How many trials these would make.
        rescored: Studies of one trial each that may have to score a champion on today's folds.
        refusals: What guards object to.
        outdated: Customers whose studies ended before their data changed, in a flow run that
            goes on.
        recoded: Studies that ended with other code, in a flow run that is resumed.
        lost: Champions whose files are gone, to be written again.
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
        """Customer by model, as far as tags tell."""
        return sum(len(piece.studies) for piece in self.work)

    @property
    def has_work(self) -> bool:
        """Whether a worker is needed, as far as recorded results tell."""
        return bool(self.new or self.rescored or self.lost)


def check(experiment: Experiment, clearance: Clearance) -> None:
    """Refuse settings that could not work, before anything is started.

    Args:
        experiment: Has the settings.
        clearance: Tells whether its metrics were checked before.

    Raises:
        ConfigError: Naming the key.
    """
    with _in_file(experiment):
        require_usable(experiment.search)
        require_one_objective(experiment.search, experiment.evaluation)
        require_reproducible(experiment.search, experiment.evaluation)
        find_loader(experiment.evaluation.loader)
        if not clearance.covers_metrics():
            from orchestrator.training.scorers import require_metrics  # late: scikit-learn

            require_metrics(experiment.evaluation)


def fetch_snapshot(
    experiment: Experiment,
    accept: Collection[str] = (),
    *,
    leave_copies: bool = False,
    clearance: Clearance | None = None,
) -> Snapshot:
    """What the experiment's registry returns now.

    Args:
        experiment: Whose registry.
        accept: Names of guards whose objections are known and meant.
        leave_copies: Whether a source may keep copies of what it fetched, for the next time.
        clearance: Tells whether equal lists were checked before; None checks them in any case.

    Raises:
        ConfigError: Settings of a source, or a model's row, are wrong.
        RegistryError: A source cannot be read, or returns nothing.
    """
    clearance = clearance or Clearance(experiment)
    with _in_file(experiment):
        models, customers = open_sources(experiment.registry, file=experiment.config)
        if not leave_copies:
            models, customers = read_only(models), read_only(customers)
        return fetch(
            models,
            customers,
            allowed=experiment.evaluation.allowed,
            addresses=experiment.addresses,
            accept=tuple(accept),
            is_cleared=clearance.covers,
        )


def drop_copies_of_lists(experiment: Experiment) -> None:
    """Remove what sources keep of the lists they fetched; the next run fetches them anew.

    Raises:
        ConfigError: Settings of a source are wrong.
    """
    for source in open_sources(experiment.registry, file=experiment.config):
        drop_copies(source)


def check_models(experiment: Experiment, snapshot: Snapshot, clearance: Clearance) -> None:
    """Refuse models that could never be scored.

    Args:
        experiment: How they would be scored.
        snapshot: Lists the models.
        clearance: Tells whether they were checked before.

    Raises:
        ConfigError: A metric asks for a method that a model does not have, or a strategy for
            iterations it does not count.
    """
    if clearance.covers(snapshot.models, snapshot.customers):
        return
    # late: they import scikit-learn
    from orchestrator.training.budgets import require_iterations
    from orchestrator.training.scorers import require_methods

    with _in_file(experiment):
        require_methods(snapshot.models, experiment.evaluation)
        if getattr(find_strategy(experiment.search), "resource", "") == "iterations":
            require_iterations(snapshot.models, experiment.evaluation)


def prepare(
    experiment: Experiment,
    ledger: Ledger,
    snapshot: Snapshot,
    *,
    flow_run: str = "",
    fresh: bool = False,
) -> Preparation:
    """Compare a snapshot with the ledger, and find out what is to be done.

    Args:
        experiment: How candidates are compared and searched.
        ledger: What is known.
        snapshot: What was fetched.
        flow_run: The flow run the studies belong to; it may have begun before.
        fresh: No recorded result is used.
    """
    changes = ledger.lives.preview(snapshot)
    named = fingerprints(experiment)
    # What was last decided to serve is what has to be beaten, deployed yet or not; a flow run that
    # goes on decides as it did before.
    champions = ledger.promotions.incumbents(before=flow_run)
    ended = ledger.studies.ended_in(flow_run)
    barred = still_barred(experiment, ledger, flow_run)
    planned = plan_work(experiment, snapshot, champions, flow_run, named, passed_over=barred)
    work = as_ended(planned, ended)
    searched = _by_name(study for piece in work for study in piece.studies)
    rescored = _by_name(study for piece in work if (study := rescoring(piece, named)) is not None)
    names = [name for _, name in (*searched, *rescored) if name]
    known = frozenset() if fresh else ledger.recorder().known(names)
    new = tuple(study for study, name in searched if name not in known)
    left = tuple(study for study, name in rescored if name not in known)
    with _in_file(experiment):
        trials = count_trials(experiment, new)
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
    experiment: Experiment, ledger: Ledger, flow_run: str
) -> Mapping[str, Sequence[PassedOver]]:
    """By customer, the candidates that could not be deployed under the rules that still hold."""
    rules = rules_of(experiment)
    return {
        customer: [each for each in passed if each.rules == rules]
        for customer, passed in ledger.promotions.passed_over(before=flow_run).items()
    }


def _lost(
    ledger: Ledger, snapshot: Snapshot, champions: Mapping[str, Champion]
) -> Iterator[Promotion]:
    """The listed customers' champions that are served and whose files are gone."""
    for customer in snapshot.customers:
        champion = champions.get(customer.id)
        if champion is not None and champion.version and is_lost(champion.source, champion.files):
            yield ledger.promotions.of_customer(customer.id)[-1]


def _by_name(studies: Iterable[Study]) -> list[tuple[Study, str]]:
    """Studies, each with the name its results are recorded under; "" where they are not."""
    return [(study, result_name(study)) for study in studies]


def fingerprints(experiment: Experiment) -> Fingerprints:
    """What gives the experiment's studies the hashes their results are known by.

    Raises:
        ConfigError: An own scorer is not to be found, be it used or not.
    """
    with _in_file(experiment):
        return Fingerprints(
            experiment.evaluation,
            experiment.search,
            task=_CODE.hex(),
            goals=told(experiment.search, experiment.evaluation),
            with_environment=experiment.retrain_on == "environment",
        )


def result_name(study: Study) -> str:
    """The name a study's results are recorded under; "" when they must not be used again."""
    return (study.fingerprint and fingerprint(_CODE, study.fingerprint)) or ""


def count_trials(experiment: Experiment, studies: Collection[Study]) -> int:
    """How many trials the search of these studies makes at most."""
    strategy = find_strategy(experiment.search)
    return sum(strategy.count(study) for study in studies)


@contextmanager
def _in_file(experiment: Experiment) -> Iterator[None]:
    """Name the configuration file in errors of settings that do not know it."""
    try:
        yield
    except ConfigError as error:
        if error.file is not None:
            raise
        raise ConfigError(error.problem, file=experiment.config, key=error.key) from error
