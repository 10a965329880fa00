"""The driver's desk: from the ledger to MLflow, and nothing twice.

What the ledger holds and MLflow lacks is sent: trials as runs, promotions as versions and
aliases. Every step may be repeated, so that the same calls serve a run, a sync and a resume. MLflow
in trouble stops nothing: what it lacks by then is in the ledger, and sent when it is asked again.

Touches no library itself; takes decisions; gives promotions; runs on the driver, the one writer.
"""

import getpass
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Lock

from orchestrator.errors import ClaimLostError, LeaseLostError, UsageError
from orchestrator.ledger import Ledger
from orchestrator.mlflow.models.deployer import Challenger, Deployed, ModelState
from orchestrator.mlflow.runs.tracked_run import tracked_run
from orchestrator.mlflow.runs.tracker import Location
from orchestrator.mlflow.views import view_tags, views
from orchestrator.promotion.mlflow_session import MlflowSession
from orchestrator.promotion.refit_orders import best_of
from orchestrator.records import Decision, DeployedVersion, Evaluation, PassedOver, Promotion

_SENT_AT_ONCE = 1_000
"""Trials in one transaction of MLflow's database."""


class Outbox:
    """What the driver writes to MLflow during one flow run.

    Args:
        ledger: What is true.
        mlflow: The experiment's MLflow. A step raises the `MachineryError` of opening it.

    Attributes:
        mlflow: The same.
        deployed: The promotions that were deployed.
        has_sent: Whether MLflow was sent a trial or a promotion.
        refused: By customer, why its champion cannot be registered.
    """

    def __init__(self, ledger: Ledger, mlflow: MlflowSession) -> None:
        self._ledger, self.mlflow = ledger, mlflow
        self.has_sent = False
        self.deployed: list[Promotion] = []
        self.refused: dict[str, str] = {}
        self._fronts: dict[str, bool] = {}
        self._sending = Lock()  # a courier sends beside the thread that drives the flow

    @property
    def has_trials_to_send(self) -> bool:
        """Whether MLflow lacks a trial; asked of the ledger alone."""
        return self._ledger.trials.backlog() > 0

    def send_trials(self) -> int:
        """Send MLflow every trial it lacks, oldest first; how many.

        Raises:
            MachineryError: MLflow refused; what it has by then is not sent again.
        """
        user, sent = _user(), 0
        with self._sending:
            while pending := self._ledger.trials.pending(_SENT_AT_ONCE):
                self.mlflow.tracker.log([tracked_run(each.result, user=user) for each in pending])
                self._ledger.trials.mark_sent(each.run_id for each in pending)
                self.has_sent = True
                sent += len(pending)
        return sent

    def intend(
        self,
        decisions: Sequence[Decision],
        passed_over: Mapping[str, Sequence[PassedOver]] | None = None,
    ) -> list[Promotion]:
        """Write into the ledger which champions are to change, before anything else is done.

        Args:
            decisions: One a customer.
            passed_over: By customer, the better candidates that could not be deployed before.

        Returns:
            Every promotion under way, those that an earlier flow run left behind included.
        """
        now, barred = time.time(), passed_over or {}
        intended = [
            Promotion(
                decision=decision,
                run_id=decision.best.trial.run_id,
                at=now,
                passed_over=tuple(barred.get(decision.customer.id, ())),
            )
            for decision in decisions
            if decision.promote and decision.best is not None
        ]
        self._ledger.promotions.intend(intended)
        return list(self._ledger.promotions.pending())

    def keep_fronts(self, fronts: Sequence[Mapping[str, bool]]) -> None:
        """Remember which trials are on their customer's Pareto front, until all are sent."""
        for front in fronts:
            self._fronts |= front

    def deploy(self) -> list[Promotion]:
        """Make models that are ready the champions of their customers.

        Raises:
            MachineryError: MLflow refused; the ledger knows what was written.
            LeaseLostError: Another driver took this one's place.
        """
        self.send_trials()  # a champion's run is there before its alias
        if self._fronts:
            self.mlflow.tracker.tag(
                {run_id: {"pareto": str(on).lower()} for run_id, on in self._fronts.items()}
            )
        undeployed = self._ledger.promotions.undeployed
        if not undeployed():
            return []
        done = self._register_alone(undeployed)
        self._tag_champions(done)
        self._confirm(done)
        self.deployed += done
        self.has_sent = True
        return done

    def _confirm(self, done: Sequence[Promotion]) -> None:
        """Where the lease was lost after the aliases were moved, that can only be told."""
        try:
            self._ledger.promotions.confirm(done)
        except LeaseLostError as error:
            raise LeaseLostError(
                f"{error}. By then it had moved {len(done)} aliases in MLflow: once no driver is "
                "at work, `orchestrator doctor --fix` moves back those that differ from the ledger"
            ) from error

    def redeploy(self, confirmed: Sequence[Promotion]) -> None:
        """Make models champions again whose aliases or versions MLflow has lost.

        Raises:
            MachineryError: MLflow refused.
        """
        if not confirmed:
            return
        known = {(p.decision.flow_run, p.decision.customer.id): p for p in confirmed}
        for done in self._register_alone(lambda: confirmed):
            before = known[done.decision.flow_run, done.decision.customer.id]
            was, now = before.deployed_version, done.deployed_version
            if now.version != was.version:
                corrected = replace(was, version=now.version)
                self._ledger.promotions.correct(replace(before, deployed=corrected))
        # A model that MLflow had lost is there again without the tag that it is retired.
        self._ledger.retirements.note(
            retired=(), restored=[promotion.decision.customer.id for promotion in confirmed]
        )

    def _register_alone(self, wanted: Callable[[], Sequence[Promotion]]) -> list[Promotion]:
        """Register what is wanted, unless another driver took this one's place.

        The lease is looked at after the claim: whoever takes it later also claims later, and the
        deployer then refuses.
        """
        while True:
            self.mlflow.deployer.claim()
            self._ledger.require_driver()
            try:
                return self._register(wanted())
            except ClaimLostError:
                continue  # one of the two that claim has lost the lease, and finds out now

    def _register(self, written: Sequence[Promotion]) -> list[Promotion]:
        """Register all at once; where one is refused, each by itself, so that the others go on."""
        deployer = self.mlflow.deployer
        try:
            deployed = deployer.deploy([_challenger(promotion) for promotion in written])
        except UsageError as error:
            if len(written) == 1:
                self.refused[written[0].decision.customer.id] = str(error)
                return []
            return [done for promotion in written for done in self._register([promotion])]
        return [_as_deployed(*pair) for pair in zip(written, deployed, strict=True)]

    def save_views(self, evaluation: Evaluation, flow_run: str) -> None:
        """Save the views that compare this flow run's trials.

        Raises:
            MachineryError: MLflow refused.
        """
        shown = views(evaluation, flow_run)
        self.mlflow.tracker.tag_experiment(view_tags(shown, at=time.time()))

    def mark_listed(self) -> None:
        """Tag the models of customers that left the registry as retired, of returned ones as live.

        MLflow is not asked, nor opened, where the ledger says that it shows them so already.

        Raises:
            MachineryError: MLflow refused.
        """
        due = self._ledger.retirements.due()
        if not due:
            return
        deployer = self.mlflow.deployer
        states = {customer: model.state for customer, model in deployer.champions().items()}
        retire = [c for c in due.retire if states.get(c) is ModelState.LIVE]
        restore = [c for c in due.restore if states.get(c) is ModelState.RETIRED]
        if retire:
            deployer.retire(retire)
        if restore:
            deployer.restore(restore)
        self._ledger.retirements.note(retired=due.retire, restored=due.restore)

    def lacking(self) -> tuple[int, int]:
        """How many trials, and how many promotions, MLflow does not have yet."""
        return self._ledger.trials.backlog(), self._ledger.promotions.backlog()

    def places(self, run_ids: Sequence[str]) -> Mapping[str, Location]:
        """Where runs are kept; a server says so only of runs it has been sent."""
        places = self.mlflow.tracker.locate(run_ids)
        if len(places) < len(set(run_ids)):
            self.send_trials()
            places = self.mlflow.tracker.locate(run_ids)
        return places

    def _tag_champions(self, done: Sequence[Promotion]) -> None:
        """The tag `champion` of a run is true while its model serves."""
        before = self._ledger.promotions.champions()
        tags = {
            before[promotion.decision.customer.id].result.trial.run_id: {"champion": "false"}
            for promotion in done
            if promotion.decision.customer.id in before
        }
        tags |= {best_of(promotion).trial.run_id: {"champion": "true"} for promotion in done}
        self.mlflow.tracker.tag(tags)


def _challenger(promotion: Promotion) -> Challenger:
    best = best_of(promotion)
    study = best.trial.study
    return Challenger(
        customer=promotion.decision.customer.id,
        run_id=promotion.run_id,
        source=promotion.written_model.source,
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
        deployed=DeployedVersion(
            model_name=deployed.model_name,
            version=deployed.version,
            previous_version=deployed.previous_version,
        ),
    )


def _user() -> str:
    """Who runs this; a container may have no such user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
