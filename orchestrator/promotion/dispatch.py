"""Orders for champions, and a record of each: its destination and its progress.

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
"""The number of finished models that are recorded in one transaction, and the seconds after which
fewer are recorded: models that a killed driver has not recorded are fitted again."""


class Dispatch:
    """The orders for models, and the record of their results.

    Args:
        ledger: The ledger that records the results.
        outbox: The outbox, which locates runs in MLflow.
        allow_pickle: Whether models may be pickled.
        rules: The rules, in words, that decide whether a model can be stored; when they change, a
            rejected candidate is tried again.
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
        """Return one order per promotion; the model of a confirmed promotion is written again.

        Args:
            promotions: The promotions, pending or confirmed.
            runners_up: By customer, the candidates to serve if the first cannot be deployed.

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
        """Return empty orders for the models that a resumed flow run delivered before.

        Args:
            flow_run: The flow run's id.
            besides: The orders that exist already; their customers do not get another one.
        """
        others = {order.id for order in besides}
        found = self._ledger.promotions.of_flow_run(flow_run)
        done = [_customer(each) for each in found if each.state is PromotionState.DEPLOYED]
        return [Order(id=customer, refit=None) for customer in done if customer not in others]

    def instead(self, promotion: Promotion, decision: Decision, reason: str) -> Refit:
        """Return the order for the next best candidate, after one could not be deployed.

        Raises:
            MachineryError: MLflow refused, or lacks the run of the next candidate.
        """
        told = self.passed_over(promotion, reason)
        following = replace(told, decision=decision, model=None)
        return self._refits([following])[0]

    def passed_over(self, promotion: Promotion, reason: str) -> Promotion:
        """Return the promotion, which now records why its candidate cannot be deployed."""
        trial = best_of(promotion).trial
        passed = PassedOver(run_id=trial.run_id, trial=trial.key, reason=reason, rules=self._rules)
        return replace(promotion, passed_over=(*promotion.passed_over, passed))

    def ready(self, promotion: Promotion) -> None:
        """Record a promotion whose model was written and read back; new ones go in batches."""
        if promotion.state is PromotionState.DEPLOYED:
            self._ledger.promotions.correct(promotion)
            return
        self._ready.append(promotion)
        waited = time.monotonic() - self._since
        if len(self._ready) >= _AT_ONCE or waited > _EVERY_SECONDS:
            self.write_down()

    def write_down(self) -> None:
        """Record the promotions that are ready in the ledger."""
        ready, self._ready, self._since = self._ready, [], time.monotonic()
        self._ledger.promotions.ready(ready)

    def withdraw(self, promotion: Promotion) -> None:
        """Withdraw a promotion, since none of its candidates could be deployed."""
        self._ledger.promotions.withdraw([promotion])

    def _refits(self, promotions: Sequence[Promotion]) -> list[Refit]:
        if not promotions:
            return []  # MLflow does not have to be opened
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
