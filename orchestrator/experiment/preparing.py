"""What comes before a flow run, and is all of a plan: fetch, compare, find what is recorded.

Touches no library itself; takes an `Experiment` and a ledger; writes nothing; runs on the driver.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from orchestrator.errors import ConfigError
from orchestrator.experiment.searching import evaluate
from orchestrator.experiment.settings import Experiment
from orchestrator.experiment.work import Work, plan_work
from orchestrator.ledger import Champion, Changes, Ledger
from orchestrator.mapping.fingerprints import code_digest, fingerprint
from orchestrator.records import Snapshot, Study
from orchestrator.registry import guards
from orchestrator.registry.snapshots import fetch
from orchestrator.registry.sources import open_sources
from orchestrator.search import find_strategy, require_one_objective
from orchestrator.training.data import find_loader
from orchestrator.training.fingerprint import Fingerprints

_CODE = code_digest(evaluate.function) or b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What a flow run would be about, had it started now.

    Attributes:
        snapshot: What the registry returned.
        changes: What differs from what the ledger knows.
        work: One entry a customer.
        recorded: By the name results are recorded under, whether those of a study are.
        new: The studies without a recorded result.
        trials: How many trials these would make.
        refusals: What guards object to.
    """

    snapshot: Snapshot
    changes: Changes
    work: tuple[Work, ...]
    recorded: Mapping[str, bool]
    new: tuple[Study, ...]
    trials: int
    refusals: tuple[guards.Refusal, ...]

    @property
    def studies(self) -> int:
        """Customer by model, as far as tags tell."""
        return sum(len(piece.studies) for piece in self.work)


def check(experiment: Experiment) -> None:
    """Refuse settings that could not work, before anything is started.

    Raises:
        ConfigError: Naming the key.
    """
    from orchestrator.training.scorers import require_metrics  # late: it imports scikit-learn

    with _in_file(experiment):
        require_one_objective(experiment.search, experiment.evaluation)
        find_loader(experiment.evaluation.loader)
        require_metrics(experiment.evaluation)


def fetch_snapshot(experiment: Experiment, accept: Collection[str] = ()) -> Snapshot:
    """What the experiment's registry returns now.

    Raises:
        ConfigError: Settings of a source, or a model's row, are wrong.
        RegistryError: A source cannot be read, or returns nothing.
    """
    with _in_file(experiment):
        models, customers = open_sources(experiment.registry, file=experiment.config)
        return fetch(models, customers, allowed=experiment.evaluation.allowed, accept=tuple(accept))


def check_models(experiment: Experiment, snapshot: Snapshot) -> None:
    """Refuse models that could never be scored.

    Raises:
        ConfigError: A metric asks for a method that a model does not have.
    """
    from orchestrator.training.scorers import require_methods  # late: it imports scikit-learn

    with _in_file(experiment):
        require_methods(snapshot.models, experiment.evaluation)


def prepare(
    experiment: Experiment,
    ledger: Ledger,
    snapshot: Snapshot,
    *,
    champions: Mapping[str, Champion] | None = None,
    flow_run: str = "",
    fresh: bool = False,
) -> Prepared:
    """Compare a snapshot with the ledger, and find out what is to be done.

    Args:
        experiment: How candidates are compared and searched.
        ledger: What is known.
        snapshot: What was fetched.
        champions: What serves now, by customer; a plan need not know.
        flow_run: The flow run the studies belong to.
        fresh: No recorded result is used.
    """
    changes = ledger.lives.preview(snapshot)
    work = plan_work(experiment, snapshot, champions or {}, flow_run, fingerprints(experiment))
    studies = [study for piece in work for study in piece.studies]
    names = [result_name(study) for study in studies]
    known = frozenset() if fresh else ledger.recorder().known([name for name in names if name])
    recorded = {name: name in known for name in names if name}
    new = tuple(s for s, name in zip(studies, names, strict=True) if not recorded.get(name))
    trials = count_trials(experiment, new)
    removed = ledger.lives.removed("customer")
    return Prepared(
        snapshot=snapshot,
        changes=changes,
        work=work,
        recorded=recorded,
        new=new,
        trials=trials,
        refusals=guards.refusals(changes, trials, experiment.limits, removed_before=removed),
    )


def fingerprints(experiment: Experiment) -> Fingerprints:
    """What gives the experiment's studies the hashes their results are known by."""
    return Fingerprints(
        experiment.evaluation,
        experiment.search,
        task=_CODE.hex(),
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
