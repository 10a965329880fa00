"""What the driver orders of a worker once a customer's champion is chosen, and what comes back.

Touches no library; records; made on the driver and on workers.
"""

from dataclasses import dataclass
from typing import Any

from orchestrator.errors import MachineryError
from orchestrator.records import Decision, Promotion, TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Refit:
    """An order to a worker: fit a promotion's trial, and write it where its run is kept.

    Attributes:
        promotion: What is promoted; `run_id` is MLflow's, `model` is not known yet.
        artifact_uri: The folder of the run's files.
        tracking_uri: MLflow's address, where files go through its server.
        allow_pickle: Whether the model may be pickled.
        replace: Whether files that are there are replaced: they are damaged.
    """

    promotion: Promotion
    artifact_uri: str
    tracking_uri: str
    allow_pickle: bool
    replace: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refitted:
    """A model that has been written.

    Attributes:
        promotion: Its promotion with `model`.
        format: How the estimator is stored.
        proof: What it has to predict when it is read back (`deployment.readback.Proof`).
    """

    promotion: Promotion
    format: str
    proof: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Undeployable:
    """A candidate that cannot be deployed, through its own fault.

    Attributes:
        reason: Why, in one line.
        whole_model: Whether other parameters of the model would fare alike.
    """

    reason: str
    whole_model: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be delivered for one customer.

    Attributes:
        id: The customer's id, which is the instance's key.
        refit: The first candidate; None where its model is ready, or serves, already.
        runners_up: What to serve if that cannot be deployed, the best first.
    """

    id: str
    refit: Refit | None
    runners_up: tuple[Decision, ...] = ()


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
