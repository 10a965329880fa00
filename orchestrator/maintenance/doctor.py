"""The doctor: whether ledger, MLflow and surroundings are well; and repairing what can be.

    findings            what is wrong, in words
    ledger_checks       the ledger against itself
    mlflow_checks       MLflow and the artifact root against the ledger
    environment_checks  disks, versions, cluster

The ledger is what is true (law 3): MLflow is made to show it, never the other way round.

Touches no library itself; takes an `ExperimentSettings`; gives a `Diagnosis`; runs on the driver.
"""

import time
from collections.abc import Iterator
from dataclasses import replace

from orchestrator.errors import MachineryError
from orchestrator.ledger import Ledger
from orchestrator.maintenance.environment_checks import check_cluster, check_disks, check_versions
from orchestrator.maintenance.findings import Diagnosis, Finding
from orchestrator.maintenance.ledger_checks import check_ledger
from orchestrator.maintenance.mlflow_checks import Drift, check_stores, discord
from orchestrator.promotion.outbox import Outbox
from orchestrator.promotion.session import at_work
from orchestrator.promotion.sync import deliver_here, sync
from orchestrator.settings import ExperimentSettings


def diagnose(experiment: ExperimentSettings) -> Diagnosis:
    """What is wrong; nothing is written.

    Raises:
        UsageError: The ledger is another experiment's.
        MachineryError: The ledger cannot be opened.
    """
    return Diagnosis(findings=tuple(_findings(experiment)))


def treat(experiment: ExperimentSettings) -> Diagnosis:
    """Repair what can be, and look again.

    Raises:
        UsageError: The ledger is another experiment's.
        HeldError: A driver is at work on the experiment.
        MachineryError: The ledger cannot be opened, or MLflow refused.
    """
    before = tuple(_findings(experiment))
    if not any(finding.repairable for finding in before):
        return Diagnosis(findings=before)
    _repair(experiment)
    after = tuple(_findings(experiment))
    repaired = tuple(finding for finding in before if finding not in after)
    return Diagnosis(findings=after, repaired=repaired)


def _findings(experiment: ExperimentSettings) -> Iterator[Finding]:
    with Ledger.look(experiment.ledger) as ledger:
        ledger.require_owner(experiment.name)
        listed = ledger.snapshots.latest()
        yield from check_ledger(ledger)
        yield from check_stores(experiment, ledger)
        try:
            yield from _compare(experiment, ledger).findings()
        except MachineryError as error:
            yield Finding(check="MLflow", problem=str(error), cure="make it answer, then repeat")
    yield from check_disks(experiment)
    yield from check_versions()
    yield from check_cluster(experiment, listed.models if listed else ())


def _compare(experiment: ExperimentSettings, ledger: Ledger) -> Drift:
    from orchestrator.mlflow.models.opening import open_deployer  # late: they import MLflow
    from orchestrator.mlflow.runs.opening import find_tracker

    tracker = find_tracker(experiment.tracking, experiment.name)
    deployer = open_deployer(experiment.tracking, experiment.name) if tracker else None
    found = discord(ledger, tracker, deployer, experiment.tracking)
    lease = ledger.leases.of(experiment.name)
    if lease is None or lease.seems_over(time.time()):
        return found
    return replace(found, unsent=0, pending=())  # a driver is at work, and sends them


def _repair(experiment: ExperimentSettings) -> None:
    """Send again what MLflow has lost, and give champions their aliases back."""
    with at_work(experiment, to_repair=True) as driver:
        ledger = driver.ledger
        driver.mlflow.open()  # which makes the experiment, where MLflow has lost that too
        found = _compare(experiment, ledger)
        outbox = Outbox(ledger, driver.mlflow)
        ledger.trials.mark_unsent(found.lost)
        outbox.send_trials()
        outbox.redeploy([promotion for promotion, _ in found.displaced])
        deliver_here(experiment, ledger, outbox, [promotion for promotion, _ in found.damaged])
    sync(experiment)
