"""The configuration that a command works with, and the folder that the command then stands in.

Touches no library itself; takes `--config`; gives `Experiment` or `RunSettings`; runs on the
driver.
"""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator import config
from orchestrator.cli import import_path
from orchestrator.clusters import Cluster
from orchestrator.errors import UsageError
from orchestrator.records import KeptLogs, Logs
from orchestrator.settings import Experiment
from orchestrator.sql.addresses import file_of, url_of

DEFAULT_LEDGER = "sqlite:///state/ledger.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Where flows run with `--cluster`, where they are recorded, and how long they may take to end.

    Attributes:
        ledger: The ledger's address.
        cluster: Where mapped tasks run.
        grace: Seconds that what runs has to end when a flow run is interrupted.
        logs: Which of what tasks say is kept.
        has_logs: Whether the configuration or the command says so; else a flow may.
    """

    ledger: str = DEFAULT_LEDGER
    cluster: Cluster = field(default_factory=Cluster)
    grace: float = 30.0
    logs: Logs = field(default_factory=Logs)
    has_logs: bool = False


def configured(path: str | None) -> Experiment:
    """The configured experiment; from now on the process stands in its root.

    Make paths that were typed absolute before, since they start from the folder they were typed in.

    Raises:
        ConfigError: There is no configuration, or it is wrong.
        UsageError: The ledger of an earlier version is where the command was typed.
    """
    experiment = config.load(config.find(path))
    stand_in_root(experiment)
    return experiment


def stand_in_root(experiment: Experiment) -> None:
    """Make the experiment's root the current folder, and find modules in it; workers inherit both.

    Raises:
        UsageError: The ledger of an earlier version is where the command was typed.
    """
    if experiment.root is None:
        return
    _require_root(experiment)
    import_path.add(experiment.root)
    os.chdir(experiment.root)


def place(
    path: str | None, *, grace: float | None = None, keep_logs: KeptLogs | None = None
) -> RunSettings:
    """The configured place, or the default one where nothing is configured.

    Args:
        path: The configuration.
        grace: Goes before the configured one.
        keep_logs: Goes before the configured one.

    Raises:
        ConfigError: The configuration that was named, or found, is wrong.
    """
    found = _configured(path)
    if keep_logs is not None:
        found = replace(found, logs=replace(found.logs, keep=keep_logs), has_logs=True)
    return found if grace is None else replace(found, grace=grace)


def _configured(path: str | None) -> RunSettings:
    named = path is not None or config.ENVIRONMENT_VARIABLE in os.environ
    if not named and not any(Path(default).is_file() for default in config.DEFAULT_PATHS):
        return RunSettings()
    experiment = config.load(config.find(path))
    _require_root(experiment)
    return RunSettings(
        ledger=experiment.ledger,
        cluster=experiment.cluster,
        grace=experiment.grace,
        logs=experiment.logs,
        has_logs="logs" in (experiment.document or {}),
    )


def _require_root(experiment: Experiment) -> None:
    """Refuse to begin a second ledger where earlier versions kept one in the current folder.

    They took relative addresses as starting from there, wherever the configuration was.
    """
    root, file = experiment.root, file_of(url_of(experiment.ledger))
    if root is None or file is None or "root" in (experiment.document or {}) or file.is_file():
        return
    if not file.is_relative_to(root):
        return
    earlier = Path.cwd() / file.relative_to(root)
    if earlier.is_file():
        raise UsageError(
            f"relative addresses of {experiment.config} start from its own folder, where there is "
            f"no ledger {file}; but there is {earlier}. Write "
            f"`root: {os.path.relpath(Path.cwd(), root)}` into that file to use it"
        )
