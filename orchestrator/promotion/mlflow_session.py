"""An experiment's MLflow: its runs and registered models, opened at their first use.

Touches MLflow through its room; takes an address; gives a `Tracker` and a `Deployer`; driver.
"""

from collections.abc import Callable
from threading import Lock

from orchestrator.mlflow.models.deployer import Deployer
from orchestrator.mlflow.runs.tracker import Tracker
from orchestrator.settings import ExperimentSettings

Open = Callable[[], tuple[Tracker, Deployer]]
"""A function that opens MLflow's runs and registered models."""


class MlflowSession:
    """An experiment's MLflow, opened at its first use; after a failure, the next use tries again.

    Importing MLflow takes seconds, and so does creating its database, so a thread may open it while
    the driver does something else. A run that a guard refuses must not open it, since opening
    creates a missing database.

    Args:
        tracking_uri: MLflow's address, to which workers send files.
        open_both: Opens the runs and the registered models.

    Attributes:
        tracking_uri: MLflow's address.
    """

    def __init__(self, tracking_uri: str, open_both: Open) -> None:
        self.tracking_uri = tracking_uri
        self._open_both, self._trying = open_both, Lock()
        self._both: tuple[Tracker, Deployer] | None = None

    @classmethod
    def of(
        cls, experiment: ExperimentSettings, bind: Callable[[Tracker], None] = lambda _: None
    ) -> "MlflowSession":
        """Return the session of an experiment.

        Args:
            experiment: The settings, which name MLflow's address.
            bind: Called with the tracker once it is open, before anything is sent.
        """

        def open_both() -> tuple[Tracker, Deployer]:
            from orchestrator.mlflow.models.opening import open_deployer  # late: they import MLflow
            from orchestrator.mlflow.runs.opening import open_tracker

            tracker = open_tracker(experiment.tracking, experiment.name, experiment.artifacts)
            bind(tracker)
            return tracker, open_deployer(experiment.tracking, experiment.name)

        return cls(experiment.tracking, open_both)

    @property
    def tracker(self) -> Tracker:
        """The tracker of MLflow's runs; raises what `open` raises."""
        return self.open()[0]

    @property
    def deployer(self) -> Deployer:
        """The deployer of MLflow's registered models; raises what `open` raises."""
        return self.open()[1]

    @property
    def is_open(self) -> bool:
        """Whether MLflow has been opened."""
        return self._both is not None

    def open(self) -> tuple[Tracker, Deployer]:
        """Open MLflow unless it is open; after a failure, the next call tries again.

        Raises:
            UsageError: MLflow's address is not valid, or its experiment was deleted there.
            MachineryError: MLflow cannot be opened now; a later attempt may succeed.
        """
        with self._trying:
            if self._both is None:
                self._both = self._open_both()
            return self._both
