"""The doctor: checks ledger, MLflow and environment, and repairs what it can.

    findings            the records of problems
    ledger_checks       the consistency of the ledger
    mlflow_checks       MLflow and the artifact root against the ledger
    environment_checks  disks, versions, cluster

The ledger is the source of truth (law 3): the doctor makes MLflow match it, never the reverse.

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
    """Return all problems; nothing is written.

    Raises:
        UsageError: The ledger belongs to another experiment.
        MachineryError: The ledger cannot be opened.
    """
    return Diagnosis(findings=tuple(_findings(experiment)))


def treat(experiment: ExperimentSettings) -> Diagnosis:
    """Repair the repairable problems, and check again.

    Raises:
        UsageError: The ledger belongs to another experiment.
        HeldError: A driver is running the experiment.
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
    return replace(found, unsent=0, pending=())  # the driver at work sends them


def _repair(experiment: ExperimentSettings) -> None:
    """Send lost runs to MLflow again, and restore the aliases of champions."""
    with at_work(experiment, to_repair=True) as driver:
        ledger = driver.ledger
        driver.mlflow.open()  # creates the experiment if MLflow has lost it too
        found = _compare(experiment, ledger)
        outbox = Outbox(ledger, driver.mlflow)
        ledger.trials.mark_unsent(found.lost)
        outbox.send_trials()
        outbox.redeploy([promotion for promotion, _ in found.displaced])
        deliver_here(experiment, ledger, outbox, [promotion for promotion, _ in found.damaged])
    sync(experiment)
