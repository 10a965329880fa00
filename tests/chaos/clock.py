"""`orchestrator` with a clock that SIGUSR1 sets back by an hour.

Touches signal and time; a driver's process.
"""

import signal
import sys
import time

from orchestrator.cli import main

_HOUR = 3600.0


def inject() -> None:
    """From SIGUSR1 on this process lives an hour ago; its monotonic clock goes on as before."""
    tell, offset = time.time, 0.0

    def set_back(*_: object) -> None:
        nonlocal offset
        offset = -_HOUR

    signal.signal(signal.SIGUSR1, set_back)
    time.time = lambda: tell() + offset


if __name__ == "__main__":
    inject()
    main(sys.argv[1:])
