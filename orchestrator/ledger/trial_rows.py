"""Converts trials and their studies to rows of the ledger, and back to records.

Touches pydantic; takes and gives `TrialResult`s; no I/O; runs on the driver.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row

from orchestrator.ledger.codec import dump, load, storable
from orchestrator.records import Budget, Study, Trial, TrialResult

_STUDY = TypeAdapter(Study)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedTrial:
    """A trial result, and the time MLflow received it; None before."""

    result: TrialResult
    sent: float | None

    @property
    def flow_run(self) -> str:
        """Its flow run."""
        return self.result.trial.study.flow_run

    @property
    def run_id(self) -> str:
        """Its MLflow run id."""
        return self.result.trial.run_id


def study_row(study: Study) -> dict[str, Any]:
    """The row of a study; the table assigns its number."""
    return {
        "flow_run": study.flow_run,
        "key": study.key,
        "customer": study.customer.id,
        "model": study.model.id,
        "champion": study.champion,
        "metric": study.evaluation.metric,
        "direction": study.evaluation.direction,
        "content": dump(study),
    }


def trial_row(study: int, result: TrialResult) -> dict[str, Any]:
    """The row of a trial; `study` is its study's number."""
    return {
        "study": study,
        "number": result.trial.number,
        "run_id": result.trial.run_id,
        "state": result.state,
        "score": _score(result),
        "seconds": math.fsum((*result.fit_seconds, *result.score_seconds)),
        "params": dump(result.trial.params),
        "budget": None if result.trial.budget is None else dump(result.trial.budget),
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
    """The score trials are ordered by; neither database orders NaN as a person would."""
    metric = result.trial.study.evaluation.metric
    if result.state != "success" or not result.scores.get(metric):
        return None
    mean = float(result.mean(metric))
    return mean if math.isfinite(mean) else None


def records(rows: Iterable[Row[Any]]) -> list[RecordedTrial]:
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
        trial=Trial(
            study=study,
            number=row.number,
            params=json.loads(row.params),
            budget=None if row.budget is None else Budget(**json.loads(row.budget)),
        ),
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
    return RecordedTrial(result=result, sent=row.sent)


def _per_fold(text: str) -> Mapping[str, tuple[float, ...]]:
    return {metric: tuple(values) for metric, values in json.loads(text).items()}
