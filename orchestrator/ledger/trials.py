"""Trial results: written once under their MLflow run id, sent later, read again as records.

The outbox of law 3: a trial is committed here first and stays `pending` until MLflow has it.
Touches SQLAlchemy; takes `TrialResult`; gives `RecordedTrial`; runs on the driver.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    func,
    select,
    tuple_,
    update,
)

from orchestrator.ledger.database import Database
from orchestrator.ledger.studies import last_studies
from orchestrator.ledger.tables import studies, trials
from orchestrator.ledger.trial_rows import RecordedTrial, records, study_row, trial_row
from orchestrator.records import Measure, Study, TrialResult, TrialState
from orchestrator.sql.inserts import insert_missing

StudyName = tuple[str, str]
"""A study's flow run and key."""

_FOUND_AT_ONCE = 250


class Trials:
    """Every trial of every flow run."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, results: Sequence[TrialResult]) -> None:
        """Write results, each in its study's flow run; results written before stay unchanged.

        Raises:
            MachineryError: A study's flow run was never begun.
        """
        with self._database.write() as connection:
            add_trials(connection, results)

    def pending(self, limit: int | None = None) -> Sequence[RecordedTrial]:
        """The trials MLflow does not have yet, oldest first."""
        return self._read(_recorded().where(trials.c.sent.is_(None)).limit(limit))

    def mark_sent(self, run_ids: Iterable[str]) -> None:
        """Note that MLflow has these now."""
        sent = [{"of": each, "at": time.time()} for each in run_ids]
        if not sent:
            return
        by_run_id = update(trials).where(trials.c.run_id == bindparam("of"))
        with self._database.write() as connection:
            connection.execute(by_run_id.values(sent=bindparam("at")), sent)

    def sent(self) -> Sequence[str]:
        """The run ids of all trials sent to MLflow."""
        query = select(trials.c.run_id).where(trials.c.sent.is_not(None)).order_by(trials.c.study)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def backlog(self) -> int:
        """The number of trials MLflow does not have yet."""
        query = select(func.count()).select_from(trials).where(trials.c.sent.is_(None))
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def counts(self, flow_run: str) -> Mapping[str, int]:
        """The number of a flow run's trials so far, by state; takes its whole id."""
        query = (
            select(trials.c.state, func.count().label("number"))
            .join(studies, studies.c.id == trials.c.study)
            .where(studies.c.flow_run == flow_run)
            .group_by(trials.c.state)
        )
        with self._database.read() as connection:
            return {row.state: row.number for row in connection.execute(query)}

    def mark_unsent(self, run_ids: Iterable[str]) -> None:
        """Note that MLflow has lost these; they will be sent again."""
        lost = [{"of": each} for each in run_ids]
        if not lost:
            return
        by_run_id = update(trials).where(trials.c.run_id == bindparam("of"))
        with self._database.write() as connection:
            connection.execute(by_run_id.values(sent=None), lost)

    def scored_customers(self) -> frozenset[str]:
        """Customers that have a trial with a score."""
        query = select(studies.c.customer).join(trials, trials.c.study == studies.c.id)
        with self._database.read() as connection:
            scored = query.where(trials.c.score.is_not(None)).distinct()
            return frozenset(connection.execute(scored).scalars())

    def of_run(self, flow_run: str) -> Sequence[RecordedTrial]:
        """All trials of a flow run, by its whole id."""
        return self._read(_recorded().where(studies.c.flow_run == flow_run))

    def of_customer(self, customer: str) -> Sequence[RecordedTrial]:
        """All trials a customer ever had, oldest first."""
        return self._read(_recorded().where(studies.c.customer == customer))

    def of_study(
        self, customer: str, model: str, *, champion: bool = False
    ) -> Sequence[RecordedTrial]:
        """All trials that studies of a customer and model ever had, oldest first.

        Args:
            customer: The customer's id.
            model: The model's id.
            champion: Whether to take studies that scored the champion again, rather than searches.
        """
        named = (
            studies.c.customer == customer,
            studies.c.model == model,
            studies.c.champion.is_(champion),
        )
        return self._read(_recorded().where(*named))

    def of_model(self, model: str) -> Sequence[RecordedTrial]:
        """All trials a model ever had, oldest first."""
        return self._read(_recorded().where(studies.c.model == model))

    def best(
        self, customer: str, n: int = 1, *, model: str | None = None
    ) -> Sequence[RecordedTrial]:
        """A customer's best trials by the metric and direction it was last compared by.

        They may belong to different flow runs, and so to different data.
        """
        with self._database.read() as connection:
            last = connection.execute(_last_comparison(customer)).one_or_none()
            if last is None:
                return []
            metric = Measure(name=last.metric, source=last.metric, direction=last.direction)
            query = _comparable(customer, metric)
            if model is not None:
                query = query.where(studies.c.model == model)
            return records(connection.execute(query.limit(n)))

    def latest(
        self,
        customer: str,
        n: int | None,
        *,
        model: str | None = None,
        state: TrialState | None = None,
    ) -> Sequence[RecordedTrial]:
        """A customer's last trials, latest first; all of them if `n` is None."""
        query = _recorded().where(studies.c.customer == customer)
        if model is not None:
            query = query.where(studies.c.model == model)
        if state is not None:
            query = query.where(trials.c.state == state)
        latest_first = query.order_by(trials.c.study.desc(), trials.c.number.desc())
        with self._database.read() as connection:
            return records(connection.execute(latest_first.limit(n)))

    def of_last_studies(self, customer: str) -> Sequence[RecordedTrial]:
        """The trials of a customer's last study of each model, in the order they were made."""
        last = last_studies().where(studies.c.customer == customer)
        return self._read(_recorded().where(trials.c.study.in_(last)))

    def scored_last(self, model: str, most: int) -> Sequence[RecordedTrial]:
        """Scored trials of a model's last study for each customer, the latest customers' first."""
        last = last_studies().where(studies.c.model == model)
        query = _recorded().where(trials.c.study.in_(last), trials.c.score.is_not(None))
        latest_first = query.order_by(trials.c.study.desc(), trials.c.number)
        with self._database.read() as connection:
            return records(connection.execute(latest_first.limit(most)))

    def durations(self) -> dict[tuple[str, str], float]:
        """Mean seconds a trial took, by customer and model, each in its last flow run."""
        latest = (
            select(func.max(studies.c.id).label("id"))
            .group_by(studies.c.customer, studies.c.model)
            .subquery()
        )
        query = (
            select(studies.c.customer, studies.c.model, func.avg(trials.c.seconds))
            .join(latest, latest.c.id == studies.c.id)
            .join(trials, trials.c.study == studies.c.id)
            .group_by(studies.c.id, studies.c.customer, studies.c.model)
        )
        with self._database.read() as connection:
            return {(customer, model): s for customer, model, s in connection.execute(query)}

    def total(self, flow_run: str) -> tuple[int, float]:
        """The number of a flow run's trials, and their total seconds; takes its whole id."""
        query = (
            select(func.count(), func.coalesce(func.sum(trials.c.seconds), 0.0))
            .join(studies, studies.c.id == trials.c.study)
            .where(studies.c.flow_run == flow_run)
        )
        with self._database.read() as connection:
            number, seconds = connection.execute(query).one()
        return number, seconds

    def _read(self, query: Select[Any]) -> Sequence[RecordedTrial]:
        with self._database.read() as connection:
            return records(connection.execute(query.order_by(trials.c.study, trials.c.number)))


def add_trials(connection: Connection, results: Sequence[TrialResult]) -> None:
    """Write results inside an open transaction; results written before stay unchanged."""
    found = {_name(result.trial.study): result.trial.study for result in results}
    insert_missing(connection, studies, [study_row(study) for study in found.values()])
    numbers = _study_numbers(connection, list(found))
    rows = [trial_row(numbers[_name(result.trial.study)], result) for result in results]
    insert_missing(connection, trials, rows)


def _name(study: Study) -> StudyName:
    return study.flow_run, study.key


def _study_numbers(connection: Connection, names: Sequence[StudyName]) -> dict[StudyName, int]:
    columns = studies.c.flow_run, studies.c.key, studies.c.id
    numbers: dict[StudyName, int] = {}
    for start in range(0, len(names), _FOUND_AT_ONCE):
        these = tuple_(*columns[:2]).in_(names[start : start + _FOUND_AT_ONCE])
        found = connection.execute(select(*columns).where(these))
        numbers.update(((flow_run, key), number) for flow_run, key, number in found)
    return numbers


def _recorded() -> Select[Any]:
    return select(studies.c.content, trials).join(trials, trials.c.study == studies.c.id)


def _last_comparison(customer: str) -> Select[Any]:
    return (
        select(studies.c.metric, studies.c.direction)
        .where(studies.c.customer == customer)
        .order_by(studies.c.id.desc())
        .limit(1)
    )


def _comparable(customer: str, metric: Measure) -> Select[Any]:
    score: ColumnElement[Any] = trials.c.score
    best_first = score if metric.is_minimized else score.desc()
    return (
        _recorded()
        .where(studies.c.customer == customer, studies.c.metric == metric.name, score.is_not(None))
        .order_by(best_first, studies.c.id, trials.c.number)
    )
