"""The events of a flow run, as one stream of records for observers: notifications, pages.

    occurrences  the records: a flow run began or ended, a champion was promoted, a guard refused
    stream       hands each record to every observer, and is never held up by one

Touches no library; takes what happened; gives it to observers; runs on the driver.
"""

from orchestrator.events.occurrences import (
    FlowRunBegan,
    FlowRunEnded,
    GuardRefused,
    MlflowBehind,
    Occurrence,
    Promoted,
)
from orchestrator.events.stream import EventObserver, Stream, observing

__all__ = [
    "EventObserver",
    "FlowRunBegan",
    "FlowRunEnded",
    "GuardRefused",
    "MlflowBehind",
    "Occurrence",
    "Promoted",
    "Stream",
    "observing",
]
