"""What the driver orders of a worker once a customer's champion is chosen, and what comes back.

Touches no library; records; made on the driver and on workers.
"""

from dataclasses import dataclass

from orchestrator.errors import MachineryError
from orchestrator.records import Promotion, TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Refit:
    """An order to a worker: fit a promotion's trial, and write it where its run is kept.

    Attributes:
        id: The customer's id, which is the instance's key.
        promotion: What is promoted; `run_id` is MLflow's, `source` is not known yet.
        artifact_uri: The folder of the run's files.
        tracking_uri: MLflow's address, where files go through its server.
        allow_pickle: Whether the model may be pickled.
    """

    id: str
    promotion: Promotion
    artifact_uri: str
    tracking_uri: str
    allow_pickle: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Refitted:
    """A model that has been written: its promotion with `source`, and the format of its files."""

    promotion: Promotion
    format: str


def best_of(promotion: Promotion) -> TrialResult:
    """What is promoted.

    Raises:
        MachineryError: Nothing is, so the ledger was changed by other hands.
    """
    best = promotion.decision.best
    if best is None:
        customer = promotion.decision.customer.id
        raise MachineryError(f"customer {customer!r}: a promotion without a trial is in the ledger")
    return best
