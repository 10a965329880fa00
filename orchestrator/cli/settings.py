"""The configuration that a command works with, and the folder that the command then stands in.

Touches no library itself; takes `--config`; gives `ExperimentSettings` or `RunSettings`; runs on
the driver.
"""

import os

from orchestrator import config
from orchestrator.api.project_folder import find_modules_in, require_no_earlier_ledger
from orchestrator.api.run_settings import RunSettings, run_settings
from orchestrator.settings import ExperimentSettings


def configured(path: str | None) -> ExperimentSettings:
    """The configured experiment; from now on the process stands in its root.

    Make paths that were typed absolute before, since they start from the folder they were typed in.

    Raises:
        ConfigError: There is no configuration, or it is wrong.
        UsageError: The ledger of an earlier version is where the command was typed.
    """
    experiment = config.load(config.find(path))
    stand_in_root(experiment)
    return experiment


def stand_in_root(experiment: ExperimentSettings) -> None:
    """Make the experiment's root the current folder, and find modules in it; workers inherit both.

    Raises:
        UsageError: The ledger of an earlier version is where the command was typed.
    """
    if experiment.root is None:
        return
    require_no_earlier_ledger(experiment)
    find_modules_in(experiment.root)
    os.chdir(experiment.root)


def place(path: str | None) -> RunSettings:
    """Return the configured place of the ledger, or the default one where nothing is configured.

    Raises:
        ConfigError: The configuration that was named, or found, is wrong.
    """
    found = run_settings(path)
    found.require_valid()
    return found
