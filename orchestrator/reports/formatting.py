"""Parameters and times in readable form.

Touches no library; takes values; gives texts; runs on the driver.
"""

import time

from orchestrator.records import Params


def in_short(params: Params) -> str:
    """Return parameters on one line; numbers have four significant digits."""
    return ", ".join(f"{name}={_in_short(value)}" for name, value in params.items())


def moment(seconds: float) -> str:
    """Return a time in readable form, in this machine's time zone."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _in_short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
