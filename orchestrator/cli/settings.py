"""What flows of any kind need of the configuration: a ledger and a cluster.

Touches no library itself; takes `--config`; gives `Place`; runs on the driver.
"""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator import config
from orchestrator.clusters import Cluster

DEFAULT_LEDGER = "sqlite:///state/ledger.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where flows run with `--cluster`, where they are recorded, and how long they may take to end.

    Attributes:
        ledger: The ledger's address.
        cluster: Where mapped tasks run.
        grace: Seconds that what runs has to end when a flow run is interrupted.
    """

    ledger: str = DEFAULT_LEDGER
    cluster: Cluster = field(default_factory=Cluster)
    grace: float = 30.0


def place(path: str | None, *, grace: float | None = None) -> Place:
    """The configured place, or the default one where nothing is configured.

    Args:
        path: The configuration.
        grace: Goes before the configured one.

    Raises:
        ConfigError: The configuration that was named, or found, is wrong.
    """
    found = _configured(path)
    return found if grace is None else replace(found, grace=grace)


def _configured(path: str | None) -> Place:
    named = path is not None or config.ENVIRONMENT_VARIABLE in os.environ
    if not named and not any(Path(default).is_file() for default in config.DEFAULT_PATHS):
        return Place()
    experiment = config.load(config.find(path))
    return Place(ledger=experiment.ledger, cluster=experiment.cluster, grace=experiment.grace)
