"""The delivery of champions: fitted and written on a worker, read back on the driver.

    deliver [customers]   one coordinator per customer, on the driver
      refit               on a worker: fits the candidate on all rows and writes its files

A candidate that cannot be fitted, stored, or read back is replaced by the next best that passes the
gate. Failures that a disk or the data causes do not reject a candidate: the promotion stays
intended, and a resume or a sync delivers it.

Touches no library itself; takes `Order`s; gives promotions; runs on the driver.
"""

from collections import deque
from dataclasses import replace

from orchestrator.mapping import Fail, Outcome, task
from orchestrator.mlflow.model_files.readback import Reading
from orchestrator.mlflow.model_files.readers import ReadBack
from orchestrator.promotion.dispatch import Dispatch
from orchestrator.promotion.refit_orders import Order, Refit, Refitted, Undeployable, best_of
from orchestrator.records import Decision, Promotion, PromotionState

_CURES = {
    "files": "Give workers and driver a folder they share, or a store that all reach "
    "(`tracking.artifacts`)",
    "store": "Make the store answer the driver",
}


def _candidate(what: Refit) -> str:
    trial = best_of(what.promotion).trial
    return f"{trial.study.model.id}-{trial.number}"


# Never cached: the result contains some of the customer's rows, which must not be kept.
@task(key=_candidate, cache="never", grows=True)
def refit(what: Refit) -> Refitted | Undeployable:
    """Fit a candidate on all rows and write its files, on a worker."""
    # scikit-learn and MLflow are imported on the workers only
    from orchestrator.promotion.refit import refit_and_write

    return refit_and_write(what)


class Delivery:
    """The delivery of champions, customer by customer.

    Args:
        dispatch: Gives the orders, and records their results.
        read_back: Reads a model back in a process other than the one that wrote it.
    """

    def __init__(self, dispatch: Dispatch, read_back: ReadBack) -> None:
        self._dispatch, self._read_back = dispatch, read_back

    async def carry_out(self, order: Order) -> None:
        """Deliver one customer's champion: the first candidate that can be deployed.

        Raises:
            Fail: No candidate can be deployed, or a disk, a worker or the data prevents it.
        """
        what, following = order.refit, deque(order.runners_up)
        while what is not None:
            (outcome,) = (await refit.expand(what=[what])).items()
            found = self._judged(outcome)
            if isinstance(found, Promotion):
                self._dispatch.ready(found)
                return
            what = self._next(what.promotion, found, following)

    def _judged(self, outcome: Outcome) -> Promotion | Undeployable:
        """Return the promotion with its files if they prove good, or else why they do not."""
        if outcome.cause == "raised":
            raise Fail(outcome.error or "it failed")
        if outcome.cause is not None:  # the candidate killed its worker, or took too long
            return Undeployable(reason=outcome.error or "it failed", whole_model=False)
        if not isinstance(outcome.value, Refitted):
            undeployable: Undeployable = outcome.value
            return undeployable
        refitted, promotion = outcome.value, outcome.value.promotion
        model = promotion.written_model
        problem = self._read_back(
            Reading(
                source=model.source,
                files=model.files,
                proof=refitted.proof,
                tracking_uri=outcome.args["what"].tracking_uri,
            )
        )
        if problem is None:
            return promotion
        if problem.culprit != "model":
            raise Fail(
                f"worker {outcome.worker} wrote the model, but here {problem.reason}. "
                f"{_CURES[problem.culprit]}, then `orchestrator sync`"
            )
        reason = f"read back from {model.source}, {problem.reason}"
        return Undeployable(reason=reason, whole_model=False)

    def _next(self, promotion: Promotion, found: Undeployable, following: deque[Decision]) -> Refit:
        """Return the order for the next best candidate.

        Raises:
            Fail: No candidate is left, or the promotion is deployed already, so that only its own
                model could be written again.
        """
        if promotion.state is PromotionState.DEPLOYED:
            raise Fail(f"the champion's files are damaged or lost, and {found.reason}")
        steps = best_of(promotion).trial.study.model.steps
        while following:
            decision = following.popleft()
            best = decision.best
            if best is None or (found.whole_model and best.trial.study.model.steps == steps):
                continue
            return self._dispatch.instead(promotion, decision, found.reason)
        withdrawn = self._dispatch.passed_over(promotion, found.reason)
        self._dispatch.withdraw(replace(withdrawn, model=None))
        reasons = "; ".join(f"{each.trial}: {each.reason}" for each in withdrawn.passed_over)
        raise Fail(f"no candidate could be deployed: {reasons}")
