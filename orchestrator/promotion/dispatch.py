"""Orders for champions, and what is written down of each: where it goes, and how far it has come.

Touches no library itself; takes promotions; gives `Order`s; writes the ledger; runs on the driver.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from orchestrator.errors import MachineryError
from orchestrator.ledger import Ledger
from orchestrator.promotion.outbox import Outbox
from orchestrator.promotion.refit_orders import Order, Refit, best_of
from orchestrator.records import Decision, PassedOver, Promotion, PromotionState

_AT_ONCE = 50
_EVERY_SECONDS = 1.0
"""Models that are ready are written down so many in one transaction, or after so long: what a
driver that is killed has not written down is fitted again."""


class Dispatch:
    """Orders models, and keeps what became of the orders.

    Args:
        ledger: Where it is kept.
        outbox: Knows where MLflow keeps runs.
        allow_pickle: Whether models may be pickled.
        rules: In words, what decides whether a model can be stored; a candidate that could not be
            is tried again under others.
    """

    def __init__(self, ledger: Ledger, outbox: Outbox, *, allow_pickle: bool, rules: str) -> None:
        self._ledger, self._outbox = ledger, outbox
        self._allow_pickle, self._rules = allow_pickle, rules
        self._ready: list[Promotion] = []
        self._since = time.monotonic()

    def orders(
        self,
        promotions: Sequence[Promotion],
        runners_up: Mapping[str, Sequence[Decision]] | None = None,
    ) -> list[Order]:
        """One order a promotion; of a confirmed one the model is written again.

        Args:
            promotions: Under way, or confirmed.
            runners_up: By customer, what to serve instead if that cannot be deployed.

        Raises:
            MachineryError: MLflow refused, or lacks a run that is to be promoted.
        """
        unwritten = [each for each in promotions if each.state is not PromotionState.WRITTEN]
        refits = {_customer(r.promotion): r for r in self._refits(unwritten)}
        return [
            Order(
                id=_customer(each),
                refit=refits.get(_customer(each)),
                runners_up=tuple((runners_up or {}).get(_customer(each), ())),
            )
            for each in promotions
        ]

    def delivered(self, flow_run: str, *, besides: Sequence[Order]) -> list[Order]:
        """Orders without anything to do: what a resumed flow run had delivered before.

        Args:
            flow_run: Its id.
            besides: Orders for customers that get none of these.
        """
        others = {order.id for order in besides}
        found = self._ledger.promotions.of_flow_run(flow_run)
        done = [_customer(each) for each in found if each.state is PromotionState.DEPLOYED]
        return [Order(id=customer, refit=None) for customer in done if customer not in others]

    def instead(self, promotion: Promotion, decision: Decision, reason: str) -> Refit:
        """The order for the next best, after a candidate could not be deployed.

        Raises:
            MachineryError: As of `orders`.
        """
        told = self.passed_over(promotion, reason)
        following = replace(told, decision=decision, model=None)
        return self._refits([following])[0]

    def passed_over(self, promotion: Promotion, reason: str) -> Promotion:
        """The promotion, which now says that its candidate cannot be deployed, and why."""
        trial = best_of(promotion).trial
        passed = PassedOver(run_id=trial.run_id, trial=trial.key, reason=reason, rules=self._rules)
        return replace(promotion, passed_over=(*promotion.passed_over, passed))

    def ready(self, promotion: Promotion) -> None:
        """The model is written and was read back."""
        if promotion.state is PromotionState.DEPLOYED:
            self._ledger.promotions.correct(promotion)
            return
        self._ready.append(promotion)
        waited = time.monotonic() - self._since
        if len(self._ready) >= _AT_ONCE or waited > _EVERY_SECONDS:
            self.write_down()

    def write_down(self) -> None:
        """Write down what is ready."""
        ready, self._ready, self._since = self._ready, [], time.monotonic()
        self._ledger.promotions.ready(ready)

    def withdraw(self, promotion: Promotion) -> None:
        """No candidate could be deployed."""
        self._ledger.promotions.withdraw([promotion])

    def _refits(self, promotions: Sequence[Promotion]) -> list[Refit]:
        if not promotions:
            return []  # MLflow need not be opened
        trials = [best_of(promotion).trial for promotion in promotions]
        places = self._outbox.places([trial.run_id for trial in trials])
        missing = [trial.key for trial in trials if trial.run_id not in places]
        if missing:
            raise MachineryError(
                f"MLflow no longer has the runs of {len(missing)} trials to be promoted, such as "
                f"{missing[0]!r}: they were deleted there; restore them, or run with --fresh"
            )
        return [
            Refit(
                promotion=replace(promotion, run_id=places[trial.run_id].run_id),
                artifact_uri=places[trial.run_id].artifact_uri,
                tracking_uri=self._outbox.mlflow.tracking_uri,
                allow_pickle=self._allow_pickle,
                replace=promotion.state is PromotionState.DEPLOYED,
            )
            for promotion, trial in zip(promotions, trials, strict=True)
        ]


def _customer(promotion: Promotion) -> str:
    return promotion.decision.customer.id
