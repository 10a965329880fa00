"""The options that `run`, `resume` and `rerun` have in common.

Touches no library; takes the typed options; gives a record of them; driver.
"""

from dataclasses import dataclass

from orchestrator.records import KeptLogs


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options by which a command drives, watches and reports a flow run.

    Attributes:
        config: The configuration file, which names the ledger; None to search for one.
        force: Whether to take over from a driver that may be at work.
        grace: The seconds that running tasks have to end after an interrupt; None takes the
            configured ones.
        log_json: Whether to write every event as a line of JSON on stderr, without bars.
        metrics: The port, or host and port, that serves Prometheus metrics; None for no metrics.
        logs: Whether to show the logs of tasks; None shows those of a flow file that runs in this
            process.
        keep_logs: The attempts that the ledger keeps logs of; None takes the configured ones.
        as_json: Whether to print the report as JSON.
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
        """Whether to show the logs of a flow file's tasks.

        Args:
            inline: Whether the tasks run in this process, as they do while a flow is developed.
        """
        return inline if self.logs is None else self.logs
