"""The claim to an experiment's aliases: the driver that last set the experiment's tag moves them.

MLflow knows nothing about the ledger's leases, and a driver that was suspended while another took
its place would move aliases back when it resumes. A driver that is about to deploy therefore first
claims the aliases, then checks that it still holds the lease, then moves aliases as long as no
other driver has claimed them since. A driver that lost its lease before its claim is stopped by the
lease; one that lost it afterwards is stopped by its successor's claim.

Touches MLflow and its tables; takes MLflow's client or a connection; gives `Claim`; driver.
"""

import uuid
from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.store.tracking.dbmodels.models import SqlExperimentTag
from sqlalchemy import Connection, select

from orchestrator.errors import ClaimLostError, MachineryError
from orchestrator.mlflow.models.registered_models import table_of

TAG = "orchestrator.driver"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to move an experiment's aliases, until another driver claims it.

    Attributes:
        experiment: The experiment's name.
        experiment_id: MLflow's id of the experiment.
        token: A random token that identifies the claim.
    """

    experiment: str
    experiment_id: str
    token: str

    def require(self, found: str | None) -> None:
        """Check that the tag holds this claim.

        Args:
            found: The tag's value; None if the experiment does not have the tag.

        Raises:
            ClaimLostError: The tag holds another claim, or is missing.
        """
        if found != self.token:
            raise ClaimLostError(
                f"another driver now deploys the champions of {self.experiment!r}: this one moves "
                "no alias any more"
            )

    def require_by(self, client: MlflowClient) -> None:
        """Read the tag now and check it as `require` does."""
        self.require(client.get_experiment(self.experiment_id).tags.get(TAG))

    def require_in(self, connection: Connection) -> None:
        """Check the tag as `require` does; on PostgreSQL other claims wait for the transaction."""
        tags = table_of(SqlExperimentTag).c
        own = select(tags.value).where(
            tags.experiment_id == int(self.experiment_id), tags.key == TAG
        )
        self.require(connection.scalar(own.with_for_update(read=True)))


def claimed(client: MlflowClient, experiment: str) -> Claim:
    """Claim the aliases of an experiment and replace any earlier claim.

    Raises:
        MachineryError: MLflow has no such experiment.
    """
    found = client.get_experiment_by_name(experiment)
    if found is None:
        raise MachineryError(f"MLflow no longer has the experiment {experiment!r}")
    claim = Claim(experiment=experiment, experiment_id=found.experiment_id, token=uuid.uuid4().hex)
    client.set_experiment_tag(claim.experiment_id, TAG, claim.token)
    return claim
