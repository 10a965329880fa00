"""The cluster and ledger for flows of files: from a configuration, or the defaults.

Touches no library itself; takes a configuration; gives `RunSettings`; driver. A flow of a file
needs no configuration, or only a few of its keys. So a configuration with errors in other keys
still gives the ledger's address, which is all that resuming needs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from orchestrator import config
from orchestrator.api.project_folder import require_no_earlier_ledger
from orchestrator.clusters import Cluster
from orchestrator.errors import ConfigError
from orchestrator.records import KeptLogs, Logs
from orchestrator.settings import ExperimentSettings

DEFAULT_LEDGER = "sqlite:///state/ledger.db"

_PLACES = ("experiment", "root", "ledger")
"""The keys that determine the ledger's address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """The cluster for flows with `--cluster`, the ledger, and the time that they may take to end.

    Attributes:
        ledger: The ledger's address.
        cluster: The cluster on which mapped tasks run.
        grace: Seconds that running calls have to end when a flow run is interrupted.
        logs: The settings of the logs of tasks.
        has_logs: Whether `logs` comes from the configuration or the command; else a flow may
            choose.
        file: The configuration file; None if there is none.
        problem: The error of the configuration, if it concerns keys other than the ledger's.
    """

    ledger: str = DEFAULT_LEDGER
    cluster: Cluster = field(default_factory=Cluster)
    grace: float = 30.0
    logs: Logs = field(default_factory=Logs)
    has_logs: bool = False
    file: Path | None = None
    problem: ConfigError | None = None

    def require_valid(self) -> None:
        """Raise the error of the configuration, if there is one.

        Raises:
            ConfigError: The configuration is wrong.
        """
        if self.problem is not None:
            raise self.problem


def run_settings(
    path: str | None, *, grace: float | None = None, keep_logs: KeptLogs | None = None
) -> RunSettings:
    """Return the settings of a configuration, or the default ones where there is none.

    Args:
        path: The configuration file; None searches for it.
        grace: Seconds that take precedence over the configured ones.
        keep_logs: The choice of logs that takes precedence over the configured one.

    Raises:
        ConfigError: The configuration does not exist, or does not give its ledger's address.
        UsageError: Its ledger, as an earlier version placed it, is in the current folder.
    """
    file = config.find_any(path)
    found = RunSettings() if file is None else _of_file(file)
    if keep_logs is not None:
        found = replace(found, logs=replace(found.logs, keep=keep_logs), has_logs=True)
    return found if grace is None else replace(found, grace=grace)


def _of_file(file: Path) -> RunSettings:
    document = config.read(file)
    try:
        settings, problem = config.parse(document, file), None
    except ConfigError as error:
        settings, problem = _only_places(document, file, error), error
    require_no_earlier_ledger(settings)
    return RunSettings(
        ledger=settings.ledger,
        cluster=settings.cluster,
        grace=settings.grace,
        logs=settings.logs,
        has_logs="logs" in document and problem is None,
        file=file,
        problem=problem,
    )


def _only_places(
    document: Mapping[str, Any], file: Path, problem: ConfigError
) -> ExperimentSettings:
    """Return the settings of the ledger's address, with all others at their defaults."""
    places = {key: document[key] for key in _PLACES if key in document}
    others = {"registry": {"source": "inline"}, "evaluation": {"loader": "none:none"}}
    try:
        return config.parse({**places, **others}, file)
    except ConfigError:
        raise problem from None
