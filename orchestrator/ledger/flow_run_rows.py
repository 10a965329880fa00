"""A flow run as a row of the ledger, and the row as a record again.

Touches pydantic; takes and gives `FlowRun`; no I/O; runs on the driver.
"""

import json
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Row

from orchestrator.ledger.codec import dump, dump_for_people, load
from orchestrator.records import ErasureRun, ExperimentRun, FileRun, FlowRun, RunOrigin
from orchestrator.redaction import without_secrets

_ORIGINS: dict[str, TypeAdapter[Any]] = {
    "experiment": TypeAdapter(ExperimentRun),
    "file": TypeAdapter(FileRun),
    "erasure": TypeAdapter(ErasureRun),
}
"""By the column `kind`."""

_KINDS: dict[type, str] = {ExperimentRun: "experiment", FileRun: "file", ErasureRun: "erasure"}


def flow_run_row(flow_run: FlowRun) -> dict[str, Any]:
    """Return the row of the table of flow runs."""
    return {
        "id": flow_run.id,
        "flow": flow_run.flow,
        "state": flow_run.state,
        "params": dump_for_people(without_secrets(flow_run.params)),
        "started": flow_run.started,
        "ended": flow_run.ended,
        "counts": dump_for_people(flow_run.counts),
        **origin_columns(flow_run.origin),
    }


def origin_columns(origin: RunOrigin | None) -> dict[str, Any]:
    """Return the columns that say what a flow run is a run of."""
    if origin is None:
        return {"kind": None, "context": "{}"}
    return {"kind": _KINDS[type(origin)], "context": dump(origin)}


def origin_of(kind: str | None, context: str) -> RunOrigin | None:
    """Return what a flow run is a run of, by the columns of those names.

    Raises:
        MachineryError: They do not fit together.
    """
    if kind is None:
        return None
    origin: RunOrigin = load(_ORIGINS[kind], context)
    return origin


def flow_run_of(row: Row[Any], *, is_over: bool) -> FlowRun:
    """Return the record of a row.

    Args:
        row: All columns of the table.
        is_over: Whether its driver has left it, though the row may say that it is running.
    """
    return FlowRun(
        id=row.id,
        flow=row.flow,
        state="interrupted" if is_over and row.state == "running" else row.state,
        params=json.loads(row.params),
        started=row.started,
        ended=row.ended,
        counts=json.loads(row.counts),
        origin=origin_of(row.kind, row.context),
    )
