"""Where flows of files run and are recorded: in what a configuration says, or in the defaults.

Touches no library itself; takes a configuration; gives `RunSettings`; driver. A flow of a file
needs no configuration, and only a few of its keys. So a configuration that is wrong elsewhere still
says where its ledger is, which is all that resuming needs.
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
"""The keys that say where the ledger is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Where flows run with `--cluster`, where they are recorded, and how long they may take to end.

    Attributes:
        ledger: The ledger's address.
        cluster: Where mapped tasks run.
        grace: Seconds that what runs has to end when a flow run is interrupted.
        logs: Which of what tasks say is kept.
        has_logs: Whether the configuration or the command says so; else a flow may.
        file: The configuration; None where there is none.
        problem: What is wrong with the configuration, beyond where its ledger is.
    """

    ledger: str = DEFAULT_LEDGER
    cluster: Cluster = field(default_factory=Cluster)
    grace: float = 30.0
    logs: Logs = field(default_factory=Logs)
    has_logs: bool = False
    file: Path | None = None
    problem: ConfigError | None = None

    def require_valid(self) -> None:
        """Raise what is wrong with the configuration.

        Raises:
            ConfigError: Something is.
        """
        if self.problem is not None:
            raise self.problem


def run_settings(
    path: str | None, *, grace: float | None = None, keep_logs: KeptLogs | None = None
) -> RunSettings:
    """Return the settings of a configuration, or the default ones where there is none.

    Args:
        path: The configuration; None is the one that is found.
        grace: Takes precedence over the configured one.
        keep_logs: Takes precedence over the configured one.

    Raises:
        ConfigError: The configuration is not there, or does not say where its ledger is.
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
    """The settings that say where the ledger is, with all others at their defaults."""
    places = {key: document[key] for key in _PLACES if key in document}
    others = {"registry": {"source": "inline"}, "evaluation": {"loader": "none:none"}}
    try:
        return config.parse({**places, **others}, file)
    except ConfigError:
        raise problem from None
