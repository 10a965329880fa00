"""A flow run's events as log records: one for its begin and end, one for each instance that ends.

They go to the logger `orchestrator.events` at level INFO, with their fields in `fields`, so that
any handler may format them. Without a handler they cost next to nothing.

Touches logging; takes records; runs on the driver.
"""

import logging
from collections.abc import Sequence

from orchestrator.records import FlowRun, InstanceRecord

_events = logging.getLogger("orchestrator.events")


def log_begin(flow_run: FlowRun) -> None:
    """Log that a flow run has begun, or continues."""
    _log("flow run began", flow_run=flow_run.id, flow=flow_run.flow)


def log_end(flow_run: FlowRun) -> None:
    """Log that a flow run has ended."""
    _log(
        "flow run ended",
        flow_run=flow_run.id,
        flow=flow_run.flow,
        state=flow_run.state,
        seconds=_seconds(flow_run.started, flow_run.ended),
        counts=dict(flow_run.counts),
    )


def log_ends(instances: Sequence[InstanceRecord]) -> None:
    """Log that instances have ended and are recorded."""
    if not _events.isEnabledFor(logging.INFO):
        return
    for instance in instances:
        _log(
            "instance ended",
            flow_run=instance.flow_run,
            task=instance.node,
            key=instance.key,
            state=str(instance.state),
            tries=instance.tries,
            seconds=_seconds(instance.started, instance.ended),
            worker=instance.worker,
            error=(instance.error or "").partition("\n")[0] or None,
        )


def _log(event: str, **fields: object) -> None:
    known = {name: value for name, value in fields.items() if value is not None and value != ""}
    _events.info(event, extra={"fields": known})


def _seconds(started: float | None, ended: float | None) -> float | None:
    return None if started is None or ended is None else round(ended - started, 6)
