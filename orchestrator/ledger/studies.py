"""Studies without their trials: the inputs that their results depend on.

Touches SQLAlchemy and pydantic; gives plain mappings and `Study`; runs on the driver. `trials`
writes them.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Select, exists, func, select

from orchestrator.ledger.codec import load
from orchestrator.ledger.database import Database
from orchestrator.ledger.tables import studies, trials
from orchestrator.records import Measure, Study

_STUDY = TypeAdapter(Study)

Parts = Mapping[str, str]
"""Hashes of the inputs that a study's results depend on, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyTally:
    """The outcome of the last study of a customer and model.

    Attributes:
        customer, model: The customer and model.
        flow_run: The flow run of the study.
        metric: The metric of `best`.
        trials: The number of trials, by state.
        best: The best score; None if no trial has one.
        seconds: The time its fits and scorings took.
    """

    customer: str
    model: str
    flow_run: str
    metric: str
    trials: Mapping[str, int]
    best: float | None
    seconds: float


class Studies:
    """The last study of each customer and model."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def parts(self, customer: str | None = None) -> dict[str, Parts]:
        """The inputs of the last studies, by key, whether or not they succeeded.

        Args:
            customer: Only studies of this customer; None for all.
        """
        last = last_studies()
        if customer is not None:
            last = last.where(studies.c.customer == customer)
        query = select(studies.c.key, studies.c.content).where(studies.c.id.in_(last))
        with self._database.read() as connection:
            return {key: _parts(content) for key, content in connection.execute(query)}

    def ended_in(self, flow_run: str) -> dict[str, Study]:
        """By key, the studies of a flow run with a trial that did not fail."""
        has_one = exists().where(trials.c.study == studies.c.id, trials.c.state != "failed")
        query = select(studies.c.key, studies.c.content).where(
            studies.c.flow_run == flow_run, has_one
        )
        with self._database.read() as connection:
            return {key: load(_STUDY, content) for key, content in connection.execute(query)}

    def environments(self) -> Counter[tuple[str, str]]:
        """The number of last studies, by model and by the environment they ran in."""
        query = (
            select(studies.c.model, func.count(), func.min(studies.c.content))
            .where(studies.c.id.in_(last_studies()))
            .group_by(studies.c.flow_run, studies.c.model)
        )
        counted: Counter[tuple[str, str]] = Counter()
        with self._database.read() as connection:
            for model, number, content in connection.execute(query):
                counted[model, _parts(content).get("environment", "")] += number
        return counted

    def tallies(self) -> list[StudyTally]:
        """The outcomes of the last studies, by customer and model."""
        best = func.max(trials.c.score), func.min(trials.c.score)
        query = (
            select(
                *(studies.c[name] for name in _OF_STUDY),
                trials.c.state,
                func.count().label("number"),
                best[0].label("highest"),
                best[1].label("lowest"),
                func.sum(trials.c.seconds).label("seconds"),
            )
            .join(trials, trials.c.study == studies.c.id)
            .where(studies.c.id.in_(last_studies()))
            .group_by(*(studies.c[name] for name in _OF_STUDY), trials.c.state)
            .order_by(studies.c.customer, studies.c.model)
        )
        by_study: dict[int, list[Any]] = {}
        with self._database.read() as connection:
            for row in connection.execute(query):
                by_study.setdefault(row.id, []).append(row)
        return [_tally(rows) for rows in by_study.values()]

    def failures(self, most: int) -> Sequence[tuple[str, int, str]]:
        """Failures of trials of the last studies: reasons, their counts, and a study of each."""
        times = func.count()
        query = (
            select(trials.c.error, times, func.min(studies.c.key))
            .join(studies, studies.c.id == trials.c.study)
            .where(studies.c.id.in_(last_studies()), trials.c.error.is_not(None))
            .group_by(trials.c.error)
            .order_by(times.desc(), trials.c.error)
            .limit(most)
        )
        with self._database.read() as connection:
            return [(error, number, key) for error, number, key in connection.execute(query)]


_OF_STUDY = ("id", "customer", "model", "flow_run", "metric", "direction")


def _tally(rows: Sequence[Any]) -> StudyTally:
    first = rows[0]
    metric = Measure(name=first.metric, source=first.metric, direction=first.direction)
    extremes = [score for row in rows for score in (row.highest, row.lowest)]
    return StudyTally(
        customer=first.customer,
        model=first.model,
        flow_run=first.flow_run,
        metric=first.metric,
        trials={row.state: row.number for row in rows},
        best=metric.best(score for score in extremes if score is not None),
        seconds=sum(row.seconds for row in rows),
    )


def last_studies() -> Select[tuple[int]]:
    """The numbers of the last studies, without those that only score a champion again."""
    grouped = studies.c.customer, studies.c.model
    searches = select(func.max(studies.c.id)).where(studies.c.champion.is_(False))
    return searches.group_by(*grouped)


def _parts(content: str) -> Parts:
    found: Parts = json.loads(content).get("follows_from", {})
    return found
