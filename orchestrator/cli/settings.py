"""The configuration that a command works with, and the folder that the command changes to.

Touches no library itself; takes `--config`; gives `ExperimentSettings` or `RunSettings`; runs on
the driver.
"""

import os

from orchestrator import config
from orchestrator.api.project_folder import find_modules_in, require_no_earlier_ledger
from orchestrator.api.run_settings import RunSettings, run_settings
from orchestrator.settings import ExperimentSettings


def configured(path: str | None) -> ExperimentSettings:
    """Return the configured experiment, and change to its root.

    Make paths of the command line absolute before, since they start from the user's folder.

    Raises:
        ConfigError: There is no configuration, or it is wrong.
        UsageError: The user's folder has the ledger of an earlier version.
    """
    experiment = config.load(config.find(path))
    stand_in_root(experiment)
    return experiment


def stand_in_root(experiment: ExperimentSettings) -> None:
    """Make the experiment's root the current folder, and find modules in it; workers inherit both.

    Raises:
        UsageError: The user's folder has the ledger of an earlier version.
    """
    if experiment.root is None:
        return
    require_no_earlier_ledger(experiment)
    find_modules_in(experiment.root)
    os.chdir(experiment.root)


def place(path: str | None) -> RunSettings:
    """Return the configured ledger and run settings, or the defaults without a configuration.

    Raises:
        ConfigError: The configuration that was given, or found, is wrong.
    """
    found = run_settings(path)
    found.require_valid()
    return found
