"""The seam through which runs reach MLflow.

Touches no library; takes `TrackedRun` and tags; runs on the driver, one writer at a time (law 5).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from orchestrator.mlflow.runs.tracked_run import TrackedRun

KEEP = "keep"
"""The tag that a user sets in MLflow, to any text but `false`, to keep a run."""


class Location(NamedTuple):
    """The location of a run in MLflow.

    Attributes:
        run_id: MLflow's id of the run. It equals ours if the tracker may choose it; a tracking
            server always chooses its own.
        artifact_uri: The folder of the run's files; a model belongs in `model` below it.
    """

    run_id: str
    artifact_uri: str


class Tracker(Protocol):
    """The seam that writes runs into one MLflow experiment.

    The contract: every method may be called again after a failure, with the same arguments or more,
    and does not write anything twice. Every exception of MLflow or its database becomes a
    `MachineryError`; what was written before stays written. A run that a user deleted in MLflow
    stays deleted.

    Attributes:
        experiment_id: MLflow's id of the experiment.
        artifact_root: The experiment's folder.
    """

    experiment_id: str
    artifact_root: str

    def log(self, runs: Sequence[TrackedRun]) -> None:
        """Write ended runs; runs that MLflow already has are left unchanged."""
        ...

    def tag(self, tags: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
        """Set tags by run id (ours), and overwrite their earlier values.

        Returns:
            The run ids that MLflow does not have: never logged, or purged by `mlflow gc`.
        """
        ...

    def locate(self, run_ids: Sequence[str]) -> Mapping[str, Location]:
        """Return the locations of runs by our run id; runs that MLflow lacks may be left out."""
        ...

    def kept(self, run_ids: Sequence[str]) -> frozenset[str]:
        """Return those of these runs that a user asked to keep by the tag `keep`."""
        ...

    def missing(self, run_ids: Sequence[str]) -> frozenset[str]:
        """Return those of these runs that MLflow does not have, not even marked as deleted."""
        ...

    def delete(self, run_ids: Sequence[str]) -> None:
        """Mark runs as deleted; MLflow keeps them in its trash until `mlflow gc` empties it."""
        ...

    def erase(self, customer: str, run_ids: Sequence[str]) -> bool:
        """Erase every run of a customer with its files, deleted runs included.

        Args:
            customer: The customer's id, which its runs carry as a tag.
            run_ids: The customer's runs that are known by id.

        Returns:
            Whether the runs are permanently gone; a server only marks them as deleted.
        """
        ...

    def attach(self, run_id: str, name: str, text: str) -> None:
        """Write a text file into a logged run's files, and replace a file of the same name."""
        ...

    def tag_experiment(self, tags: Mapping[str, str]) -> None:
        """Set tags of the experiment, such as saved views."""
        ...
