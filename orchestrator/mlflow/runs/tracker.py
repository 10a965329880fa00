"""The seam through which runs reach MLflow.

Touches no library; takes `TrackedRun` and tags; runs on the driver, one writer at a time (law 5).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from orchestrator.mlflow.runs.tracked_run import TrackedRun

KEEP = "keep"
"""The tag, with any text but `false`, by which a person asks in MLflow for a run to stay."""


class Location(NamedTuple):
    """Where MLflow keeps a run.

    Attributes:
        run_id: MLflow's own id of it. Ours, where the tracker may choose it; a tracking server
            insists on choosing.
        artifact_uri: The folder of its files; a model belongs in `model` below it.
    """

    run_id: str
    artifact_uri: str


class Tracker(Protocol):
    """Writes runs into one MLflow experiment.

    The contract: every method may be called again after a failure, with the same or more, and
    nothing is then there twice. Whatever MLflow or its database raises becomes a `MachineryError`;
    what was written before stays written. A run that a person deleted in MLflow stays deleted.

    Attributes:
        experiment_id: MLflow's id of the experiment.
        artifact_root: The experiment's folder.
    """

    experiment_id: str
    artifact_root: str

    def log(self, runs: Sequence[TrackedRun]) -> None:
        """Write ended runs; those that MLflow already has are left as they are."""
        ...

    def tag(self, tags: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
        """Set tags by run id (ours), over whatever they were.

        Returns:
            The run ids MLflow does not have: never logged, or purged by `mlflow gc`.
        """
        ...

    def locate(self, run_ids: Sequence[str]) -> Mapping[str, Location]:
        """Where runs are kept, by our run id; runs MLflow does not have may be left out."""
        ...

    def kept(self, run_ids: Sequence[str]) -> frozenset[str]:
        """Which of these runs a person asked to stay, by the tag `keep`."""
        ...

    def missing(self, run_ids: Sequence[str]) -> frozenset[str]:
        """Which of these runs MLflow does not have, nor has marked as deleted."""
        ...

    def delete(self, run_ids: Sequence[str]) -> None:
        """Mark runs as deleted; MLflow shows them in its trash until `mlflow gc` empties it."""
        ...

    def erase(self, customer: str, run_ids: Sequence[str]) -> bool:
        """Erase every run of a customer with its files, deleted ones included.

        Args:
            customer: Its id, which its runs carry as a tag.
            run_ids: Runs of it that are known by id.

        Returns:
            Whether they are gone for good; a server only marks them as deleted.
        """
        ...

    def attach(self, run_id: str, name: str, text: str) -> None:
        """Write a text file among those of a run that was logged, over one of that name."""
        ...

    def tag_experiment(self, tags: Mapping[str, str]) -> None:
        """Set tags of the experiment, such as saved views."""
        ...
