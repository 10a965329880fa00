"""The connection to the scheduler, which may be lost for a while and come back.

A local cluster's scheduler lives in this process: what is lost with it does not come back. That of
another process may be started again, or be behind a network that was cut; Dask's client then tries
for its `timeout` to reach it at the same address, and is closed if it cannot. By then it has
forgotten what was running, and so has the scheduler, so all of that is to be given again.

Touches distributed; takes a client; gives answers. Runs on the driver.
"""

import logging
import time
from collections.abc import Callable

from distributed import Client

from orchestrator.errors import MachineryError

logger = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 0.1
"""Seconds between checks, since Dask does not report that a client is connected again."""

_LONGEST_UNANSWERED = 60.0
"""Seconds of a scheduler that is connected again and again, but never answers; those in which it is
away do not count. A number of tries would be used up in the moment before Dask's client notices
that the scheduler has gone."""


class Connection:
    """A client's connection to its scheduler.

    Args:
        client: A connected client.
        clock: Gives the seconds of a monotonic clock.

    Attributes:
        lost: Whether it was lost and the running batches must still be sent again.
    """

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._clock = client, clock
        self._address = client.scheduler.address if client.scheduler else ""
        self._joined = client.scheduler_comm
        self.lost = False
        self._unanswered_since: float | None = None
        self._away_since: float | None = None

    def join(self) -> None:
        """Note that the executor joins the present scheduler."""
        self._joined = self._client.scheduler_comm

    def forgot(self) -> bool:
        """Note that the scheduler has forgotten a batch; return whether it can be sent again.

        A scheduler that was restarted, and not lost, is there at once.
        """
        if self._client.status != "running" and not self._may_return():
            return False
        self._note()
        return True

    def problem(self) -> str:
        """The reason why the cluster is gone for good; "" while there is one, or may be again.

        It may be another scheduler than the executor has joined, which was lost and came back
        while no batch was with it: the new one does not know the executor.
        """
        status = self._client.status
        if status == "running":
            self._leave_out_absence()
            if self._client.scheduler_comm is not self._joined:
                self._note()
            return ""
        if status == "connecting" and self._may_return():
            self._note()
            if self._away_since is None:
                self._away_since = self._clock()
            return ""
        if self.lost:
            return f"the Dask scheduler at {self._address} was lost and did not come back in time"
        return f"the Dask client is {status}"

    def has_returned(self) -> bool:
        """Whether the scheduler has come back after it was lost."""
        return self.lost and self._client.status == "running"

    def found_no_answer(self, error: MachineryError) -> None:
        """Note that the scheduler that had returned does not answer.

        Raises:
            MachineryError: It has not answered for too long.
        """
        now = self._clock()
        if self._unanswered_since is None:
            self._unanswered_since = now
        if now - self._unanswered_since > _LONGEST_UNANSWERED:
            raise error

    def answered(self) -> None:
        """Note that the executor has joined the present scheduler."""
        self.lost, self._unanswered_since = False, None

    def _leave_out_absence(self) -> None:
        """Count the time in which the scheduler was away as none in which it did not answer."""
        if self._away_since is not None and self._unanswered_since is not None:
            self._unanswered_since += self._clock() - self._away_since
        self._away_since = None

    def _may_return(self) -> bool:
        return self._client.cluster is None

    def _note(self) -> None:
        if not self.lost:
            self.lost = True
            logger.warning("the Dask scheduler at %s is lost: waiting for it", self._address)
