"""How a command drives a flow run: what `run`, `resume` and `rerun` have in common.

Touches no library; a record made of what was typed; driver.
"""

from dataclasses import dataclass

from orchestrator.records import KeptLogs


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a flow run is driven, watched and reported.

    Attributes:
        config: The configuration, which names the ledger; None for the one that is found.
        force: Take the place of a driver that may be at work.
        grace: Seconds that what runs has to end when it is interrupted; None: as configured.
        log_json: Draw no bars: every event is written as a line of JSON on stderr.
        metrics: Serve Prometheus metrics at this port, or host and port.
        logs: Show what tasks say; None: of a flow file that runs in this process.
        keep_logs: Of which attempts it is kept; None: as configured.
        as_json: Whether the report is JSON.
    """

    config: str | None = None
    force: bool = False
    grace: float | None = None
    log_json: bool = False
    metrics: str | None = None
    logs: bool | None = None
    keep_logs: KeptLogs | None = None
    as_json: bool = False

    def shows_logs(self, *, inline: bool) -> bool:
        """Whether what the tasks of a flow file say is shown.

        Args:
            inline: Whether they run in this process, as while somebody writes a flow.
        """
        return inline if self.logs is None else self.logs
