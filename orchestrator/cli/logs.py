"""Keeps libraries' logs off the console, except errors, and secrets out of all logs.

Each event of a flow run is one record of the logger `orchestrator.events`: a message with the
fields flow_run, task, key and others that are known. `--log-json` writes these and all other
records as lines of JSON; without it, records below a warning are not shown.

Touches logging and the environment; runs on the driver before any library is imported.
"""

import json
import logging
import os
import sys
import time
import traceback
from typing import Any

from orchestrator.escapes import visible_json, visible_lines
from orchestrator.redaction import redacted

_OWN = "orchestrator"

_TALKATIVE = ("alembic", "distributed", "mlflow", "stamina")


def quiet() -> None:
    """Let verbose libraries log errors only, unless the environment sets another level."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    # MLflow and Dask read their levels from the environment when they are imported.
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("DASK_DISTRIBUTED__LOGGING__DISTRIBUTED", "error")
    logging.setLogRecordFactory(RedactedRecord)


def as_json_lines() -> None:
    """Write every log record, and every message for the user, as a line of JSON on stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.getLogger().addHandler(handler)
    logging.getLogger(_OWN).setLevel(logging.INFO)
    logging.captureWarnings(capture=True)


def as_text() -> None:
    """Undo `as_json_lines`."""
    for handler in _json_handlers():
        logging.getLogger().removeHandler(handler)
        logging.getLogger(_OWN).setLevel(logging.NOTSET)
        logging.captureWarnings(capture=False)


def told_as_json(level: int, message: str, **fields: Any) -> bool:
    """Log a message for the user as a line of JSON, if requested; return whether it was."""
    if not _json_handlers():
        return False
    logging.getLogger(__name__).log(level, "%s", message, extra={"fields": fields})
    return True


def _json_handlers() -> list[logging.Handler]:
    handlers = logging.getLogger().handlers
    return [handler for handler in handlers if isinstance(handler.formatter, JsonLines)]


class JsonLines(logging.Formatter):
    """A record as one line of JSON: time, level, logger, message, and the fields of an event."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, Any] = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            + f".{int(record.msecs):03}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_text:
            line["traceback"] = record.exc_text
        return visible_json(redacted(json.dumps(line, ensure_ascii=False, default=str)))


class RedactedRecord(logging.LogRecord):
    """A log record without secrets in its message or its traceback."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.exc_info:
            lines = "".join(traceback.format_exception(*self.exc_info)).rstrip()
            self.exc_text = visible_lines(redacted(lines))

    def getMessage(self) -> str:  # noqa: N802 - logging's own name
        """Return the message with secrets removed and control characters escaped."""
        return visible_lines(redacted(super().getMessage()))
