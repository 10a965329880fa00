"""Who moves an experiment's aliases: the last who has claimed them, by a tag of the experiment.

MLflow knows nothing of the ledger's leases, and a driver that stood still while another took its
place would move aliases back when it wakes. Whoever is to deploy therefore first claims, then makes
sure that the lease is its own, then moves aliases as long as nobody has claimed since. A driver
that lost its lease before it claimed is stopped by the lease, one that lost it afterwards by its
successor's claim.

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
    """The right to move an experiment's aliases, until somebody else claims it.

    Attributes:
        experiment: The experiment's name.
        experiment_id: MLflow's id of it.
        token: Whose it is, drawn by chance.
    """

    experiment: str
    experiment_id: str
    token: str

    def require(self, found: str | None) -> None:
        """Nothing, while the tag is ours.

        Raises:
            ClaimLostError: It is another's.
        """
        if found != self.token:
            raise ClaimLostError(
                f"another driver now deploys the champions of {self.experiment!r}: this one moves "
                "no alias any more"
            )

    def require_by(self, client: MlflowClient) -> None:
        """As `require`, at this moment."""
        self.require(client.get_experiment(self.experiment_id).tags.get(TAG))

    def require_in(self, connection: Connection) -> None:
        """As `require`, until the transaction ends: on PostgreSQL others then wait to claim."""
        tags = table_of(SqlExperimentTag).c
        own = select(tags.value).where(
            tags.experiment_id == int(self.experiment_id), tags.key == TAG
        )
        self.require(connection.scalar(own.with_for_update(read=True)))


def claimed(client: MlflowClient, experiment: str) -> Claim:
    """Claim the aliases of an experiment, over whoever did so before.

    Raises:
        MachineryError: MLflow has no such experiment.
    """
    found = client.get_experiment_by_name(experiment)
    if found is None:
        raise MachineryError(f"MLflow no longer has the experiment {experiment!r}")
    claim = Claim(experiment=experiment, experiment_id=found.experiment_id, token=uuid.uuid4().hex)
    client.set_experiment_tag(claim.experiment_id, TAG, claim.token)
    return claim
