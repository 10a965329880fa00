"""What flows of any kind need of the configuration: a ledger and a cluster.

Touches no library itself; takes `--config`; gives `Place`; runs on the driver.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator import config
from orchestrator.clusters import Cluster

DEFAULT_LEDGER = "sqlite:///state/ledger.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where flows run with `--cluster`, and where they are recorded."""

    ledger: str = DEFAULT_LEDGER
    cluster: Cluster = field(default_factory=Cluster)


def place(path: str | None) -> Place:
    """The configured place, or the default one where nothing is configured.

    Raises:
        ConfigError: The configuration that was named, or found, is wrong.
    """
    named = path is not None or config.ENVIRONMENT_VARIABLE in os.environ
    if not named and not any(Path(default).is_file() for default in config.DEFAULT_PATHS):
        return Place()
    experiment = config.load(config.find(path))
    return Place(ledger=experiment.ledger, cluster=experiment.cluster)
