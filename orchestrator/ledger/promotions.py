"""Promotions: each intended before its alias is moved, confirmed after, and read as a chain.

Touches SQLAlchemy and pydantic; takes `Promotion`; gives `Promotion` and `Champion`; runs on the
driver. A promotion is known by its flow run and customer.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Select, and_, bindparam, func, select, true, update

from orchestrator.ledger.database import Database
from orchestrator.ledger.encoding import dump, load
from orchestrator.ledger.tables import promotions
from orchestrator.ledger.writing import insert_missing
from orchestrator.records import Promotion, TrialResult

_PROMOTION = TypeAdapter(Promotion)


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """What serves a customer: the deployed trial, its MLflow run, model and version, since when."""

    customer: str
    result: TrialResult
    run_id: str
    model_name: str
    version: str
    at: float


class Promotions:
    """Every change of every customer's champion."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def intend(self, intended: Sequence[Promotion]) -> None:
        """Write that these champions are about to change; those written before stay as they are.

        Raises:
            ValueError: A promotion's decision has no best trial.
        """
        rows = [_row(promotion) for promotion in intended]
        with self._database.write() as connection:
            insert_missing(connection, promotions, rows)

    def written(self, promotions: Sequence[Promotion]) -> None:
        """The model files of these intended promotions are there; they now tell where."""
        self._tell(promotions)

    def confirm(self, done: Sequence[Promotion], at: float | None = None) -> None:
        """The aliases of these intended promotions were moved, now or then; they tell where to."""
        self._tell(done, confirmed=time.time() if at is None else at)

    def correct(self, promotion: Promotion) -> None:
        """What is now known of a confirmed promotion: MLflow gave its model another version."""
        of = (promotion.decision.flow_run, promotion.decision.customer.id)
        this = and_(promotions.c.flow_run == of[0], promotions.c.customer == of[1])
        with self._database.write() as connection:
            connection.execute(update(promotions).where(this).values(content=dump(promotion)))

    def relocate(self, *, before: str, after: str) -> None:
        """The files of all promotions below one address are now below another one."""
        query = select(promotions.c.id, promotions.c.content)
        with self._database.write() as connection:
            for row in connection.execute(query).all():
                known = load(_PROMOTION, row.content)
                if known.source.startswith(f"{before}/"):
                    moved = replace(known, source=f"{after}{known.source[len(before) :]}")
                    this = promotions.c.id == row.id
                    connection.execute(update(promotions).where(this).values(content=dump(moved)))

    def confirmed(self) -> Mapping[str, Sequence[Promotion]]:
        """By customer, all confirmed promotions, oldest first."""
        query = select(promotions.c.content).where(promotions.c.confirmed.is_not(None))
        chains: dict[str, list[Promotion]] = {}
        for promotion in self._read(query.order_by(promotions.c.customer, promotions.c.id)):
            chains.setdefault(promotion.decision.customer.id, []).append(promotion)
        return chains

    def pending(self) -> Sequence[Promotion]:
        """The last promotion of each customer where it is intended but not confirmed.

        An earlier one that was never confirmed is no longer wanted: its alias must not be moved
        back over a later one's.
        """
        return self._read(_last_of_each().where(promotions.c.confirmed.is_(None)))

    def backlog(self) -> int:
        """How many champions MLflow has not been told of yet."""
        pending = _last_of_each().where(promotions.c.confirmed.is_(None)).order_by(None).subquery()
        with self._database.read() as connection:
            return int(connection.execute(select(func.count()).select_from(pending)).scalar_one())

    def champions(self) -> Mapping[str, Champion]:
        """By customer, what serves now; removed customers keep theirs."""
        return self._champions(promotions.c.confirmed.is_not(None))

    def incumbents(self, *, before: str | None = None) -> Mapping[str, Champion]:
        """By customer, what was last decided to serve, whether MLflow has been told yet or not.

        This is what a challenger has to beat: a promotion that MLflow has still to be told of is
        deployed later, unless a later decision overtakes it.

        Args:
            before: A flow run whose own decisions do not count, since it is to decide alike again.
        """
        return self._champions(true() if before is None else promotions.c.flow_run != before)

    def champion(self, customer: str) -> Champion | None:
        """What serves one customer now."""
        chain = self.of_customer(customer)
        return _champion(chain[-1]) if chain else None

    def at(self, time: float) -> Mapping[str, Champion]:
        """By customer, what served at a moment."""
        return self._champions(promotions.c.confirmed <= time)

    def of_customer(self, customer: str) -> Sequence[Promotion]:
        """The customer's confirmed promotions, oldest first."""
        query = select(promotions.c.content).where(
            promotions.c.customer == customer, promotions.c.confirmed.is_not(None)
        )
        return self._read(query.order_by(promotions.c.id))

    def _tell(self, intended: Sequence[Promotion], **columns: float) -> None:
        """Write what is now known of promotions that are not confirmed yet."""
        if not intended:
            return
        these = and_(
            promotions.c.flow_run == bindparam("of_flow_run"),
            promotions.c.customer == bindparam("of_customer"),
            promotions.c.confirmed.is_(None),
        )
        told = update(promotions).where(these).values(content=bindparam("as_known"), **columns)
        with self._database.write() as connection:
            connection.execute(told, [_known(promotion) for promotion in intended])

    def _champions(self, among: ColumnElement[bool]) -> Mapping[str, Champion]:
        chosen = self._read(_last_of_each(among))
        return {champion.customer: champion for champion in map(_champion, chosen)}

    def _read(self, query: Select[Any]) -> Sequence[Promotion]:
        with self._database.read() as connection:
            return [load(_PROMOTION, text) for text in connection.execute(query).scalars()]


def _last_of_each(among: ColumnElement[bool] | None = None) -> Select[Any]:
    """The last promotion of each customer, among all or some."""
    last = select(func.max(promotions.c.id)).group_by(promotions.c.customer)
    if among is not None:
        last = last.where(among)
    return select(promotions.c.content).where(promotions.c.id.in_(last)).order_by(promotions.c.id)


def _row(promotion: Promotion) -> dict[str, Any]:
    if promotion.decision.best is None:
        customer = promotion.decision.customer.id
        raise ValueError(f"promotion of {customer!r}: its decision has no best trial to serve")
    return {
        "flow_run": promotion.decision.flow_run,
        "customer": promotion.decision.customer.id,
        "at": promotion.at,
        "content": dump(promotion),
    }


def _known(promotion: Promotion) -> dict[str, str]:
    return {
        "of_flow_run": promotion.decision.flow_run,
        "of_customer": promotion.decision.customer.id,
        "as_known": dump(promotion),
    }


def _champion(promotion: Promotion) -> Champion:
    best = promotion.decision.best
    assert best is not None  # noqa: S101  `intend` refuses any other
    return Champion(
        customer=promotion.decision.customer.id,
        result=best,
        run_id=promotion.run_id,
        model_name=promotion.model_name,
        version=promotion.version,
        at=promotion.at,
    )
