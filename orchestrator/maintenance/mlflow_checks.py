"""The comparison of MLflow with the ledger: runs, versions, aliases, model files.

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
"""Models whose files are read at the same time, since a remote store responds slowly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The differences of MLflow from the ledger.

    Attributes:
        unsent: The number of trials still to be sent to MLflow.
        pending: The champions still to be deployed in MLflow.
        lost: Run ids of trials that were sent, and are no longer in MLflow.
        displaced: Champions whose alias is missing or points elsewhere, each with a description.
        damaged: Champions whose model files differ from those that were written, each with a
            description.
    """

    unsent: int
    pending: tuple[Promotion, ...]
    lost: tuple[str, ...]
    displaced: tuple[tuple[Promotion, str], ...]
    damaged: tuple[tuple[Promotion, str], ...]

    def findings(self) -> Iterator[Finding]:
        """Yield a finding for each difference."""
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
    """Return the differences of MLflow from the ledger.

    Args:
        ledger: The open ledger.
        tracker: MLflow's runs; None if MLflow has no such experiment yet.
        deployer: Its registered models; None likewise.
        tracking: Its address, through which model files may have to be fetched.

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
    """Yield champions with files that differ from their checksums; every file is read."""
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
    """Find problems that prevent the ledger from using the configured stores."""
    try:
        found = trouble(experiment, ledger)
    except MachineryError:
        return  # the check of MLflow reports that it does not answer
    if found is not None:
        yield Finding(check="stores", problem=found.problem, cure=found.cure)
