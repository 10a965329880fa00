"""The memory that workers have used: the peak of each process so far, and its limit.

Touches distributed; takes a client; gives `Peak`s. Runs on the driver, but for reading the peak.
"""

from dataclasses import dataclass
from pathlib import Path

from distributed import Client, Worker

_STATUS = Path("/proc/self/status")
"""Linux's file. `getrusage` also counts the parent's memory, from before the process began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peak:
    """The most memory a worker's process has used.

    Attributes:
        worker: The worker's address.
        used: Bytes it has used.
        limit: Bytes it may use; Dask spills and pauses before, and ends the process after.
    """

    worker: str
    used: int
    limit: int

    @property
    def share(self) -> float:
        """The used share of the limit."""
        return self.used / self.limit


def peaks(client: Client) -> list[Peak]:
    """The peaks of the workers that have a limit and report memory; silent workers are left out."""
    answers = client.run(_peak_and_limit, on_error="ignore")
    return [
        Peak(worker=worker, used=used, limit=limit)
        for worker, (used, limit) in sorted(answers.items())
        if used and limit
    ]


def _peak_and_limit(dask_worker: Worker) -> tuple[int, int]:
    """Read the peak and the limit, on a worker."""
    lines = _STATUS.read_text().splitlines() if _STATUS.exists() else []
    used = next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
    return used * 1024, dask_worker.memory_manager.memory_limit or 0
