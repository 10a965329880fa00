"""Keeps libraries' logs off the console, but for what went wrong.

Touches logging and the environment; runs on the driver before any library is imported.
"""

import logging
import os

_TALKATIVE = ("alembic", "distributed", "mlflow", "stamina")


def quiet() -> None:
    """Let talkative libraries log errors only; what the environment says is left as it is."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    # These two set their levels when they are imported, from the environment.
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("DASK_DISTRIBUTED__LOGGING__DISTRIBUTED", "error")
