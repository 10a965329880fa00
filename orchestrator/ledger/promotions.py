"""Promotions: each intended before its model is written, confirmed after its alias was moved.

Touches SQLAlchemy and pydantic; takes `Promotion`; gives `Promotion` and `Champion`; runs on the
driver. A promotion is known by its flow run and customer.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Select, and_, bindparam, func, select, update

from orchestrator.ledger.codec import dump, load
from orchestrator.ledger.database import Database
from orchestrator.ledger.tables import promotions
from orchestrator.records import (
    DeployedVersion,
    PassedOver,
    Promotion,
    PromotionState,
    TrialResult,
    WrittenModel,
)
from orchestrator.sql.inserts import insert_missing

_PROMOTION = TypeAdapter(Promotion)


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """The model that serves a customer.

    Attributes:
        customer: Its id.
        result: The deployed trial.
        run_id: Its MLflow run.
        at: The time since which it serves.
        model: Its files; None until they are written.
        deployed: Its version in MLflow; None until it is deployed.
    """

    customer: str
    result: TrialResult
    run_id: str
    at: float
    model: WrittenModel | None = None
    deployed: DeployedVersion | None = None


class Promotions:
    """Every change of every customer's champion."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def intend(self, intended: Sequence[Promotion]) -> None:
        """Write that these champions are about to change; intents written before stay unchanged.

        Raises:
            ValueError: A promotion's decision has no best trial.
        """
        rows = [_row(promotion) for promotion in intended]
        with self._database.write() as connection:
            insert_missing(connection, promotions, rows)

    def ready(self, promotions: Sequence[Promotion]) -> None:
        """Note that the models of these intended promotions are written and were read back."""
        self._update(promotions, PromotionState.WRITTEN)

    def withdraw(self, promotions: Sequence[Promotion]) -> None:
        """Note that no candidate of these promotions could be deployed; each has the reason."""
        self._update(promotions, PromotionState.FAILED)

    def confirm(self, done: Sequence[Promotion], at: float | None = None) -> None:
        """Note that the aliases of these promotions were moved, now or `at` a time."""
        when = time.time() if at is None else at
        self._update(done, PromotionState.DEPLOYED, confirmed=when)

    def roll_back(self, promotions: Sequence[Promotion]) -> None:
        """Note that the aliases of deployed promotions were moved back to the champions before."""
        self._update(promotions, PromotionState.ROLLED_BACK, only=_serves())

    def correct(self, promotion: Promotion) -> None:
        """Correct a confirmed promotion: it has another version, or files written again."""
        of = (promotion.decision.flow_run, promotion.decision.customer.id)
        this = and_(promotions.c.flow_run == of[0], promotions.c.customer == of[1])
        known = {"trial": _trial(promotion), "content": dump(promotion)}
        with self._database.write() as connection:
            connection.execute(update(promotions).where(this).values(known))

    def relocate(self, *, before: str, after: str) -> None:
        """Note that files of all promotions moved from below one address to below another."""
        query = select(promotions.c.id, promotions.c.content)
        with self._database.write() as connection:
            for row in connection.execute(query).all():
                known = load(_PROMOTION, row.content)
                model = known.model
                if model is not None and model.source.startswith(f"{before}/"):
                    source = f"{after}{model.source[len(before) :]}"
                    moved = replace(known, model=replace(model, source=source))
                    this = promotions.c.id == row.id
                    connection.execute(update(promotions).where(this).values(content=dump(moved)))

    def confirmed(self) -> Mapping[str, Sequence[Promotion]]:
        """By customer, the promotions that led to its champion, oldest first."""
        query = _select().where(_serves())
        chains: dict[str, list[Promotion]] = {}
        for promotion in self._read(query.order_by(promotions.c.customer, promotions.c.id)):
            chains.setdefault(promotion.decision.customer.id, []).append(promotion)
        return chains

    def pending(self) -> Sequence[Promotion]:
        """The last promotion of each customer, if it is intended or ready.

        An earlier one that was never confirmed is obsolete: its alias must not be moved back over
        a later one's.
        """
        return self._read(_last_of_each().where(_under_way()))

    def undeployed(self) -> Sequence[Promotion]:
        """The last promotion of each customer where its model is written, but not deployed."""
        written = promotions.c.state == PromotionState.WRITTEN
        return self._read(_last_of_each().where(written))

    def backlog(self) -> int:
        """The number of champions that MLflow does not have yet."""
        pending = _last_of_each().where(_under_way()).order_by(None).subquery()
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(pending)).scalar_one())

    def champions(self) -> Mapping[str, Champion]:
        """The present champions, by customer; removed customers keep theirs."""
        return self._champions(_serves())

    def incumbents(self, *, before: str | None = None) -> Mapping[str, Champion]:
        """The last decided champions, by customer, whether or not MLflow has them yet.

        A challenger has to beat them: a promotion that MLflow does not have yet is deployed later,
        unless a later decision overtakes it.

        Args:
            before: A flow run whose own decisions do not count, so that it decides the same again.
        """
        stands = promotions.c.state.not_in([PromotionState.FAILED, PromotionState.ROLLED_BACK])
        return self._champions(
            stands if before is None else and_(stands, promotions.c.flow_run != before)
        )

    def passed_over(self, *, before: str | None = None) -> Mapping[str, Sequence[PassedOver]]:
        """By customer, the candidates passed over when its champion was last to change.

        Args:
            before: A flow run whose own promotions do not count.
        """
        among = None if before is None else promotions.c.flow_run != before
        some = promotions.c.content.like('%"passed_over":[{%')
        found = self._read(_last_of_each(among).where(some))
        return {each.decision.customer.id: each.passed_over for each in found}

    def champion(self, customer: str) -> Champion | None:
        """The present champion of one customer."""
        return self._champions(_serves() & (promotions.c.customer == customer)).get(customer)

    def at(self, time: float) -> Mapping[str, Champion]:
        """The champions at a moment, by customer."""
        return self._champions(promotions.c.confirmed <= time)

    def of_customer(self, customer: str) -> Sequence[Promotion]:
        """The customer's promotions that were ever deployed, oldest first."""
        query = _select().where(
            promotions.c.customer == customer, promotions.c.confirmed.is_not(None)
        )
        return self._read(query.order_by(promotions.c.id))

    def of_flow_run(self, flow_run: str) -> Sequence[Promotion]:
        """The promotions that a flow run intended, whatever their outcome."""
        return self._read(_select().where(promotions.c.flow_run == flow_run))

    def _update(
        self,
        known: Sequence[Promotion],
        state: PromotionState,
        *,
        only: ColumnElement[bool] | None = None,
        **columns: float,
    ) -> None:
        """Update promotions, by default those that are not deployed yet."""
        if not known:
            return
        these = and_(
            promotions.c.flow_run == bindparam("of_flow_run"),
            promotions.c.customer == bindparam("of_customer"),
            promotions.c.confirmed.is_(None) if only is None else only,
        )
        change = update(promotions).where(these)
        change = change.values(
            content=bindparam("as_known"), trial=bindparam("of_trial"), state=state, **columns
        )
        with self._database.write() as connection:
            connection.execute(change, [_known(promotion) for promotion in known])

    def _champions(self, among: ColumnElement[bool]) -> Mapping[str, Champion]:
        chosen = self._read(_last_of_each(among))
        return {champion.customer: champion for champion in map(_champion, chosen)}

    def _read(self, query: Select[Any]) -> Sequence[Promotion]:
        with self._database.read() as connection:
            return [
                replace(load(_PROMOTION, text), state=PromotionState(state))
                for text, state in connection.execute(query)
            ]


def _last_of_each(among: ColumnElement[bool] | None = None) -> Select[Any]:
    """The last promotion of each customer, among all or some."""
    last = select(func.max(promotions.c.id)).group_by(promotions.c.customer)
    if among is not None:
        last = last.where(among)
    return _select().where(promotions.c.id.in_(last)).order_by(promotions.c.id)


def _select() -> Select[Any]:
    return select(promotions.c.content, promotions.c.state)


def _serves() -> ColumnElement[bool]:
    return promotions.c.state == PromotionState.DEPLOYED


def _under_way() -> ColumnElement[bool]:
    return promotions.c.state.in_([PromotionState.INTENDED, PromotionState.WRITTEN])


def _row(promotion: Promotion) -> dict[str, Any]:
    if promotion.decision.best is None:
        customer = promotion.decision.customer.id
        raise ValueError(f"promotion of {customer!r}: its decision has no best trial to serve")
    return {
        "flow_run": promotion.decision.flow_run,
        "customer": promotion.decision.customer.id,
        "at": promotion.at,
        "trial": _trial(promotion),
        "content": dump(promotion),
    }


def _known(promotion: Promotion) -> dict[str, str | None]:
    return {
        "of_flow_run": promotion.decision.flow_run,
        "of_customer": promotion.decision.customer.id,
        "of_trial": _trial(promotion),
        "as_known": dump(promotion),
    }


def _trial(promotion: Promotion) -> str | None:
    """Return the run id of the trial that is promoted."""
    best = promotion.decision.best
    return None if best is None else best.trial.run_id


def _champion(promotion: Promotion) -> Champion:
    best = promotion.decision.best
    assert best is not None  # noqa: S101  `intend` refuses any other
    return Champion(
        customer=promotion.decision.customer.id,
        result=best,
        run_id=promotion.run_id,
        at=promotion.at,
        model=promotion.model,
        deployed=promotion.deployed,
    )
