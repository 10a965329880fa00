"""The MLflow run of a trial: `TrialResult` -> `TrackedRun`.

Touches no library and does no I/O; takes a trial's result; gives a record that every tracker
writes in the same way; runs on the driver.

Runs of all customers and models share their metric keys, because MLflow shows them in one table:
`roc_auc` (mean over folds), `roc_auc_std`, `roc_auc_fold` (one step per fold, which MLflow draws as
a chart), `fit_seconds`, `score_seconds`, `rows`. Tags hold the values to group by. A pruned trial
is a KILLED run with the folds it completed; a trial that timed out is FAILED like any that failed,
and the tag `state` distinguishes them.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from orchestrator import identity
from orchestrator.records import FlowRun, TrialResult, TrialState
from orchestrator.redaction import without_secrets


class MetricValue(NamedTuple):
    """One value of a metric's history."""

    key: str
    value: float
    step: int = 0


class Dataset(NamedTuple):
    """The data that a run used; equal for all trials of a customer on the same data.

    Attributes:
        name: The customer's id.
        digest: The data's version.
        source: The origin of the data as JSON, without secrets.
        source_type: MLflow's term for the kind of `source`.
    """

    name: str
    digest: str
    source: str
    source_type: str = "code"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackedRun:
    """One MLflow run that has ended; it is completely known before any part of it is written.

    Attributes:
        run_id: 32 hex digits derived from the trial; the same each time it is sent (law 3).
        name: The name in MLflow's table.
        status: MLflow's term for the outcome.
        start_time, end_time: Milliseconds since the epoch.
        params: Fixed and searched hyperparameters, as text.
        metrics: The history of every metric.
        tags: The values by which runs are grouped and found.
        dataset: The data that the run used; None if it was never known.
    """

    run_id: str
    name: str
    status: Literal["FINISHED", "FAILED", "KILLED"]
    start_time: int
    end_time: int
    params: Mapping[str, str]
    metrics: Sequence[MetricValue]
    tags: Mapping[str, str]
    dataset: Dataset | None = None


_CREDENTIALS = re.compile(r"(?<=://)[^/@?]*@|\?.*", re.DOTALL)
"""The secret parts of an address: user and password, and a signature in its query."""

_STATUS: Mapping[TrialState, Literal["FINISHED", "FAILED", "KILLED"]] = {
    "success": "FINISHED",
    "pruned": "KILLED",  # MLflow's term for a run that was ended before it was finished
    "failed": "FAILED",
    "timed_out": "FAILED",
}


def tracked_run(result: TrialResult, *, user: str, source: str = "orchestrator") -> TrackedRun:
    """Return the MLflow run of one trial.

    Args:
        result: The trial's result.
        user: The user that runs it, for MLflow's column User.
        source: The program that runs it, for MLflow's column Source.
    """
    trial = result.trial
    params = {**trial.study.model.params, **trial.params}
    return TrackedRun(
        run_id=trial.run_id,
        name=trial.key,
        status=_STATUS[result.state],
        start_time=round(result.started * 1000),
        end_time=round(result.ended * 1000),
        params={name: str(value) for name, value in params.items()},
        metrics=tuple(_metrics(result)),
        tags={
            "mlflow.runName": trial.key,
            "mlflow.user": user,
            "mlflow.source.name": source,
            "mlflow.source.type": "LOCAL",
            **{tag: text for tag, text in _tags(result).items() if text},
        },
        dataset=_dataset(result),
    )


def summary_id(flow_run: str) -> str:
    """Return the run id of a whole flow run's report; it differs from every trial's."""
    return identity.run_id(flow_run, "report")


def summary_run(flow_run: FlowRun, *, customers: int) -> TrackedRun:
    """Return the MLflow run of a whole flow run; the report is a file of this MLflow run.

    Args:
        flow_run: The flow run, which has ended.
        customers: The number of customers for which the flow run made a trial.
    """
    ended = flow_run.ended or flow_run.started
    name = f"report of {flow_run.id}"
    counts = {f"instances_{state}": number for state, number in flow_run.counts.items()}
    metrics = {"customers": customers, "seconds": ended - flow_run.started, **counts}
    return TrackedRun(
        run_id=summary_id(flow_run.id),
        name=name,
        status="FINISHED",
        start_time=round(flow_run.started * 1000),
        end_time=round(ended * 1000),
        params={},
        metrics=tuple(MetricValue(key, value) for key, value in metrics.items()),
        tags={"mlflow.runName": name, "report_of": flow_run.id, "state": flow_run.state},
    )


def _tags(result: TrialResult) -> dict[str, str]:
    study = result.trial.study
    is_whole = result.state == "success"
    return {
        "customer": study.customer.id,
        "segment": study.customer.segment,
        "model": study.model.id,
        "study": study.key,
        "trial": str(result.trial.number),
        "flow_run": study.flow_run,
        "snapshot": study.snapshot,
        "data_version": result.data_version,
        "worker": result.worker,
        "state": "" if is_whole else result.state,
        "budget": "" if is_whole or result.trial.budget is None else str(result.trial.budget),
        "violates": _violates(result),
        "champion": "false",  # until it is promoted; `!=` finds only runs that have the tag
        "error": result.error or "",
    }


def _dataset(result: TrialResult) -> Dataset | None:
    if not result.data_version:
        return None
    study = result.trial.study
    data = study.customer.data
    if isinstance(data, str) and "://" in data:
        data = _CREDENTIALS.sub("", data)
    source = {"mlflow.source.name": study.evaluation.loader, "data": without_secrets(data)}
    return Dataset(
        name=study.customer.id,
        digest=result.data_version,
        source=json.dumps({"tags": source}, default=str),
    )


def _violates(result: TrialResult) -> str:
    """Return the constraints that a successful trial violates, so that it cannot be served."""
    if result.state != "success":
        return ""
    return ", ".join(map(str, result.violated(result.trial.study.evaluation.constraints)))


def _metrics(result: TrialResult) -> Iterator[MetricValue]:
    for metric, folds in result.scores.items():
        mean = result.mean(metric)
        yield MetricValue(metric, mean)
        yield MetricValue(f"{metric}_std", _standard_deviation(folds, mean))
        for fold, value in enumerate(folds):
            yield MetricValue(f"{metric}_fold", value, fold)
    for name in result.has_measured:
        if name not in result.scores:
            yield MetricValue(name, result.measured(name))
    if result.rows:
        yield MetricValue("rows", result.rows)


def _standard_deviation(values: Sequence[float], mean: float) -> float:
    """Return the population standard deviation of the folds, as GridSearchCV reports it."""
    return math.sqrt(sum((value - mean) ** 2 for value in values) / len(values))
