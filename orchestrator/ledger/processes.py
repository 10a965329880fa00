"""Whether a process that wrote its id down somewhere has died.

Touches os and psutil; takes and gives plain values; runs on the driver.
"""

import os
import socket
from functools import cache
from pathlib import Path

import psutil


@cache
def here() -> str:
    """Where process ids have the meaning they have for this process.

    It is one boot of one machine and one namespace of processes: containers may share a machine's
    name. Where a system tells neither, it is the name of the host.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux
        return socket.gethostname()


def is_surely_dead(pid: int, place: str) -> bool:
    """Whether a process is known to be no more; False where that cannot be told from here."""
    if place != here():
        return False
    try:
        os.kill(pid, 0)  # asks only; unlike /proc it knows of what `hidepid` hides
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except PermissionError:  # it lives, another user's
        return False
    except (ProcessLookupError, psutil.NoSuchProcess):
        return True
