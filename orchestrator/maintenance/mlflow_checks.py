"""Whether MLflow shows what the ledger says: runs, versions, aliases, model files.

Touches no library; reads a `Ledger`, a `Tracker` and a `Deployer`; gives `Drift`; driver.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from orchestrator.errors import MachineryError
from orchestrator.ledger import Ledger
from orchestrator.maintenance.findings import Finding
from orchestrator.mlflow.model_files.checksums import damage
from orchestrator.mlflow.models.deployer import Deployer
from orchestrator.mlflow.runs.tracker import Tracker
from orchestrator.promotion.store_ownership import trouble
from orchestrator.records import Promotion
from orchestrator.settings import ExperimentSettings

_READ_AT_ONCE = 8
"""Models whose files are read at the same time; a store elsewhere takes its time for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """Where MLflow differs from the ledger.

    Attributes:
        unsent: How many trials it is still to be sent.
        pending: Champions it is still to be told of.
        lost: Run ids of trials it was sent, and no longer has.
        displaced: Champions whose alias is gone, or points to something else, each with how.
        damaged: Champions whose model files are not those that were written, each with how.
    """

    unsent: int
    pending: tuple[Promotion, ...]
    lost: tuple[str, ...]
    displaced: tuple[tuple[Promotion, str], ...]
    damaged: tuple[tuple[Promotion, str], ...]

    def findings(self) -> Iterator[Finding]:
        """The same in words."""
        if self.unsent:
            yield _repairable(f"MLflow lacks {self.unsent} trials of the ledger")
        if self.lost:
            problem = f"MLflow has lost {len(self.lost)} runs it was sent, such as {self.lost[0]}"
            yield _repairable(problem)
        for promotion in self.pending:
            yield _repairable(f"customer {_customer(promotion)!r}: its champion is not deployed")
        for promotion, how in self.displaced:
            yield _repairable(f"customer {_customer(promotion)!r}: {how}")
        for promotion, how in self.damaged:
            yield _repairable(
                f"customer {_customer(promotion)!r}: of its champion's files in "
                f"{promotion.written_model.source}, {how}"
            )


def discord(
    ledger: Ledger, tracker: Tracker | None, deployer: Deployer | None, tracking: str
) -> Drift:
    """Where MLflow differs from the ledger; None stands for what MLflow does not have yet.

    Args:
        ledger: What is true.
        tracker: MLflow's runs.
        deployer: Its registered models.
        tracking: Its address, where model files may have to be fetched through it.

    Raises:
        MachineryError: MLflow cannot be read.
    """
    sent = ledger.trials.sent()
    lost = tracker.missing(sent) if tracker else frozenset(sent)
    serving = [chain[-1] for chain in ledger.promotions.confirmed().values()]
    return Drift(
        unsent=len(ledger.trials.pending()),
        pending=tuple(ledger.promotions.pending()),
        lost=tuple(sorted(lost)),
        displaced=tuple(_displaced(serving, deployer)),
        damaged=tuple(_damaged(serving, tracking)),
    )


def _displaced(
    serving: Sequence[Promotion], deployer: Deployer | None
) -> Iterator[tuple[Promotion, str]]:
    deployed = deployer.champions() if deployer else {}
    versions = deployer.versions() if deployer else {}
    for promotion in serving:
        known = promotion.deployed_version
        ours, name = known.version, known.model_name
        found = deployed.get(_customer(promotion))
        if (name, ours) not in versions:
            yield promotion, f"{name} has no version {ours}, which the ledger calls its champion"
        elif versions[name, ours] != promotion.run_id:
            yield promotion, f"version {ours} of {name} is of another run than its champion's"
        elif found is None:
            yield promotion, f"{name} has no alias `champion`; it belongs to version {ours}"
        elif found.version != ours:
            there = "" if (name, found.version) in versions else ", which is not there"
            yield (
                promotion,
                (
                    f"the alias `champion` of {name} points to version {found.version}{there}; the "
                    f"ledger says version {ours}"
                ),
            )


def _damaged(serving: Sequence[Promotion], tracking: str) -> Iterator[tuple[Promotion, str]]:
    """The champions with files that differ from their checksums; every file is read."""
    with ThreadPoolExecutor(_READ_AT_ONCE) as threads:
        models = [promotion.written_model for promotion in serving]
        found = threads.map(lambda each: damage(each.source, each.files, tracking), models)
        for promotion, how in zip(serving, found, strict=True):
            if how is not None:
                yield promotion, how


def _repairable(problem: str) -> Finding:
    return Finding(
        check="MLflow", problem=problem, cure="`orchestrator doctor --fix`", repairable=True
    )


def _customer(promotion: Promotion) -> str:
    return promotion.decision.customer.id


def check_stores(experiment: ExperimentSettings, ledger: Ledger) -> Iterator[Finding]:
    """What keeps the ledger from using the configured stores."""
    try:
        found = trouble(experiment, ledger)
    except MachineryError:
        return  # MLflow's own check tells that it does not answer
    if found is not None:
        yield Finding(check="stores", problem=found.problem, cure=found.cure)
