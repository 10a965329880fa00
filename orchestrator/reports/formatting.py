"""Parameters and moments as people read them.

Touches no library; takes values; gives texts; runs on the driver.
"""

import time

from orchestrator.records import Params


def in_short(params: Params) -> str:
    """Parameters in one line; numbers with the digits that matter to a reader."""
    return ", ".join(f"{name}={_in_short(value)}" for name, value in params.items())


def moment(seconds: float) -> str:
    """A time as people read it, in this machine's zone."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _in_short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
