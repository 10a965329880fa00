"""The driver's orders to workers once a customer's champion is chosen, and the workers' answers.

Touches no library; records; created on the driver and on workers.
"""

from dataclasses import dataclass
from typing import Any

from orchestrator.errors import MachineryError
from orchestrator.records import Decision, Promotion, TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Refit:
    """An order to a worker: fit a promotion's trial, and write the model into its run's folder.

    Attributes:
        promotion: The promotion; its `run_id` is MLflow's, its `model` is not known yet.
        artifact_uri: The folder of the run's files.
        tracking_uri: MLflow's address; needed if files are accessed through its server.
        allow_pickle: Whether the model may be pickled.
        replace: Whether to replace existing files, because they are damaged.
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
        promotion: The model's promotion, with `model` set.
        format: The format of the stored estimator.
        proof: The predictions that the model has to make when it is read back (a
            `mlflow.model_files.readback.Proof`).
    """

    promotion: Promotion
    format: str
    proof: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Undeployable:
    """A candidate that cannot be deployed because of a fault of its own.

    Attributes:
        reason: The reason, in one line.
        whole_model: Whether the reason applies to all parameters of the model.
    """

    reason: str
    whole_model: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order to deliver one customer's champion.

    Attributes:
        id: The customer's id, which is the instance's key.
        refit: The first candidate; None if its model is ready or serves already.
        runners_up: The candidates to serve if the first cannot be deployed, best first.
    """

    id: str
    refit: Refit | None
    runners_up: tuple[Decision, ...] = ()


def best_of(promotion: Promotion) -> TrialResult:
    """Return the trial result that is promoted.

    Raises:
        MachineryError: The promotion has none, so the ledger was changed outside orchestrator.
    """
    best = promotion.decision.best
    if best is None:
        customer = promotion.decision.customer.id
        raise MachineryError(f"customer {customer!r}: a promotion without a trial is in the ledger")
    return best
