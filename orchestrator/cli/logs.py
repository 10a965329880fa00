"""Keeps libraries' logs off the console, but for what went wrong, and secrets out of all logs.

Touches logging and the environment; runs on the driver before any library is imported.
"""

import logging
import os
import traceback
from typing import Any

from orchestrator.redaction import redacted

_TALKATIVE = ("alembic", "distributed", "mlflow", "stamina")


def quiet() -> None:
    """Let talkative libraries log errors only; what the environment says is left as it is."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    # These two set their levels when they are imported, from the environment.
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("DASK_DISTRIBUTED__LOGGING__DISTRIBUTED", "error")
    logging.setLogRecordFactory(RedactedRecord)


class RedactedRecord(logging.LogRecord):
    """A log record that shows no secret, neither in its message nor in its traceback."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.exc_info:
            self.exc_text = redacted("".join(traceback.format_exception(*self.exc_info)).rstrip())

    def getMessage(self) -> str:  # noqa: N802 - logging's own name
        """What is logged."""
        return redacted(super().getMessage())
