"""The driver's outbox, which sends what the ledger has and MLflow lacks, and nothing twice.

Trials are sent as runs, promotions as versions and aliases. Every step may be repeated, so that the
same calls serve a run, a sync and a resume. If MLflow fails, no result is lost: the ledger has what
MLflow lacks, and the next call sends it.

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
"""The number of trials that are sent in one call."""


class Outbox:
    """The driver's writes to MLflow during one flow run.

    Args:
        ledger: The experiment's ledger, which is the source of truth.
        mlflow: The experiment's MLflow. Any step may raise the `MachineryError` of opening it.

    Attributes:
        mlflow: The experiment's MLflow.
        deployed: The promotions that were deployed.
        has_sent: Whether a trial or a promotion was sent to MLflow.
        refused: By customer, the reason why MLflow cannot register its champion.
    """

    def __init__(self, ledger: Ledger, mlflow: MlflowSession) -> None:
        self._ledger, self.mlflow = ledger, mlflow
        self.has_sent = False
        self.deployed: list[Promotion] = []
        self.refused: dict[str, str] = {}
        self._fronts: dict[str, bool] = {}
        self._sending = Lock()  # the background sync sends beside the driver's thread

    @property
    def has_trials_to_send(self) -> bool:
        """Whether MLflow lacks a trial, according to the ledger alone."""
        return self._ledger.trials.backlog() > 0

    def send_trials(self) -> int:
        """Send every trial that MLflow lacks, oldest first; return their number.

        Raises:
            MachineryError: MLflow refused; trials that it has by then are not sent again.
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
        """Record the intended promotions in the ledger, before anything else is done.

        Args:
            decisions: The decisions, one per customer.
            passed_over: By customer, the better candidates that could not be deployed before.

        Returns:
            Every pending promotion, including those that an earlier flow run left behind.
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
        """Remember whether trials are on their customer's Pareto front until `deploy` tags them."""
        for front in fronts:
            self._fronts |= front

    def deploy(self) -> list[Promotion]:
        """Make models that are ready the champions of their customers.

        Returns:
            The promotions that were deployed.

        Raises:
            MachineryError: MLflow refused; the ledger knows which models are written.
            LeaseLostError: Another driver has taken over the experiment.
        """
        self.send_trials()  # a champion's run must exist before its alias
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
        """Confirm promotions; if the lease was lost meanwhile, report the aliases already moved."""
        try:
            self._ledger.promotions.confirm(done)
        except LeaseLostError as error:
            raise LeaseLostError(
                f"{error}. By then it had moved {len(done)} aliases in MLflow: once no driver is "
                "at work, `orchestrator doctor --fix` moves back those that differ from the ledger"
            ) from error

    def redeploy(self, confirmed: Sequence[Promotion]) -> None:
        """Register confirmed champions again whose aliases or versions MLflow has lost.

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
        # A model that MLflow had lost is registered again without the tag of a retired model.
        self._ledger.retirements.note(
            retired=(), restored=[promotion.decision.customer.id for promotion in confirmed]
        )

    def _register_alone(self, wanted: Callable[[], Sequence[Promotion]]) -> list[Promotion]:
        """Register the wanted promotions, unless another driver has taken over the experiment.

        The lease is checked after the claim: a driver that takes the lease later also claims later,
        and this one's deployer then refuses.
        """
        while True:
            self.mlflow.deployer.claim()
            self._ledger.require_driver()
            try:
                return self._register(wanted())
            except ClaimLostError:
                continue  # if this driver lost the lease, the next check raises

    def _register(self, written: Sequence[Promotion]) -> list[Promotion]:
        """Register all at once; if one is refused, register each by itself and skip that one."""
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
        """Tag models of customers that left the registry as retired, of returned ones as live.

        MLflow is not opened if the ledger says that all tags are right already.

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
        """Return the numbers of trials and of promotions that MLflow does not have yet."""
        return self._ledger.trials.backlog(), self._ledger.promotions.backlog()

    def places(self, run_ids: Sequence[str]) -> Mapping[str, Location]:
        """Return the locations of runs; unsent runs are sent first, as a server lacks them."""
        places = self.mlflow.tracker.locate(run_ids)
        if len(places) < len(set(run_ids)):
            self.send_trials()
            places = self.mlflow.tracker.locate(run_ids)
        return places

    def _tag_champions(self, done: Sequence[Promotion]) -> None:
        """Set the tag `champion`: true on new champions' runs, false on those they replace."""
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
    """Return the name of the current user; a container may not have one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
