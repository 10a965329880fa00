"""The driver's desk: from the ledger to MLflow, and nothing twice.

What the ledger holds and MLflow lacks is sent: trials as runs, promotions as versions and
aliases. Every step may be repeated, so that the same calls serve a run, a sync and a resume.

Touches no library itself; takes decisions; gives promotions; runs on the driver, the one writer.
"""

import getpass
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from orchestrator.deployment.deployer import Challenger, Deployed, Deployer, ModelState
from orchestrator.errors import MachineryError
from orchestrator.ledger import Ledger
from orchestrator.records import Decision, Promotion, Trial, TrialResult
from orchestrator.tracking.runs import tracked_run
from orchestrator.tracking.tracker import Tracker

_SENT_AT_ONCE = 1_000
"""Trials in one transaction of MLflow's database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refit:
    """An order to a worker: fit a decision's best trial, and write it where its run is kept.

    Attributes:
        id: The customer's id, which is the instance's key.
        decision: What is promoted.
        trial: Its best trial.
        run_id: MLflow's id of the trial's run.
        artifact_uri: The folder of the run's files.
        tracking_uri: MLflow's address, where files go through its server.
        allow_pickle: Whether the model may be pickled.
    """

    id: str
    decision: Decision
    trial: Trial
    run_id: str
    artifact_uri: str
    tracking_uri: str
    allow_pickle: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Refitted:
    """A model that has been written: the order, the address of its files, and their format."""

    refit: Refit
    source: str
    format: str


class Desk:
    """What the driver writes during one flow run.

    Args:
        flow_run: The flow run's id.
        ledger: What is true.
        tracker: MLflow's runs.
        deployer: MLflow's registered models.
        tracking_uri: MLflow's address, for workers.
        allow_pickle: Whether models may be pickled.

    Attributes:
        has_sent: Whether MLflow was sent a trial or a promotion.
    """

    def __init__(
        self,
        flow_run: str,
        ledger: Ledger,
        tracker: Tracker,
        deployer: Deployer,
        *,
        tracking_uri: str,
        allow_pickle: bool,
    ) -> None:
        self.flow_run = flow_run
        self.has_sent = False
        self._ledger, self._tracker, self._deployer = ledger, tracker, deployer
        self._tracking_uri, self._allow_pickle = tracking_uri, allow_pickle

    def send_trials(self) -> int:
        """Send MLflow every trial it lacks, oldest first; how many.

        Raises:
            MachineryError: MLflow refused; what it has by then is not sent again.
        """
        user, sent = _user(), 0
        while pending := self._ledger.trials.pending(_SENT_AT_ONCE):
            self._tracker.log([tracked_run(trial.result, user=user) for trial in pending])
            self._ledger.trials.mark_sent(trial.run_id for trial in pending)
            self.has_sent = True
            sent += len(pending)
        return sent

    def publish(self, decisions: Sequence[Decision]) -> list[Refit]:
        """Send the trials, and list the models that have to be fitted again to be deployed.

        Raises:
            MachineryError: MLflow refused, or lacks a run that is to be promoted.
        """
        self.send_trials()
        wanted = [(d, d.best.trial) for d in decisions if d.promote and d.best is not None]
        places = self._tracker.locate([trial.run_id for _, trial in wanted])
        missing = [trial.key for _, trial in wanted if trial.run_id not in places]
        if missing:
            raise MachineryError(
                f"MLflow no longer has the runs of {len(missing)} trials to be promoted, such as "
                f"{missing[0]!r}: they were deleted there; restore them, or run with --fresh"
            )
        return [
            Refit(
                id=decision.customer.id,
                decision=decision,
                trial=trial,
                run_id=places[trial.run_id].run_id,
                artifact_uri=places[trial.run_id].artifact_uri,
                tracking_uri=self._tracking_uri,
                allow_pickle=self._allow_pickle,
            )
            for decision, trial in wanted
        ]

    def deploy(self, refitted: Sequence[Refitted]) -> list[Promotion]:
        """Make written models the champions of their customers: intend, deploy, confirm.

        Raises:
            MachineryError: MLflow refused; the intent is in the ledger, and `sync` repeats it.
        """
        now = time.time()
        intended = [
            Promotion(
                decision=model.refit.decision,
                run_id=model.refit.run_id,
                source=model.source,
                at=now,
            )
            for model in refitted
        ]
        self._ledger.promotions.intend(intended)
        return self.deploy_pending()

    def deploy_pending(self) -> list[Promotion]:
        """Deploy what was intended and never confirmed.

        Raises:
            MachineryError: MLflow refused.
        """
        pending = self._ledger.promotions.pending()
        if not pending:
            return []
        deployed = self._deployer.deploy([_challenger(promotion) for promotion in pending])
        done = [_as_deployed(*pair) for pair in zip(pending, deployed, strict=True)]
        self._tag_champions(done)
        self._ledger.promotions.confirm(done)
        self.has_sent = True
        return done

    def mark_listed(self, customers: Collection[str]) -> None:
        """Tag the models of customers that are no longer listed as retired, others as live.

        Raises:
            MachineryError: MLflow refused.
        """
        deployed = self._deployer.champions()
        states = {customer: model.state for customer, model in deployed.items()}
        retired = [c for c, s in states.items() if s is ModelState.LIVE and c not in customers]
        returned = [c for c, s in states.items() if s is ModelState.RETIRED and c in customers]
        if retired:
            self._deployer.retire(retired)
        if returned:
            self._deployer.restore(returned)

    def _tag_champions(self, done: Sequence[Promotion]) -> None:
        """The tag `champion` of a run is true while its model serves."""
        before = self._ledger.promotions.champions()
        tags = {
            before[promotion.decision.customer.id].result.trial.run_id: {"champion": "false"}
            for promotion in done
            if promotion.decision.customer.id in before
        }
        tags |= {_best(promotion).trial.run_id: {"champion": "true"} for promotion in done}
        self._tracker.tag(tags)


def _challenger(promotion: Promotion) -> Challenger:
    best = _best(promotion)
    study = best.trial.study
    return Challenger(
        customer=promotion.decision.customer.id,
        run_id=promotion.run_id,
        source=promotion.source,
        tags={
            "model": study.model.id,
            "flow_run": promotion.decision.flow_run,
            "trial": best.trial.key,
            study.evaluation.metric: f"{best.mean(study.evaluation.metric):.6g}",
            "reason": promotion.decision.reason,
        },
    )


def _as_deployed(promotion: Promotion, deployed: Deployed) -> Promotion:
    return replace(
        promotion,
        model_name=deployed.model_name,
        version=deployed.version,
        previous_version=deployed.previous_version,
    )


def _best(promotion: Promotion) -> TrialResult:
    best = promotion.decision.best
    if best is None:
        customer = promotion.decision.customer.id
        raise MachineryError(f"customer {customer!r}: a promotion without a trial is in the ledger")
    return best


def _user() -> str:
    """Who runs this; a container may have no such user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
