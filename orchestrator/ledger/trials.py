"""Trial results: written once under their MLflow run id, sent later, read again as records.

The outbox of law 3: a trial is committed here first and stays `pending` until MLflow has it.
Touches SQLAlchemy and pydantic; takes `TrialResult`; gives `RecordedTrial`; runs on the driver.
"""

import json
import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, func, select, update

from orchestrator.identity import run_id
from orchestrator.ledger.database import Database
from orchestrator.ledger.encoding import dump, load, storable
from orchestrator.ledger.tables import studies, trials
from orchestrator.ledger.writing import insert_missing
from orchestrator.records import Study, Trial, TrialResult

_STUDY = TypeAdapter(Study)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTrial:
    """A trial result with the flow run it is of and its MLflow run id."""

    flow_run: str
    run_id: str
    result: TrialResult


class Trials:
    """Every trial of every flow run."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, flow_run: str, results: Sequence[TrialResult]) -> None:
        """Write results of a flow run that has begun; those written before stay as they are."""
        with self._database.write() as connection:
            add_trials(connection, flow_run, results)

    def pending(self, limit: int | None = None) -> Sequence[RecordedTrial]:
        """Trials MLflow does not have yet, oldest first."""
        return self._read(_recorded().where(trials.c.sent.is_(None)).limit(limit))

    def mark_sent(self, run_ids: Iterable[str]) -> None:
        """MLflow has these now."""
        sent = [{"of": each, "at": time.time()} for each in run_ids]
        if not sent:
            return
        by_run_id = update(trials).where(trials.c.run_id == bindparam("of"))
        with self._database.write() as connection:
            connection.execute(by_run_id.values(sent=bindparam("at")), sent)

    def of_run(self, flow_run: str) -> Sequence[RecordedTrial]:
        """All trials of a flow run, by its whole id."""
        return self._read(_recorded().where(studies.c.flow_run == flow_run))

    def of_customer(self, customer: str) -> Sequence[RecordedTrial]:
        """All trials a customer ever had, oldest first."""
        return self._read(_recorded().where(studies.c.customer == customer))

    def of_model(self, model: str) -> Sequence[RecordedTrial]:
        """All trials a model ever had, oldest first."""
        return self._read(_recorded().where(studies.c.model == model))

    def best(self, customer: str, n: int = 1) -> Sequence[RecordedTrial]:
        """A customer's best trials by the metric and direction it was last compared by.

        They may be of different flow runs, and so of different data.
        """
        with self._database.read() as connection:
            last = connection.execute(_last_comparison(customer)).one_or_none()
            if last is None:
                return []
            query = _comparable(customer, last.metric, last.direction)
            return _records(connection.execute(query.limit(n)))

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

    def _read(self, query: Select[Any]) -> Sequence[RecordedTrial]:
        with self._database.read() as connection:
            return _records(connection.execute(query.order_by(studies.c.id, trials.c.number)))


def add_trials(connection: Connection, flow_run: str, results: Sequence[TrialResult]) -> None:
    """Write results inside someone's transaction; those written before stay as they are."""
    of_key = {result.trial.study.key: result.trial.study for result in results}
    insert_missing(connection, studies, [_study_row(flow_run, s) for s in of_key.values()])
    numbers = _study_numbers(connection, flow_run, list(of_key))
    rows = [_trial_row(flow_run, numbers[r.trial.study.key], r) for r in results]
    insert_missing(connection, trials, rows)


def _study_numbers(connection: Connection, flow_run: str, keys: list[str]) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for start in range(0, len(keys), 1_000):
        query = select(studies.c.key, studies.c.id).where(
            studies.c.flow_run == flow_run, studies.c.key.in_(keys[start : start + 1_000])
        )
        numbers.update((row.key, row.id) for row in connection.execute(query))
    return numbers


def _study_row(flow_run: str, study: Study) -> dict[str, Any]:
    return {
        "flow_run": flow_run,
        "key": study.key,
        "customer": study.customer.id,
        "model": study.model.id,
        "metric": study.evaluation.metric,
        "direction": study.evaluation.direction,
        "content": dump(study),
    }


def _trial_row(flow_run: str, study: int, result: TrialResult) -> dict[str, Any]:
    return {
        "study": study,
        "number": result.trial.number,
        "run_id": run_id(flow_run, result.trial.key),
        "state": result.state,
        "score": _score(result),
        "seconds": math.fsum((*result.fit_seconds, *result.score_seconds)),
        "params": dump(result.trial.params),
        "scores": dump(result.scores),
        "fit_seconds": dump(result.fit_seconds),
        "score_seconds": dump(result.score_seconds),
        "rows": int(result.rows),
        "data_version": result.data_version,
        "started": float(result.started),
        "ended": float(result.ended),
        "worker": result.worker,
        "error": None if result.error is None else storable(result.error),
    }


def _score(result: TrialResult) -> float | None:
    """What trials are ordered by; neither database orders NaN as a person would."""
    metric = result.trial.study.evaluation.metric
    if result.state != "success" or not result.scores.get(metric):
        return None
    mean = float(result.mean(metric))
    return mean if math.isfinite(mean) else None


def _recorded() -> Select[Any]:
    return select(studies.c.flow_run, studies.c.content, trials).join(
        trials, trials.c.study == studies.c.id
    )


def _last_comparison(customer: str) -> Select[Any]:
    return (
        select(studies.c.metric, studies.c.direction)
        .where(studies.c.customer == customer)
        .order_by(studies.c.id.desc())
        .limit(1)
    )


def _comparable(customer: str, metric: str, direction: str) -> Select[Any]:
    score: ColumnElement[Any] = trials.c.score
    return (
        _recorded()
        .where(studies.c.customer == customer, studies.c.metric == metric, score.is_not(None))
        .order_by(score.desc() if direction == "maximize" else score, studies.c.id, trials.c.number)
    )


def _records(rows: Iterable[Row[Any]]) -> list[RecordedTrial]:
    """The rows as records; trials of a study share one `Study`."""
    parsed: dict[int, Study] = {}
    records = []
    for row in rows:
        if row.study not in parsed:
            parsed[row.study] = load(_STUDY, row.content)
        records.append(_record(row, parsed[row.study]))
    return records


def _record(row: Row[Any], study: Study) -> RecordedTrial:
    result = TrialResult(
        trial=Trial(study=study, number=row.number, params=json.loads(row.params)),
        state=row.state,
        scores=_per_fold(row.scores),
        fit_seconds=tuple(json.loads(row.fit_seconds)),
        score_seconds=tuple(json.loads(row.score_seconds)),
        rows=row.rows,
        data_version=row.data_version,
        started=row.started,
        ended=row.ended,
        worker=row.worker,
        error=row.error,
    )
    return RecordedTrial(flow_run=row.flow_run, run_id=row.run_id, result=result)


def _per_fold(text: str) -> Mapping[str, tuple[float, ...]]:
    return {metric: tuple(values) for metric, values in json.loads(text).items()}
